"""What only the embedded adapter can promise: its file outlives a kill, a lock is an outage, indexes are used."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from revcart.kit import documents, errors

pytestmark = pytest.mark.asyncio

WRITER = """
import asyncio, sys
from revcart.kit import documents

async def main():
    store = documents.Documents(sys.argv[1])
    things = store.collection("things")
    await store.open()
    n = 0
    while True:
        await things.put({"_id": f"{n:06}"})
        print(n, flush=True)
        n += 1

asyncio.run(main())
"""


async def test_acknowledged_writes_survive_a_kill(tmp_path: Path) -> None:
    url = f"sqlite-documents:///{tmp_path / 'documents.db'}"
    process = subprocess.Popen(  # noqa: ASYNC220  nothing else runs on this loop
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 50:
            process.send_signal(signal.SIGKILL)
            break
    acknowledged = 50 + sum(1 for _ in process.stdout)
    process.wait(timeout=10)
    process.stdout.close()
    store = documents.Documents(url)
    things = store.collection("things")
    await store.open()
    assert await things.count() >= acknowledged + 1
    await store.close()


async def test_a_lock_of_another_process_is_an_outage(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    store = documents.Documents(f"sqlite-documents:///{path}")
    things = store.collection("things")
    await store.open()
    await things.put({"_id": "a"})
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.DependencyUnavailable):
        await things.put({"_id": "b"})
    assert await things.get("a") == {"_id": "a"}  # readers go on
    other.execute("ROLLBACK")
    other.close()
    assert await things.put({"_id": "b"})
    await store.close()


async def test_a_file_that_is_no_database_is_an_outage(tmp_path: Path) -> None:
    path = tmp_path / "documents.db"
    path.write_text("not a database at all" * 100)
    store = documents.Documents(f"sqlite-documents:///{path}")
    with pytest.raises(errors.DependencyUnavailable):
        await store.open()
    await store.close()


async def test_the_temporary_store_starts_empty_each_time() -> None:
    store = documents.Documents("")
    things = store.collection("things")
    for _ in range(2):
        await store.open()
        assert await things.count() == 0
        await things.put({"_id": "a"})
        await store.close()


async def test_reopening_keeps_documents_and_takes_new_indexes(tmp_path: Path) -> None:
    url = f"sqlite-documents:///{tmp_path / 'documents.db'}"
    first = documents.Documents(url)
    before = first.collection("things")
    await first.open()
    await before.put({"_id": "a", "kind": "x", "at": "2026"})
    await first.close()
    second = documents.Documents(url)
    things = second.collection("things")
    things.index(["kind", "at"])
    await second.open()
    assert await things.count({"kind": "x"}) == 1
    await second.close()
    with sqlite3.connect(tmp_path / "documents.db") as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT body FROM things WHERE json_extract(body, '$.\"kind\"') = ?", ("x",)
        ).fetchall()
    assert "things_kind_at_index" in str(plan)
