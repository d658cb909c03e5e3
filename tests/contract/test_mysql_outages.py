"""MySQL that is away, slow, locked or restarted: nothing half done, the caller is told, and it heals by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests import databases
from tests.contract import wire

from revcart.kit import clock, errors, sql

IDLE_SECONDS = 1.1  # after which a connection is asked whether it lives before it is used
METADATA = sa.MetaData()
CRATES = sa.Table(
    "crates",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("apples", sa.Integer, nullable=False),
)
sql.shared_tables(METADATA, outbox=False)


class Store(sql.Store[sql.Transaction]):
    pass


@pytest.fixture
def direct(tmp_path: Path) -> sa.URL:
    return sa.make_url(databases.with_tables(METADATA, tmp_path, kind="mysql"))


@pytest.fixture
async def wired(direct: sa.URL) -> AsyncIterator[tuple[wire.Wire, sa.URL]]:
    async with wire.Wire.to(direct) as made:
        yield made


async def opened(url: sa.URL, **options: Any) -> Store:
    database = sql.Database(databases.text(url), service="crate", clock=clock.System(), **options)
    await database.open(METADATA)
    return Store(database)


async def add(store: Store, number: int) -> None:
    async with store.transaction() as tx:
        await tx.connection.execute(CRATES.insert().values(id=number, apples=1))


async def numbers(store: Store) -> list[int]:
    async with store.read() as tx:
        return list(await tx.connection.scalars(sa.select(CRATES.c.id).order_by(CRATES.c.id)))


async def refused(doing: Any) -> errors.DependencyUnavailable:
    with pytest.raises(errors.DependencyUnavailable) as caught:
        await doing
    assert (caught.value.service, caught.value.status) == ("database", 503)
    assert caught.value.retry_after is not None
    return caught.value


async def test_a_connection_lost_in_mid_transaction_leaves_nothing(wired: tuple[wire.Wire, sa.URL]) -> None:
    line, url = wired
    store = await opened(url)

    async def half() -> None:
        async with store.transaction() as tx:
            await tx.connection.execute(CRATES.insert().values(id=1, apples=1))
            await line.cut()
            await tx.connection.execute(CRATES.insert().values(id=2, apples=1))

    await refused(half())
    await line.mend()
    assert await numbers(store) == []
    await store.database.close()


async def test_a_connection_lost_before_the_commit_leaves_nothing(wired: tuple[wire.Wire, sa.URL]) -> None:
    line, url = wired
    store = await opened(url)

    async def half() -> None:
        async with store.transaction() as tx:
            await tx.connection.execute(CRATES.insert().values(id=1, apples=1))
            await line.cut()

    await refused(half())
    await line.mend()
    assert await numbers(store) == []
    await store.database.close()


async def test_a_restarted_server_is_used_again_without_a_refusal(wired: tuple[wire.Wire, sa.URL]) -> None:
    line, url = wired
    store = await opened(url, pool_size=5)
    await asyncio.gather(*(add(store, number) for number in range(5)))
    await line.cut()
    await refused(add(store, 5))
    await refused(numbers(store))
    await line.mend()
    await asyncio.gather(*(add(store, number) for number in range(5, 15)))
    assert await numbers(store) == list(range(15))
    await store.database.close()


async def test_a_server_that_is_away_is_told_at_once(wired: tuple[wire.Wire, sa.URL]) -> None:
    line, url = wired
    await line.cut()
    began = time.monotonic()
    await refused(opened(url))
    assert time.monotonic() - began < 1


async def test_a_server_that_does_not_answer_is_given_up(wired: tuple[wire.Wire, sa.URL]) -> None:
    line, url = wired
    store = await opened(url)
    await add(store, 1)
    await asyncio.sleep(IDLE_SECONDS)
    line.hold()
    began = time.monotonic()
    await refused(add(store, 2))
    assert time.monotonic() - began < 10  # a ping (3 s), then a new connection (6 s): before the request's own end
    line.release()
    await add(store, 3)
    assert await numbers(store) == [1, 3]
    await store.database.close()


async def test_killed_by_an_operator(direct: sa.URL) -> None:
    store = await opened(direct)

    async def half() -> None:
        async with store.transaction() as tx:
            await tx.connection.execute(CRATES.insert().values(id=1, apples=1))
            number = await tx.connection.scalar(sa.text("SELECT CONNECTION_ID()"))
            await asyncio.to_thread(databases.execute, direct, f"KILL {number}")
            await tx.connection.execute(CRATES.insert().values(id=2, apples=1))

    await refused(half())
    assert await numbers(store) == []
    await store.database.close()


async def test_a_deadlock_ends_one_of_two(direct: sa.URL) -> None:
    store = await opened(direct)
    await add(store, 1)
    await add(store, 2)
    both = asyncio.Barrier(2)

    async def cross(first: int, second: int) -> None:
        async with store.transaction() as tx:
            for number in (first, second):
                change = CRATES.update().where(CRATES.c.id == number).values(apples=CRATES.c.apples + 1)
                await tx.connection.execute(change)
                if number == first:
                    await both.wait()

    outcomes = await asyncio.gather(cross(1, 2), cross(2, 1), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DependencyUnavailable", "NoneType"]
    async with store.read() as tx:
        assert list(await tx.connection.scalars(sa.select(CRATES.c.apples))) == [2, 2]
    await store.database.close()


async def test_a_lock_that_nobody_gives_back_ends_the_wait(direct: sa.URL) -> None:
    store = await opened(direct)
    await add(store, 1)
    change = CRATES.update().values(apples=7)
    async with store.transaction() as tx:
        await tx.connection.execute(change)

        async def wait() -> None:
            async with store.transaction() as other:
                await other.connection.execute(change)

        began = time.monotonic()
        await refused(wait())
        assert 4 < time.monotonic() - began < 8
    await store.database.close()


async def test_cancelled_at_any_moment_the_pool_stays_whole(direct: sa.URL) -> None:
    store = await opened(direct, pool_size=2, wait_seconds=2)

    async def work() -> None:
        async with store.transaction() as tx:
            await tx.connection.execute(CRATES.insert().values(id=1, apples=1))
            await numbers(store)

    for step in range(200):
        tasks = [asyncio.create_task(work()) for _ in range(2)]
        await asyncio.sleep(step % 50 / 10_000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with store.transaction() as tx:
            await tx.connection.execute(CRATES.delete())
    assert "revcart_database_pool_used 0.0" in store.database.metrics.exposition().decode()
    await asyncio.gather(*(add(store, number) for number in range(2)))
    await store.database.close()


async def test_what_every_session_is_told(direct: sa.URL) -> None:
    store = await opened(direct)
    async with store.transaction() as tx:
        said = await tx.connection.execute(
            sa.text(
                "SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout, @@time_zone, @@character_set_client,"
                " @@sql_mode LIKE '%STRICT_ALL_TABLES%', @@collation_database"
            )
        )
        assert tuple(said.one()) == (5, 5, "+00:00", "utf8mb4", 1, "utf8mb4_bin")
    with pytest.raises(sa.exc.DBAPIError):
        async with store.transaction() as tx:
            await tx.connection.exec_driver_sql("INSERT INTO inbox VALUES (REPEAT('g', 65), 'e', NOW())")
    await store.database.close()


async def test_a_wrong_password_is_an_outage_that_does_not_tell_it(direct: sa.URL) -> None:
    error = await refused(opened(direct.set(password="wrong-password")))
    assert "wrong-password" not in f"{error} {error.__cause__}"


@pytest.mark.parametrize("query", ["charset=latin1", "tls=perhaps", "init_command=DROP"])
def test_other_parameters_are_refused(direct: sa.URL, query: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        sql.Database(f"{databases.text(direct)}?{query}", service="crate", clock=clock.System())
