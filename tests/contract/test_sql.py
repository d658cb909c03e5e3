"""The unit of work: what is committed, what is rolled back, and what a caller is told when the database is away."""

import asyncio
import datetime as dt
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests import databases

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


@pytest.fixture(params=databases.KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return databases.with_tables(METADATA, tmp_path, kind=request.param)


async def opened(url: str, **options: Any) -> Store:
    database = sql.Database(url, service="crate", clock=clock.System(), **options)
    await database.open(METADATA)
    return Store(database)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    made = await opened(url)
    yield made
    await made.database.close()


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


async def test_a_reader_sees_one_state_from_its_first_look_to_its_last(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.add("a", 1)
    async with store.read() as reader:
        assert await reader.apples("a") == 1
        async with store.transaction() as tx:
            await tx.take("a")
        assert await reader.apples("a") == 1


async def test_a_reader_that_asked_nothing_leaves_a_connection_that_writes(url: str) -> None:
    store = await opened(url, pool_size=1)
    async with store.read():
        pass
    async with store.transaction() as tx:
        await tx.add("a", 1)
    await store.database.close()


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


@pytest.mark.regression("R57")
async def test_cancelled_at_any_moment_the_next_writer_need_not_wait(store: Store) -> None:
    async def work() -> None:
        async with store.transaction() as tx:
            await tx.add("half", 1)
            await tx.apples("half")

    for step in range(300):
        task = asyncio.create_task(work())
        await asyncio.sleep(step % 60 / 15_000)
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


async def test_twenty_at_once_insert_one_row_and_each_may_lock_it(store: Store) -> None:
    async def meet(name: str) -> bool:
        async with store.transaction() as tx:
            new = await sql.insert_if_absent(tx.connection, CRATES, {"name": name, "apples": 0})
            locked = sa.select(CRATES).where(CRATES.c.name == name).with_for_update()
            assert (await tx.connection.execute(locked)).one().apples == 0
            return new

    for name in ("a", "b", "c"):
        assert sum(await asyncio.gather(*(meet(name) for _ in range(20)))) == 1


async def test_insert_if_absent_passes_over_nothing_but_a_key_that_is_taken(store: Store) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        async with store.transaction() as tx:
            await sql.insert_if_absent(tx.connection, CRATES, {"name": "a", "apples": -1})
    async with store.read() as tx:
        assert await tx.apples("a") is None


async def test_text_is_compared_by_its_letters_and_sorted_by_code_point(store: Store) -> None:
    names = ["Zimt", "apfel", "Äpfel", "zimt", "Apfel", "म", "🍏"]
    async with store.transaction() as tx:
        for name in names:
            assert await sql.insert_if_absent(tx.connection, CRATES, {"name": name, "apples": 1})
    async with store.read() as tx:
        found = (await tx.connection.scalars(sa.select(CRATES.c.name).order_by(CRATES.c.name))).all()
    assert found == sorted(names)


async def test_a_full_pool_is_an_outage_after_a_while(url: str) -> None:
    store = await opened(url, pool_size=1, wait_seconds=0.3)
    async with store.transaction() as tx:
        await tx.add("a", 1)
        with pytest.raises(errors.DependencyUnavailable) as caught:
            await asyncio.create_task(_take_one(store))
        assert caught.value.retry_after is not None
    assert await asyncio.create_task(_take_one(store))
    await store.database.close()


async def _take_one(store: Store) -> bool:
    async with store.transaction() as tx:
        return await tx.take("a")


async def test_pool_use_is_measured(store: Store) -> None:
    async with store.transaction():
        assert "revcart_database_pool_used 1.0" in store.database.metrics.exposition().decode()
    assert "revcart_database_pool_used 0.0" in store.database.metrics.exposition().decode()


async def test_constraints_hold(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.add("b", 1)
    for name, apples in (("a", -1), ("b", 1)):
        with pytest.raises(sa.exc.DBAPIError) as caught:  # MySQL's failed check is an OperationalError
            async with store.transaction() as tx:
                await tx.add(name, apples)
        assert isinstance(caught.value, sa.exc.IntegrityError | sa.exc.OperationalError)


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


async def test_the_same_event_at_once_acts_once(store: Store) -> None:
    event = events.Received(
        id="0198-3", type="x", subject="1", time=dt.datetime.now(dt.UTC), data=CratePacked(crate_id=1), traceparent=""
    )

    async def handle(number: int) -> None:
        async with store.transaction(received=event) as tx:
            await tx.add(str(number), 1)

    outcomes = await asyncio.gather(*(handle(number) for number in range(10)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [events.Repeated] * 9
    async with store.read() as tx:
        assert len((await tx.connection.execute(sa.select(CRATES))).all()) == 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tables.db"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
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


async def test_what_was_committed_is_there_after_reopening(store: Store, url: str) -> None:
    async with store.transaction() as tx:
        await tx.add("a", 5)
    await store.database.close()
    again = await opened(url)
    async with again.read() as tx:
        assert await tx.apples("a") == 5
    await again.database.close()


async def test_memory_is_a_database_too() -> None:
    store = await opened("sqlite+aiosqlite:///:memory:")
    async with store.database.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    async with store.transaction() as tx:
        await tx.add("a", 1)
    async with store.read() as tx:
        assert await tx.apples("a") == 1
    await store.database.close()
