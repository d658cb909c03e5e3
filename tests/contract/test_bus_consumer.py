"""A service's consumer: what it tries again, what it waits for, what it buries, what it leaves alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests import buses, polling

from revcart.kit import bus, clock, consumer, errors, events, pressure, telemetry, topics


class World:
    """A bus, one consumer on it, and what came out. Its events go to a topic of its own."""

    def __init__(self, place: buses.World, log: bus.Bus) -> None:
        class Paid(events.Payload, topic=place.topic, type="payment.completed", key="order_id"):
            order_id: int

        class Failed(events.Payload, topic=place.topic, type="payment.failed", key="order_id"):
            order_id: int

        self.paid, self.failed = Paid, Failed
        self.topic = place.topic
        self.service = place.group("order")
        self.group = f"revcart.{self.service}"
        self.bus = log
        self.metrics = telemetry.Metrics("order")
        self.seen: list[int] = []
        self.dead: list[bus.Message] = []
        self.consumer: consumer.Consumer | None = None

    async def run(self, handler: Any, **options: Any) -> None:
        async def bury(delivery: bus.Delivery) -> None:
            self.dead.append(delivery.message)

        await self.bus.subscribe(f"watch-{self.service}", topics=[topics.dead_letters(self.topic)], handler=bury)
        self.consumer = consumer.Consumer(
            bus=self.bus,
            service=self.service,
            handlers={self.paid: handler},
            ports=self,
            clock=clock.System(),
            metrics=self.metrics,
            pressure=pressure.Pressure(),
            **{"waits": (0.01, 0.01, 0.01, 0.01), **options},
        )
        await self.consumer.start()

    async def publish(self, payload: events.Payload, **headers: str) -> bytes:
        value = events.encode(events.envelope(payload, service="payment", time=clock.System().now()))
        await self.send(value, key=payload.message_key(), headers=headers)
        return value

    async def send(self, value: bytes, *, key: str = "1", headers: dict[str, str] | None = None) -> None:
        await self.bus.publish([bus.Message(topic=self.topic, key=key, value=value, headers=headers or {})])

    def count(self, name: str) -> dict[tuple[str, ...], float]:
        return {
            tuple(sample.labels.values()): sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == name
        }


@pytest.fixture(params=buses.ADAPTERS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with buses.world(request.param, tmp_path) as place:
        made = World(place, await place.open())
        yield made
        if made.consumer is not None:
            await made.consumer.stop()


async def note(*, event: events.Received[Any], ports: World) -> None:
    ports.seen.append(event.data.order_id)


async def test_a_handler_gets_its_type_and_no_other(world: World) -> None:
    await world.run(note)
    await world.publish(world.failed(order_id=1))
    await world.publish(world.paid(order_id=2))
    await polling.until(lambda: world.seen == [2])
    await polling.until(lambda: ("other", world.group, "unknown") in world.count("revcart_events_handled_total"))
    assert world.dead == []


async def test_tried_five_times_then_buried_and_the_key_goes_on(world: World) -> None:
    tries = 0

    async def handle(*, event: events.Received[Any], ports: World) -> None:
        nonlocal tries
        if tries < 5:
            tries += 1
            raise RuntimeError("no such thing for asha@example.com")
        ports.seen.append(event.data.order_id)

    await world.run(handle)
    value = await world.publish(world.paid(order_id=7))
    await world.publish(world.paid(order_id=7))
    await polling.until(lambda: world.seen == [7] and len(world.dead) == 1)
    assert [dead.value for dead in world.dead] == [value]
    headers = world.dead[0].headers
    assert world.dead[0].key == "7"
    assert headers["revcart-topic"] == world.topic
    assert headers["revcart-group"] == world.group
    assert headers["revcart-tries"] == "5"
    assert headers["revcart-error"].startswith("RuntimeError: no such thing")
    assert "asha" not in headers["revcart-error"]
    assert {"revcart-partition", "revcart-offset", "revcart-failed-at"} <= set(headers)
    assert world.count("revcart_dlq_total") == {(world.topic, world.group): 1}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not json",
        b"[]",
        b'{"specversion": "1.0"}',
        b"\xff\xfe",
        b"[" * 100_000,
        json.dumps(
            {
                "specversion": "1.0",
                "id": "1",
                "source": "s",
                "type": "payment.completed",
                "time": "yesterday",
                "data": {},
            }
        ).encode(),
        json.dumps(
            {
                "specversion": "1.0",
                "id": "1",
                "source": "s",
                "type": "payment.completed",
                "time": "2026-01-01T00:00:00.000Z",
                "data": {"orderId": "asha"},
            }
        ).encode(),
    ],
    ids=["empty", "text", "list", "half", "binary", "deep", "time", "data"],
)
async def test_what_cannot_be_read_is_buried_at_once(world: World, value: bytes) -> None:
    await world.run(note)
    await world.send(value)
    await world.publish(world.paid(order_id=1))
    await polling.until(lambda: world.seen == [1] and len(world.dead) == 1)
    assert world.dead[0].value == value
    assert world.dead[0].headers["revcart-tries"] == "1"
    assert "asha" not in world.dead[0].headers["revcart-error"]


async def test_an_outage_is_waited_for_and_costs_no_try(world: World) -> None:
    away = 4

    async def handle(*, event: events.Received[Any], ports: World) -> None:
        nonlocal away
        if away:
            away -= 1
            raise errors.DependencyUnavailable("product")
        ports.seen.append(event.data.order_id)

    await world.run(handle, waits=())
    await world.publish(world.paid(order_id=1))
    await polling.until(lambda: world.seen == [1], 10)
    assert world.dead == []


async def test_repeats_and_ignored_events_are_done(world: World) -> None:
    async def handle(*, event: events.Received[Any], ports: World) -> events.Ignored | None:
        if event.data.order_id == 1:
            raise events.Repeated(event.id)
        if event.data.order_id == 2:
            raise events.Ignored("already-cancelled")
        ports.seen.append(event.data.order_id)
        return events.Ignored("behind")

    await world.run(handle)
    for number in (1, 2, 3):
        await world.publish(world.paid(order_id=number))
    await polling.until(lambda: world.seen == [3])
    await polling.until(lambda: len(world.count("revcart_events_ignored_total")) == 2)
    assert world.count("revcart_events_ignored_total") == {
        ("payment.completed", "already-cancelled"): 1,
        ("payment.completed", "behind"): 1,
    }
    assert world.dead == []


async def test_a_handler_has_a_time_limit(world: World) -> None:
    async def handle(*, event: events.Received[Any], ports: World) -> None:
        await asyncio.sleep(60)

    await world.run(handle, waits=(), limit_seconds=0.02)
    await world.publish(world.paid(order_id=1))
    await polling.until(lambda: len(world.dead) == 1)
    assert world.dead[0].headers["revcart-error"].startswith("TimeoutError")


async def test_a_replayed_message_reaches_the_failed_group_alone(world: World) -> None:
    await world.run(note)
    await world.publish(world.paid(order_id=1), **{"revcart-only-group": "revcart.notification"})
    await world.publish(world.paid(order_id=2), **{"revcart-only-group": world.group})
    await polling.until(lambda: bool(world.seen))
    assert world.seen == [2]


async def test_stopping_does_not_wait_for_retries(world: World) -> None:
    tried = asyncio.Event()

    async def handle(*, event: events.Received[Any], ports: World) -> None:
        tried.set()
        raise RuntimeError

    await world.run(handle, waits=(60, 60, 60, 60))
    await world.publish(world.paid(order_id=1))
    await tried.wait()
    await asyncio.sleep(0.02)
    assert world.consumer is not None
    async with asyncio.timeout(2):
        await world.consumer.stop()
    assert await world.bus.lag(world.group) == {world.topic: 1}


async def test_the_stream_drops_its_oldest_and_counts_them(world: World) -> None:
    stream = events.Stream(bus=world.bus, service="payment", clock=clock.System(), metrics=world.metrics, size=3)
    for number in range(5):
        stream.send(world.paid(order_id=number))
    await world.run(note)
    await stream.start()
    await polling.until(lambda: len(world.seen) == 3)
    await stream.stop()
    assert sorted(world.seen) == [2, 3, 4]
    assert world.count("revcart_events_dropped_total") == {("payment.completed",): 2}
