"""The unit of work: what is committed, what is rolled back, and what a caller is told when the database is away."""

import asyncio
import datetime as dt
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from revcart.kit import clock, errors, events, sql

METADATA = sa.MetaData()
CRATES = sa.Table(
    "crates",
    METADATA,
    sa.Column("id", sql.Id, primary_key=True),
    sa.Column("name", sa.String(20), nullable=False, unique=True),
    sa.Column("apples", sa.Integer, nullable=False),
    sa.Column("packed_at", sql.Instant),
    sa.Column("labels", sql.Json),
    sa.CheckConstraint("apples >= 0", name="apples_not_negative"),
)
sql.shared_tables(METADATA, idempotency=True)


class CratePacked(events.Payload, topic="order-events", type="crate.packed", key="crate_id"):
    crate_id: int


class Transaction(sql.Transaction):
    async def add(self, name: str, apples: int) -> None:
        await self.connection.execute(CRATES.insert().values(name=name, apples=apples))

    async def take(self, name: str) -> bool:
        taken = CRATES.update().where(CRATES.c.name == name, CRATES.c.apples > 0).values(apples=CRATES.c.apples - 1)
        return (await self.connection.execute(taken)).rowcount == 1

    async def apples(self, name: str) -> int | None:
        return await self.connection.scalar(sa.select(CRATES.c.apples).where(CRATES.c.name == name))


class Store(sql.Store[Transaction]):
    pass


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "crates.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    database = sql.Database(f"sqlite+aiosqlite:///{path}", service="crate", clock=clock.System())
    await database.open(METADATA)
    yield Store(database)
    await database.close()


async def test_committed_together_or_not_at_all(store: Store) -> None:
    async def fail() -> None:
        async with store.transaction() as tx:
            await tx.add("a", 1)
            await tx.outbox.add(CratePacked(crate_id=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.read() as tx:
        assert await tx.apples("a") is None
        assert (await tx.connection.execute(sa.text("SELECT * FROM outbox"))).all() == []


async def test_a_reader_sees_the_last_committed_state(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.add("a", 1)
        async with store.read() as reader:
            assert await reader.apples("a") is None
    async with store.read() as reader:
        assert await reader.apples("a") == 1


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(sa.exc.OperationalError):
        async with store.read() as tx:
            await tx.add("a", 1)


async def test_fifty_at_once_take_ten_apples(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.add("a", 10)

    async def take() -> bool:
        async with store.transaction() as tx:
            return await tx.take("a")

    assert sum(await asyncio.gather(*(take() for _ in range(50)))) == 10
    async with store.read() as tx:
        assert await tx.apples("a") == 0


async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(store: Store) -> None:
    entered = asyncio.Event()

    async def slow() -> None:
        async with store.transaction() as tx:
            await tx.add("a", 1)
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(slow())
    await entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with store.transaction() as tx:
        assert await tx.apples("a") is None
        await tx.add("a", 2)


async def test_cancelled_while_a_statement_runs(store: Store) -> None:
    async def write(number: int) -> None:
        async with store.transaction() as tx:
            for step in range(20):
                await tx.add(f"{number}-{step}", 1)

    for delay in range(10):
        task = asyncio.create_task(write(delay))
        await asyncio.sleep(delay / 2_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with store.transaction() as tx:
        counts = await tx.connection.execute(sa.select(sa.func.count()).select_from(CRATES))
        assert counts.scalar_one() % 20 == 0


async def test_cancelled_at_any_moment_the_next_writer_need_not_wait(store: Store) -> None:
    async def work() -> None:
        async with store.transaction() as tx:
            await tx.add("half", 1)
            await tx.apples("half")

    for milliseconds in range(300):
        task = asyncio.create_task(work())
        await asyncio.sleep(milliseconds % 60 / 15_000)
        task.cancel()
        abandoned = (await asyncio.gather(task, return_exceptions=True))[0]  # kept: so would a logged traceback be
        async with asyncio.timeout(2), store.transaction() as tx:
            await tx.connection.execute(CRATES.delete())
        del abandoned


async def test_instants_come_back_as_aware_utc(store: Store) -> None:
    packed = dt.datetime(2026, 1, 31, 14, 35, 0, 123000, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    async with store.transaction() as tx:
        await tx.connection.execute(CRATES.insert().values(name="a", apples=1, packed_at=packed, labels={"é": [1]}))
    async with store.read() as tx:
        row = (await tx.connection.execute(sa.select(CRATES))).one()
    assert row.packed_at == packed
    assert row.packed_at.tzinfo is dt.UTC
    assert row.labels == {"é": [1]}


async def test_upsert_and_insert_if_absent(store: Store) -> None:
    async with store.transaction() as tx:
        row = {"name": "a", "apples": 1}
        assert await sql.insert_if_absent(tx.connection, CRATES, row)
        assert not await sql.insert_if_absent(tx.connection, CRATES, row)
        await sql.upsert(tx.connection, CRATES, {"name": "a", "apples": 7}, ["name"])
        assert await tx.apples("a") == 7
        await sql.upsert(tx.connection, CRATES, {"name": "b", "apples": 3}, ["name"])
        assert await tx.apples("b") == 3


async def test_constraints_hold(store: Store) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        async with store.transaction() as tx:
            await tx.add("a", -1)


async def test_an_event_acts_once(store: Store) -> None:
    event = events.Received(
        id="0198-1", type="x", subject="1", time=dt.datetime.now(dt.UTC), data=CratePacked(crate_id=1), traceparent=""
    )
    async with store.transaction(received=event) as tx:
        await tx.add("a", 1)
    with pytest.raises(events.Repeated):
        async with store.transaction(received=event) as tx:
            await tx.add("b", 1)
    async with store.read() as tx:
        assert await tx.apples("b") is None


async def test_a_failed_handler_does_not_use_up_its_event(store: Store) -> None:
    event = events.Received(
        id="0198-2", type="x", subject="1", time=dt.datetime.now(dt.UTC), data=CratePacked(crate_id=1), traceparent=""
    )
    with pytest.raises(RuntimeError):
        async with store.transaction(received=event):
            raise RuntimeError
    async with store.transaction(received=event) as tx:
        await tx.add("a", 1)


async def test_a_locked_database_is_an_outage(store: Store, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(errors.DependencyUnavailable) as caught:
        async with store.transaction() as tx:
            await tx.add("a", 1)
    assert caught.value.service == "database"
    other.execute("ROLLBACK")
    other.close()
    async with store.transaction() as tx:
        await tx.add("a", 1)


async def test_a_database_that_cannot_be_opened_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    database = sql.Database(f"sqlite+aiosqlite:///{tmp_path / 'folder'}", service="crate", clock=clock.System())
    with pytest.raises(errors.DependencyUnavailable):
        await database.ping()
    await database.close()


async def test_what_was_committed_is_there_after_reopening(store: Store, path: Path) -> None:
    async with store.transaction() as tx:
        await tx.add("a", 5)
    await store.database.close()
    again = sql.Database(f"sqlite+aiosqlite:///{path}", service="crate", clock=clock.System())
    await again.open(METADATA)
    async with Store(again).read() as tx:
        assert await tx.apples("a") == 5
    await again.close()


async def test_memory_is_a_database_too() -> None:
    database = sql.Database("sqlite+aiosqlite:///:memory:", service="crate", clock=clock.System())
    await database.open(METADATA)
    store = Store(database)
    async with store.transaction() as tx:
        await tx.add("a", 1)
    async with store.read() as tx:
        assert await tx.apples("a") == 1
    await database.close()
