"""The bus port: durable, in order per key, to every group, at least once. Adapters must all pass this."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import brokers, buses, polling

from revcart.kit import bus, errors


@pytest.fixture(params=buses.ADAPTERS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[buses.World]:
    async with buses.world(request.param, tmp_path) as made:
        yield made


async def test_every_group_gets_every_message(world: buses.World) -> None:
    log = await world.open()
    first, second = buses.Seen(), buses.Seen()
    await log.subscribe(world.group("first"), topics=[world.topic], handler=buses.recorder(first))
    await log.publish([world.message(1), world.message(2)])
    await log.subscribe(world.group("second"), topics=[world.topic], handler=buses.recorder(second))
    await polling.until(lambda: len(first) == len(second) == 2)
    assert first == second == [("k", "1"), ("k", "2")]


async def test_headers_and_bytes_arrive_unchanged(world: buses.World) -> None:
    log = await world.open()
    got: list[bus.Delivery] = []

    async def handle(delivery: bus.Delivery) -> None:
        got.append(delivery)

    await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    sent = bus.Message(topic=world.topic, key="ключ", value=b"\x00\xff", headers={"a": "b"})
    await log.publish([sent])
    await polling.until(lambda: bool(got))
    assert got[0].message == sent


async def test_a_key_keeps_its_order_and_other_keys_pass_by(world: buses.World) -> None:
    log = await world.open()
    seen, release = buses.Seen(), asyncio.Event()

    async def handle(delivery: bus.Delivery) -> None:
        if delivery.message.value == b"0":
            await release.wait()
        await buses.recorder(seen)(delivery)

    await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    slow = [world.message(n, key="slow") for n in range(3)]
    await log.publish(slow + [world.message(n, key="fast") for n in range(3, 6)])
    await polling.until(lambda: len(seen) == 3)
    assert seen == [("fast", "3"), ("fast", "4"), ("fast", "5")]
    release.set()
    await polling.until(lambda: len(seen) == 6)
    assert seen[3:] == [("slow", "0"), ("slow", "1"), ("slow", "2")]


async def test_at_most_eight_keys_side_by_side(world: buses.World) -> None:
    log = await world.open()
    running, most, done = 0, 0, 0

    async def handle(_: bus.Delivery) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        done += 1

    await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    await log.publish([world.message(n, key=str(n)) for n in range(40)])
    await polling.until(lambda: done == 40)
    assert most == 8


async def test_a_group_goes_on_where_it_stopped(world: buses.World) -> None:
    log = await world.open()
    seen = buses.Seen()
    member = await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    await log.publish([world.message(1)])
    await polling.until(lambda: len(seen) == 1)
    await member.close()
    await log.publish([world.message(2)])
    await log.close()
    again = await world.open()
    await again.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    await polling.until(lambda: len(seen) == 2)
    await asyncio.sleep(0.05)
    assert seen == [("k", "1"), ("k", "2")]


async def test_the_offset_trails_the_oldest_unfinished(world: buses.World) -> None:
    log = await world.open()
    started = asyncio.Event()

    async def handle(delivery: bus.Delivery) -> None:
        if delivery.message.key == "stuck":
            started.set()
            await asyncio.sleep(60)

    member = await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    await log.publish([world.message(1, key="stuck"), world.message(2, key="other"), world.message(3, key="other")])
    await started.wait()
    await asyncio.sleep(0.05)
    assert await log.lag(world.group()) == {world.topic: 3}
    await member.close()
    seen = buses.Seen()
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    await polling.until(lambda: len(seen) == 3)
    assert {key for key, _ in seen} == {"stuck", "other"}


async def test_a_message_whose_handler_fails_comes_again(world: buses.World) -> None:
    log = await world.open()
    seen, tries = buses.Seen(), 0

    async def handle(delivery: bus.Delivery) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError
        await buses.recorder(seen)(delivery)

    await log.subscribe(world.group(), topics=[world.topic], handler=handle)
    await log.publish([world.message(1), world.message(2)])
    await polling.until(lambda: len(seen) == 2)
    assert seen == [("k", "1"), ("k", "2")]


@pytest.mark.parametrize("adapter", buses.ADAPTERS)
async def test_members_of_a_group_share_the_messages(adapter: str, tmp_path: Path) -> None:
    first, second = buses.Seen(), buses.Seen()
    async with buses.world(adapter, tmp_path, partitions=6) as world:
        log = await world.open()
        await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(first))
        leaving = await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(second))
        await log.publish([world.message(n, key=str(n)) for n in range(20)])
        await polling.until(lambda: len(first) + len(second) == 20)
        assert first
        assert second
        await leaving.close()
        await log.publish([world.message(n, key=str(n)) for n in range(20, 30)])
        await polling.until(lambda: len(first) + len(second) == 30)


async def test_many_publishers_at_once(world: buses.World) -> None:
    log = await world.open()
    seen = buses.Seen()
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    await asyncio.gather(*(log.publish([world.message(n, key=str(n % 10))]) for n in range(1_000)))
    await polling.until(lambda: len(seen) == 1_000, 20)
    assert await log.lag(world.group()) == {world.topic: 0}


async def test_the_history_of_a_topic_ends_where_it_began_to_be_read(world: buses.World) -> None:
    log = await world.open()
    assert [delivery async for delivery in log.history(world.topic)] == []
    assert [delivery async for delivery in log.history(f"{world.topic}-that-is-none")] == []
    sent = [world.message(n) for n in range(450)]
    await log.publish(sent)
    read: list[bus.Delivery] = []
    async for delivery in log.history(world.topic):
        if not read:
            await log.publish([world.message(450)])
        read.append(delivery)
    assert [delivery.message for delivery in read] == sent
    assert [delivery.offset for delivery in read] == sorted({delivery.offset for delivery in read})
    assert [delivery.message.value async for delivery in log.history(world.topic)][-1] == b"450"


async def test_the_history_moves_no_group(world: buses.World) -> None:
    log = await world.open()
    seen = buses.Seen()
    await log.publish([world.message(1)])
    assert len([delivery async for delivery in log.history(world.topic)]) == 1
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    await polling.until(lambda: seen == [("k", "1")])


async def test_a_closed_bus_is_an_outage(world: buses.World) -> None:
    log = await world.open()
    await log.close()
    with pytest.raises(errors.DependencyUnavailable):
        await log.publish([world.message(1)])
    with pytest.raises(errors.DependencyUnavailable):
        await anext(log.history(world.topic))


async def test_nothing_published_is_lost_when_the_process_is_killed(world: buses.World) -> None:
    writer = Path(__file__).with_name("bus_writer.py")
    process = await brokers.python(writer, world.adapter, world.address, world.topic, world.group())
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(30):
        while sum(line.startswith("done") for line in lines) < 200:
            lines.append((await process.stdout.readline()).decode().strip())
        process.send_signal(signal.SIGKILL)
        lines += (await process.stdout.read()).decode().split("\n")
        await process.wait()
    sent = {int(line[5:]) for line in lines if line.startswith("sent ")}
    done = {int(line[5:]) for line in lines if line.startswith("done ")}
    seen = buses.Seen()
    log = await world.open()
    await log.subscribe(world.group(), topics=[world.topic], handler=buses.recorder(seen))
    await polling.until(
        lambda: sent <= done | {int(value) for _, value in seen}, 25
    )  # Kafka misses a member after 10 s
    for key in "012":
        again = [int(value) for of, value in seen if of == key]
        assert again == sorted(again)
    assert len(seen) < len(sent), "the group started from the beginning, its offsets were lost"
