"""The outbox: no event before its commit, none lost, each key in order, whatever the bus and the process do."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests import databases, polling

from revcart.kit import bus, clock, errors, events, outbox, pressure, sql

METADATA = sa.MetaData()
sql.shared_tables(METADATA, idempotency=True)


def relaying(database: sql.Database, log: bus.Bus) -> contextlib.AbstractAsyncContextManager[outbox.Relay]:
    return outbox.relaying(database=database, bus=log, pressure=pressure.Pressure())


class Moved(events.Payload, topic="order-events", type="order.moved", key="order_id", subject="order_id"):
    order_id: int
    step: int
    moved_at: dt.datetime


class Transaction(sql.Transaction):
    pass


class Store(sql.Store[Transaction]):
    pass


class RecordingBus:
    """Keeps what it is sent; refuses while it is away."""

    def __init__(self) -> None:
        self.away = False
        self.sent: list[bus.Message] = []

    async def publish(self, messages: Sequence[bus.Message]) -> None:
        if self.away:
            raise errors.DependencyUnavailable("bus")
        self.sent += messages

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def ping(self) -> None: ...
    async def subscribe(self, group: str, *, topics: Sequence[str], handler: bus.Handler) -> bus.Subscription:
        raise NotImplementedError

    async def lag(self, group: str) -> Mapping[str, int]:
        return {}

    def history(self, topic: str) -> AsyncGenerator[bus.Delivery]:
        raise NotImplementedError

    @property
    def steps(self) -> list[tuple[str, int]]:
        return [(message.key, events.decode(message.value).data["step"]) for message in self.sent]


@pytest.fixture
def moving() -> clock.Manual:
    return clock.Manual(dt.datetime(2026, 1, 31, 9, 5, tzinfo=dt.UTC))


@pytest.fixture(params=databases.KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path, moving: clock.Manual) -> AsyncIterator[Store]:
    url = databases.with_tables(METADATA, tmp_path, kind=request.param)
    database = sql.Database(url, service="order", clock=moving)
    await database.open(METADATA)
    yield Store(database)
    await database.close()


async def move(store: Store, order_id: int, *steps: int) -> None:
    async with store.transaction() as tx:
        await tx.outbox.add(*(Moved(order_id=order_id, step=step, moved_at=tx.clock.now()) for step in steps))


async def test_sent_right_after_the_commit_in_order(store: Store) -> None:
    log = RecordingBus()
    async with relaying(store.database, log) as relay:
        async with store.transaction() as tx:
            await tx.outbox.add(Moved(order_id=1, step=1, moved_at=tx.clock.now()))
            await asyncio.sleep(0.05)
            assert log.sent == []
        await move(store, 1, 2, 3)
        await polling.until(lambda: len(log.sent) == 3, 0.9)
        await polling.until(lambda: relay.backlog.pending == 0)
    assert log.steps == [("1", 1), ("1", 2), ("1", 3)]


async def test_the_envelope_is_a_cloudevent(store: Store) -> None:
    log = RecordingBus()
    async with relaying(store.database, log):
        await move(store, 7, 1)
    envelope = events.decode(log.sent[0].value)
    assert (envelope.source, envelope.type, envelope.subject) == ("/revcart/order", "order.moved", "7")
    assert envelope.time == dt.datetime(2026, 1, 31, 9, 5, tzinfo=dt.UTC)
    assert envelope.data == {"orderId": 7, "step": 1, "movedAt": "2026-01-31T09:05:00.000Z"}
    assert envelope.traceparent
    assert log.sent[0].topic == "order-events"
    assert log.sent[0].headers["content-type"] == "application/cloudevents+json; charset=UTF-8"


async def test_rows_wait_while_the_bus_is_away(store: Store) -> None:
    log = RecordingBus()
    log.away = True
    async with relaying(store.database, log) as relay:
        await move(store, 1, 1)
        await move(store, 2, 1)
        await asyncio.sleep(0.3)
        assert log.sent == []
        log.away = False
        await polling.until(lambda: len(log.sent) == 2, 10)
        await polling.until(lambda: relay.backlog.pending == 0)
    assert sorted(log.steps) == [("1", 1), ("2", 1)]


async def test_drained_when_the_service_stops(store: Store) -> None:
    log = RecordingBus()
    relay = outbox.Relay(database=store.database, bus=log, pressure=pressure.Pressure())
    for number in range(250):
        await move(store, number, 1)
    await relay.start()
    await relay.stop()
    assert len(log.sent) == 250
    assert relay.backlog.pending == 0


async def test_stopping_with_the_bus_away_gives_up_and_the_next_start_sends(store: Store) -> None:
    log = RecordingBus()
    log.away = True
    await move(store, 1, 1, 2)
    async with asyncio.timeout(2), relaying(store.database, log):
        pass
    assert log.sent == []
    log.away = False
    async with relaying(store.database, log):
        pass
    assert log.steps == [("1", 1), ("1", 2)]


async def lease(store: Store, *, owner: str, until: dt.datetime, step: int) -> None:
    rows = METADATA.tables["outbox"]
    async with store.database.begin() as connection:
        await connection.execute(rows.update().where(rows.c.seq == step).values(leased_by=owner, leased_until=until))


async def test_a_key_in_other_hands_is_not_overtaken(store: Store, moving: clock.Manual) -> None:
    log = RecordingBus()
    await move(store, 1, 1)
    await move(store, 1, 2)
    await move(store, 2, 1)
    await lease(store, owner="another replica", until=moving.now() + dt.timedelta(seconds=30), step=1)
    async with relaying(store.database, log):
        await polling.until(lambda: bool(log.sent))
        await asyncio.sleep(0.1)
        assert log.steps == [("2", 1)]
        moving.advance(31)
        await polling.until(lambda: len(log.sent) == 3)
    assert log.steps == [("2", 1), ("1", 1), ("1", 2)]


async def test_two_replicas_keep_each_keys_order(store: Store) -> None:
    log = RecordingBus()

    async def write(order_id: int) -> None:
        for step in range(20):
            await move(store, order_id, step)

    async with (
        relaying(store.database, log),
        relaying(store.database, log),
    ):
        await asyncio.gather(*(write(order_id) for order_id in range(5)))
        await polling.until(lambda: len(set(log.steps)) == 100, 20)
    for order_id in range(5):
        first_seen = list(dict.fromkeys(step for key, step in log.steps if key == str(order_id)))
        assert first_seen == list(range(20))  # a repeat may come, and consumers drop it; an overtaking may not


async def test_pending_and_age_are_measured(store: Store, moving: clock.Manual) -> None:
    log = RecordingBus()
    log.away = True
    await move(store, 1, 1)
    moving.advance(90)
    relay = outbox.Relay(database=store.database, bus=log, pressure=pressure.Pressure())
    await relay._measure()
    assert relay.backlog == outbox.Backlog(1, 90.0)
    exposed = store.database.metrics.exposition().decode()
    assert "revcart_outbox_pending 1.0" in exposed
    assert "revcart_outbox_oldest_seconds 90.0" in exposed


async def test_sent_rows_go_after_a_day(store: Store, moving: clock.Manual) -> None:
    log = RecordingBus()
    async with relaying(store.database, log):
        await move(store, 1, 1)
        await polling.until(lambda: bool(log.sent))
    moving.advance(25 * 3_600)
    async with relaying(store.database, log):
        await asyncio.sleep(0.1)
    async with store.read() as tx:
        assert (await tx.connection.execute(sa.select(METADATA.tables["outbox"]))).all() == []
    assert len(log.sent) == 1


async def test_an_event_that_is_too_large_fails_its_transaction(store: Store) -> None:
    class Huge(events.Payload, topic="order-events", type="order.huge", key="order_id"):
        order_id: int
        text: str

    with pytest.raises(ValueError, match="larger"):
        async with store.transaction() as tx:
            await tx.outbox.add(Huge(order_id=1, text="x" * 300_000))


async def test_replicas_on_mysql_send_each_event_once_and_in_order(tmp_path: Path) -> None:
    """They find rows by an index and mark them by their key: in the wrong order MySQL would end one of two relays."""
    url = databases.with_tables(METADATA, tmp_path, kind="mysql")
    log = RecordingBus()
    async with contextlib.AsyncExitStack() as stack:
        replicas = [sql.Database(url, service="order", clock=clock.System()) for _ in range(4)]
        for replica in replicas:
            await replica.open(METADATA)
            stack.push_async_callback(replica.close)
        store = Store(replicas[0])
        for order_id in range(60):
            await move(store, order_id, *range(40))
        for replica in replicas:
            await stack.enter_async_context(relaying(replica, log))
        for step in range(40, 50):
            await asyncio.gather(*(move(store, order_id, step) for order_id in range(60)))
        await polling.until(lambda: len(log.sent) >= 60 * 50, 20)
    for order_id in range(60):
        assert [step for key, step in log.steps if key == str(order_id)] == list(range(50))
