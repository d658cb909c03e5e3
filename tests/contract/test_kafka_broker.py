"""Kafka goes away under traffic and comes back: publishers are told, nothing acknowledged is lost, all resumes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests import brokers, buses, databases, polling

from revcart.kit import bus, bus_kafka, clock, errors, events, outbox, pressure, sql, telemetry

METADATA = sa.MetaData()
sql.shared_tables(METADATA)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[brokers.Broker]:
    async with brokers.own(tmp_path) as made:
        yield made


@pytest.fixture
async def world(broker: brokers.Broker) -> AsyncIterator[buses.World]:
    async with contextlib.AsyncExitStack() as stack:
        topic = await stack.enter_async_context(brokers.topic(broker.url, partitions=3))
        made = buses.World("kafka", address=broker.url, topic=topic)
        stack.push_async_callback(made.close)
        yield made


class Publisher:
    """Sends numbers one after the other; one that was refused is sent again, as the outbox does."""

    def __init__(self, log: bus.Bus, world: buses.World) -> None:
        self.sent: list[int] = []
        self.refused: list[float] = []
        self._log = log
        self._world = world

    async def run(self) -> None:
        number = 0
        while True:
            began = time.monotonic()
            try:
                await self._log.publish([self._world.message(number)])
            except errors.DependencyUnavailable:
                self.refused.append(time.monotonic() - began)
                await asyncio.sleep(0.1)
            else:
                self.sent.append(number)
                number += 1
                await asyncio.sleep(0.01)


async def test_traffic_survives_an_outage_of_five_seconds(broker: brokers.Broker, world: buses.World) -> None:
    log = await world.open()
    seen = buses.Seen()
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    publisher = Publisher(log, world)
    publishing = asyncio.create_task(publisher.run())
    await polling.until(lambda: len(publisher.sent) > 20, 20)
    await broker.stop()
    await asyncio.sleep(5)
    with pytest.raises(errors.DependencyUnavailable):
        await log.ping()
    with pytest.raises(errors.DependencyUnavailable):
        await log.lag(world.group())
    before = len(publisher.sent)
    await broker.start()
    back = time.monotonic()
    await polling.until(lambda: len(publisher.sent) > before + 20, 30)
    published = time.monotonic() - back
    publishing.cancel()
    await polling.until(lambda: {int(value) for _, value in seen} >= set(publisher.sent), 30)
    print(f"publishing again {published:.1f} s, handling {time.monotonic() - back:.1f} s after the broker was back")
    assert publisher.refused
    assert max(publisher.refused) < 6
    assert list(dict.fromkeys(int(value) for _, value in seen))[: len(publisher.sent)] == publisher.sent
    await log.ping()


async def test_a_killed_broker_loses_nothing_that_was_acknowledged(broker: brokers.Broker, world: buses.World) -> None:
    log = await world.open()
    publisher = Publisher(log, world)
    publishing = asyncio.create_task(publisher.run())
    await polling.until(lambda: len(publisher.sent) > 50, 20)
    await broker.stop(kill=True)
    await broker.start()
    await polling.until(lambda: len(publisher.sent) > 100, 30)
    publishing.cancel()
    seen = buses.Seen()
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    await polling.until(lambda: {int(value) for _, value in seen} >= set(publisher.sent), 30)


async def test_a_bus_that_opens_without_a_broker_works_once_there_is_one(
    broker: brokers.Broker, world: buses.World
) -> None:
    await broker.stop()
    began = time.monotonic()
    log = await world.open()
    seen = buses.Seen()
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    with pytest.raises(errors.DependencyUnavailable):
        await log.publish([world.message(1)])
    assert time.monotonic() - began < 10
    await broker.start()
    await log.publish([world.message(2)])
    await polling.until(lambda: bool(seen), 20)


async def test_closing_without_a_broker_takes_seconds(broker: brokers.Broker, world: buses.World) -> None:
    log = await world.open()
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder([]))
    await log.publish([world.message(1)])
    await broker.stop(kill=True)
    with pytest.raises(errors.DependencyUnavailable):
        await log.publish([world.message(2)])
    began = time.monotonic()
    await log.close()
    assert time.monotonic() - began < 20
    await broker.start()  # for the topic to be deleted


class Transaction(sql.Transaction):
    pass


class Store(sql.Store[Transaction]):
    pass


async def test_rows_pile_up_and_are_sent_in_order(broker: brokers.Broker, world: buses.World, tmp_path: Path) -> None:
    class Moved(events.Payload, topic=world.topic, type="order.moved", key="order_id"):
        order_id: int
        step: int

    url = databases.with_tables(METADATA, tmp_path, kind="sqlite")
    database = sql.Database(url, service="order", clock=clock.System())
    await database.open(METADATA)
    store = Store(database)
    log = bus_kafka.Kafka(world.address, metrics=telemetry.Metrics("test"))
    await log.open()
    seen: list[tuple[int, int]] = []

    async def handle(delivery: bus.Delivery) -> None:
        assert delivery.message.headers == events.HEADERS
        data = events.decode(delivery.message.value).data
        assert delivery.message.key == str(data["orderId"])
        seen.append((data["orderId"], data["step"]))

    await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    async with outbox.relaying(database=database, bus=log, pressure=pressure.Pressure()) as relay:
        for step in range(60):
            if step == 10:
                await polling.until(lambda: len(seen) == 50, 10)
                await broker.stop()
            async with store.transaction() as tx:
                await tx.outbox.add(*(Moved(order_id=order, step=step) for order in range(5)))
        await polling.until(lambda: relay.backlog.pending == 250, 20)
        await broker.start()
        await polling.until(lambda: relay.backlog.pending == 0, 40)
    await polling.until(lambda: len(set(seen)) == 300, 20)
    for order in range(5):
        steps = [step for number, step in seen if number == order]
        assert list(dict.fromkeys(steps)) == list(range(60))
    await log.close()
    await database.close()
