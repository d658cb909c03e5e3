"""Consumer groups on Kafka: members come, leave, die and are slow; nothing is lost, the order of a key holds."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiokafka  # type: ignore[import-untyped]
import pytest
from tests import brokers, buses, polling

from revcart.kit import bus, kafka_address

KEYS = 24


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[buses.World]:
    async with buses.world("kafka", tmp_path, partitions=6) as made:
        yield made


Numbers = dict[str, list[int]]


def noting(numbers: Numbers, *, seconds: float = 0.002) -> bus.Handler:
    async def handle(delivery: bus.Delivery) -> None:
        await asyncio.sleep(seconds)
        numbers[delivery.message.key].append(int(delivery.message.value))

    return handle


async def traffic(log: bus.Bus, world: buses.World, until: Callable[[], bool]) -> int:
    """Publishes ascending numbers on every key until told to stop; how many per key."""
    number = 0
    while not until():
        await log.publish([world.message(number, key=f"k{key}") for key in range(KEYS)])
        number += 1
        await asyncio.sleep(0.01)
    return number


def firsts(numbers: list[int]) -> list[int]:
    """Each number where it came first."""
    return list(dict.fromkeys(numbers))


async def committed(world: buses.World) -> dict[int, int]:
    """Offsets of the group, looked at from outside."""
    client = aiokafka.AIOKafkaConsumer(group_id=world.group(), **kafka_address.parse(world.address).options())
    await client.start()
    places = [aiokafka.TopicPartition(world.topic, number) for number in range(6)]
    found = {place.partition: await client.committed(place) or 0 for place in places}
    await client.stop()
    return found


async def test_nothing_is_lost_or_reordered_when_members_come_and_go(world: buses.World) -> None:
    log, other = await world.open(), await world.open()
    numbers: Numbers = defaultdict(list)
    stop = False
    await log.subscribe(world.group(), topics=[world.topic], handler=noting(numbers))
    publishing = asyncio.create_task(traffic(log, world, lambda: stop))
    await asyncio.sleep(0.5)
    moves = []
    for _ in range(3):
        began = time.monotonic()
        second = await other.subscribe(world.group(), topics=[world.topic], handler=noting(numbers))
        moves.append(time.monotonic() - began)
        await asyncio.sleep(0.5)
        await second.close()
        await asyncio.sleep(0.5)
    stop = True
    sent = await publishing
    await polling.until(lambda: all(len(set(numbers[f"k{key}"])) == sent for key in range(KEYS)), 20)
    for key in range(KEYS):
        assert firsts(numbers[f"k{key}"]) == list(range(sent))
    repeats = sum(len(seen) for seen in numbers.values()) - sent * KEYS
    print(f"{sent * KEYS} messages, {repeats} repeated; a member joined within {max(moves):.2f} s")
    assert await log.lag(world.group()) == {world.topic: 0}
    assert sum((await committed(world)).values()) == sent * KEYS


async def test_a_member_that_leaves_commits_what_it_did_and_no_more(world: buses.World) -> None:
    log = await world.open()
    numbers: Numbers = defaultdict(list)

    async def handle(delivery: bus.Delivery) -> None:
        if delivery.message.value == b"5":
            await asyncio.sleep(60)
        numbers[delivery.message.key].append(int(delivery.message.value))

    member = await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    await log.publish([world.message(number) for number in range(10)])
    await polling.until(lambda: len(numbers["k"]) == 5)
    await member.close()
    assert sum((await committed(world)).values()) == 5
    await log.subscribe(world.group(), topics=[world.topic], handler=noting(numbers))
    await polling.until(lambda: len(numbers["k"]) == 10, 10)
    assert numbers["k"] == list(range(10))


async def test_a_stuck_handler_holds_up_no_rebalance(world: buses.World) -> None:
    log, other = await world.open(), await world.open()
    numbers: Numbers = defaultdict(list)
    started = asyncio.Event()

    async def hang(delivery: bus.Delivery) -> None:
        started.set()
        await asyncio.sleep(60)

    stuck = await log.subscribe(world.group(), topics=[world.topic], handler=hang)
    await log.publish([world.message(number, key=f"k{number}") for number in range(KEYS)])
    await started.wait()
    await other.subscribe(world.group(), topics=[world.topic], handler=noting(numbers))
    await polling.until(lambda: bool(numbers), 10)
    await stuck.close()
    await polling.until(lambda: len(numbers) == KEYS, 10)


async def test_a_slow_handler_keeps_its_membership(world: buses.World) -> None:
    """Longer than the session and the poll interval, which are both 10 s: handled once, committed by its owner."""
    log = await world.open()
    numbers: Numbers = defaultdict(list)
    await log.subscribe(world.group(), topics=[world.topic], handler=noting(numbers, seconds=12))
    await log.publish([world.message(1)])
    await polling.until(lambda: bool(numbers["k"]), 20)
    assert await log.lag(world.group()) == {world.topic: 0}
    await asyncio.sleep(1)
    assert numbers["k"] == [1]


async def test_a_killed_member_is_replaced(world: buses.World) -> None:
    log = await world.open()
    script = Path(__file__).with_name("bus_writer.py")
    process = await brokers.python(script, "kafka", world.address, world.topic, world.group())
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while not (await process.stdout.readline()).startswith(b"done 100"):
            pass
    numbers: Numbers = defaultdict(list)
    await log.subscribe(world.group(), topics=[world.topic], handler=noting(numbers))
    process.send_signal(signal.SIGKILL)
    lines = (await process.stdout.read()).decode().split("\n")
    await process.wait()
    sent = {int(line[5:]) for line in lines if line.startswith("sent ")}
    done = {int(line[5:]) for line in lines if line.startswith("done ")}
    await polling.until(lambda: sent <= done | {n for seen in numbers.values() for n in seen}, 25)
    for seen in numbers.values():
        assert firsts(seen) == sorted(set(seen))


async def test_a_message_of_256_kib_comes_unchanged(world: buses.World) -> None:
    log = await world.open()
    got: list[bus.Delivery] = []

    async def handle(delivery: bus.Delivery) -> None:
        got.append(delivery)

    await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    sent = [
        bus.Message(topic=world.topic, key=str(key), value=bytes([key]) * 262_144, headers={"नाम": "₹"})
        for key in range(8)
    ]
    await log.publish(sent)
    await polling.until(lambda: len(got) == 8, 10)
    assert sorted((delivery.message for delivery in got), key=lambda message: message.key) == sent


async def test_what_no_broker_would_take_is_refused_at_once(world: buses.World) -> None:
    log = await world.open()
    with pytest.raises(ValueError, match="too large"):
        await log.publish([bus.Message(topic=world.topic, key="k", value=b"x" * 1_048_576)])


async def test_a_burst_beyond_the_read_ahead_is_handled(world: buses.World) -> None:
    log = await world.open()
    for _ in range(5):
        await log.publish([world.message(number) for number in range(1_000)])
    numbers: Numbers = defaultdict(list)
    await log.subscribe(world.group(), topics=[world.topic], handler=noting(numbers, seconds=0))
    await polling.until(lambda: len(numbers["k"]) == 5_000, 20)
    assert numbers["k"] == list(range(1_000)) * 5
