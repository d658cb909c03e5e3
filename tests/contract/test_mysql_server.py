"""A MySQL server of one's own: restarted, killed and hanging for real, and with TLS, on both event loops."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvloop
from tests import servers, stores

from revcart.kit import clock, errors, migrations, sql


class Store(sql.Store[sql.Transaction]):
    pass


@pytest.fixture
def own(tmp_path: Path) -> Iterator[stores.Stores]:
    with stores.private(tmp_path, "mysql") as made:
        yield made


def database_of(server: str) -> sa.URL:
    """A new database with the tables of user."""
    engine = sa.create_engine(sa.make_url(server).set(drivername="mysql+pymysql"))
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE users")
    engine.dispose()
    made = sa.make_url(server).set(database="users")
    migrations.upgrade("user", made)
    return made


def opened(url: sa.URL) -> Store:
    made = sql.Database(url.render_as_string(hide_password=False), service="user", clock=clock.System(), pool_size=5)
    return Store(made)


async def note(store: Store, number: int) -> None:
    async with store.transaction() as tx:
        row = "INSERT INTO inbox VALUES ('g', :number, '2026-01-31 00:00:00')"
        await tx.connection.execute(sa.text(row), {"number": str(number)})


async def noted(store: Store) -> set[int]:
    async with store.read() as tx:
        return {int(number) for number in await tx.connection.scalars(sa.text("SELECT event_id FROM inbox"))}


async def test_what_was_committed_outlives_a_kill_and_the_pool_heals(own: stores.Stores) -> None:
    store = opened(database_of(own.url("mysql")))
    acknowledged: set[int] = set()
    stopping = asyncio.Event()

    async def write(first: int) -> None:
        for number in range(first, 1_000_000):
            if stopping.is_set():
                return
            try:
                await note(store, number)
                acknowledged.add(number)
            except errors.DependencyUnavailable:
                await asyncio.sleep(0.05)

    writers = [asyncio.create_task(write(first * 1_000_000)) for first in range(4)]
    for end in (own.kill, own.stop):
        await asyncio.sleep(0.5)
        await asyncio.to_thread(end, "mysql")
        before = len(acknowledged)
        await asyncio.to_thread(own.start, "mysql")
        await asyncio.sleep(0.5)
        assert len(acknowledged) > before, "it did not heal by itself"
    stopping.set()
    await asyncio.gather(*writers)
    found = await noted(store)
    assert acknowledged <= found
    assert len(found - acknowledged) <= 8  # committed, and the answer was lost: one per writer and end at most
    await store.database.close()


async def test_a_server_that_hangs_is_given_up_before_the_request_is(own: stores.Stores) -> None:
    store = opened(database_of(own.url("mysql")))
    await note(store, 1)
    await asyncio.sleep(1.1)  # a connection in use is not asked whether it lives
    own.pause("mysql")
    began = time.monotonic()
    with pytest.raises(errors.DependencyUnavailable):
        await note(store, 2)
    assert time.monotonic() - began < 10
    own.resume("mysql")
    await note(store, 3)
    assert await noted(store) == {1, 3}
    await store.database.close()


@contextlib.contextmanager
def with_tls(own: stores.Stores, folder: Path) -> Iterator[str]:
    """The server again with a certificate, whose file this gives."""
    certificate, key = servers.certificate(folder)
    process = Path("/proc", str(own.pid("mysql")))
    command = process.joinpath("cmdline").read_bytes().split(b"\0")[:-1]
    variables = dict(line.split(b"=", 1) for line in process.joinpath("environ").read_bytes().split(b"\0") if line)
    port = sa.make_url(own.url("mysql")).port
    own.stop("mysql")
    options = (f"--ssl-ca={certificate}", f"--ssl-cert={certificate}", f"--ssl-key={key}")
    again = subprocess.Popen([*command, *options], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert again.poll() is None
            assert time.monotonic() < deadline
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port or 0), 1).close()
                break
            time.sleep(0.1)
        yield certificate
    finally:
        again.terminate()
        again.wait(timeout=30)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_tls_with_a_checked_certificate(
    own: stores.Stores, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    url = database_of(own.url("mysql"))

    async def version(query: dict[str, str]) -> str:
        store = opened(url.set(query=query))
        try:
            async with store.transaction() as tx:
                found = (await tx.connection.execute(sa.text("SHOW STATUS LIKE 'Ssl_version'"))).one()
                large = await tx.connection.scalar(sa.text("SELECT REPEAT('x', 2000000)"))
                assert len(str(large)) == 2_000_000
                return str(found[1])
        finally:
            await store.database.close()

    def asked(query: dict[str, str]) -> str:
        with asyncio.Runner(loop_factory=loop) as runner:
            return runner.run(version(query))

    with pytest.raises(errors.DependencyUnavailable) as caught:  # never in clear where TLS is asked for
        asked({"tls": "true"})
    assert "offers no TLS" in str(caught.value.__cause__)
    with with_tls(own, tmp_path) as certificate:
        assert asked({}) == ""
        for query in ({"ssl_ca": certificate}, {"tls": "true", "ca": certificate}):
            assert asked(query).startswith("TLSv1")
        with pytest.raises(errors.DependencyUnavailable) as caught:
            asked({"tls": "true"})
        assert "certificate verify failed" in str(caught.value.__cause__)
        assert migrations.upgrade("user", url.set(query={"ssl_ca": certificate})) == ("v0001", "v0001")
