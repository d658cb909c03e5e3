"""The bus port: durable, in order per key, to every group, at least once. Adapters must all pass this."""

import asyncio
import datetime as dt
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests import polling

from revcart.kit import bus, bus_memory, clock, errors

Seen = list[tuple[str, str]]


def message(number: int, *, key: str = "k", topic: str = "t") -> bus.Message:
    return bus.Message(topic=topic, key=key, value=str(number).encode(), headers={"n": str(number)})


def recorder(seen: Seen) -> bus.Handler:
    async def handle(delivery: bus.Delivery) -> None:
        seen.append((delivery.message.key, delivery.message.value.decode()))

    return handle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bus.sqlite"


Opened = Callable[[], Awaitable[bus_memory.Memory]]


@pytest.fixture
async def opened(path: Path) -> AsyncIterator[Opened]:
    made: list[bus_memory.Memory] = []

    async def open_() -> bus_memory.Memory:
        made.append(bus_memory.Memory(path, clock=clock.System(), grace_seconds=0.1))
        await made[-1].open()
        return made[-1]

    yield open_
    for one in made:
        await one.close()


async def test_every_group_gets_every_message(opened: Opened) -> None:
    log = await opened()
    first, second = Seen(), Seen()
    await log.subscribe("first", topics=["t"], handler=recorder(first))
    await log.publish([message(1), message(2)])
    await log.subscribe("second", topics=["t"], handler=recorder(second))
    await polling.until(lambda: len(first) == len(second) == 2)
    assert first == second == [("k", "1"), ("k", "2")]


async def test_headers_and_bytes_arrive_unchanged(opened: Opened) -> None:
    log = await opened()
    got: list[bus.Delivery] = []

    async def handle(delivery: bus.Delivery) -> None:
        got.append(delivery)

    await log.subscribe("g", topics=["t"], handler=handle)
    sent = bus.Message(topic="t", key="ключ", value=b"\x00\xff", headers={"a": "b"})
    await log.publish([sent])
    await polling.until(lambda: bool(got))
    assert got[0].message == sent


async def test_a_key_keeps_its_order_and_other_keys_pass_by(opened: Opened) -> None:
    log = await opened()
    seen, release = Seen(), asyncio.Event()

    async def handle(delivery: bus.Delivery) -> None:
        if delivery.message.value == b"0":
            await release.wait()
        await recorder(seen)(delivery)

    await log.subscribe("g", topics=["t"], handler=handle)
    await log.publish([message(n, key="slow") for n in range(3)] + [message(n, key="fast") for n in range(3, 6)])
    await polling.until(lambda: len(seen) == 3)
    assert seen == [("fast", "3"), ("fast", "4"), ("fast", "5")]
    release.set()
    await polling.until(lambda: len(seen) == 6)
    assert seen[3:] == [("slow", "0"), ("slow", "1"), ("slow", "2")]


async def test_at_most_eight_keys_side_by_side(opened: Opened) -> None:
    log = await opened()
    running, most, done = 0, 0, 0

    async def handle(_: bus.Delivery) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        done += 1

    await log.subscribe("g", topics=["t"], handler=handle)
    await log.publish([message(n, key=str(n)) for n in range(40)])
    await polling.until(lambda: done == 40)
    assert most == 8


async def test_a_group_goes_on_where_it_stopped(opened: Opened) -> None:
    log = await opened()
    seen = Seen()
    member = await log.subscribe("g", topics=["t"], handler=recorder(seen))
    await log.publish([message(1)])
    await polling.until(lambda: len(seen) == 1)
    await member.close()
    await log.publish([message(2)])
    await log.close()
    again = await opened()
    await again.subscribe("g", topics=["t"], handler=recorder(seen))
    await polling.until(lambda: len(seen) == 2)
    await asyncio.sleep(0.05)
    assert seen == [("k", "1"), ("k", "2")]


async def test_the_offset_trails_the_oldest_unfinished(opened: Opened) -> None:
    log = await opened()
    started = asyncio.Event()

    async def handle(delivery: bus.Delivery) -> None:
        if delivery.message.key == "stuck":
            started.set()
            await asyncio.sleep(60)

    member = await log.subscribe("g", topics=["t"], handler=handle)
    await log.publish([message(1, key="stuck"), message(2, key="other"), message(3, key="other")])
    await started.wait()
    await asyncio.sleep(0.05)
    assert await log.lag("g") == {"t": 3}
    await member.close()
    seen = Seen()
    await log.subscribe("g", topics=["t"], handler=recorder(seen))
    await polling.until(lambda: len(seen) == 3)
    assert {key for key, _ in seen} == {"stuck", "other"}


async def test_a_message_whose_handler_fails_comes_again(opened: Opened) -> None:
    log = await opened()
    seen, tries = Seen(), 0

    async def handle(delivery: bus.Delivery) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError
        await recorder(seen)(delivery)

    await log.subscribe("g", topics=["t"], handler=handle)
    await log.publish([message(1), message(2)])
    await polling.until(lambda: len(seen) == 2)
    assert seen == [("k", "1"), ("k", "2")]


async def test_members_of_a_group_share_the_messages(opened: Opened) -> None:
    log = await opened()
    first, second = Seen(), Seen()
    await log.subscribe("g", topics=["t"], handler=recorder(first))
    leaving = await log.subscribe("g", topics=["t"], handler=recorder(second))
    await log.publish([message(n, key=str(n)) for n in range(20)])
    await polling.until(lambda: len(first) + len(second) == 20)
    assert first
    assert second
    await leaving.close()
    await log.publish([message(n, key=str(n)) for n in range(20, 30)])
    await polling.until(lambda: len(first) + len(second) == 30)


async def test_many_publishers_at_once(opened: Opened) -> None:
    log = await opened()
    seen = Seen()
    await log.subscribe("g", topics=["t"], handler=recorder(seen))
    await asyncio.gather(*(log.publish([message(n, key=str(n % 10))]) for n in range(1_000)))
    await polling.until(lambda: len(seen) == 1_000, 20)
    assert await log.lag("g") == {"t": 0}


async def test_messages_leave_after_seven_days(path: Path) -> None:
    moving = clock.Manual(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    log = bus_memory.Memory(path, clock=moving)
    await log.open()
    await log.publish([message(1), message(3, topic="t.dlq")])
    moving.advance(8 * 86_400)
    await log.publish([message(2)])
    seen = Seen()
    await log.subscribe("g", topics=["t", "t.dlq"], handler=recorder(seen))
    await polling.until(lambda: len(seen) == 2)
    await log.close()
    assert sorted(seen) == [("k", "2"), ("k", "3")]  # dead letters are kept for thirty


async def test_a_closed_bus_is_an_outage(opened: Opened) -> None:
    log = await opened()
    await log.close()
    with pytest.raises(errors.DependencyUnavailable):
        await log.publish([message(1)])


async def test_nothing_published_is_lost_when_the_process_is_killed(path: Path, opened: Opened) -> None:
    writer = Path(__file__).with_name("bus_writer.py")
    process = await asyncio.create_subprocess_exec(sys.executable, writer, path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(30):
        while sum(line.startswith("done") for line in lines) < 50:
            lines.append((await process.stdout.readline()).decode().strip())
        process.send_signal(signal.SIGKILL)
        lines += (await process.stdout.read()).decode().split("\n")
        await process.wait()
    sent = {int(line[5:]) for line in lines if line.startswith("sent ")}
    done = {int(line[5:]) for line in lines if line.startswith("done ")}
    seen = Seen()
    log = await opened()
    await log.subscribe("group", topics=["numbers"], handler=recorder(seen))
    await polling.until(lambda: sent <= done | {int(value) for _, value in seen})
    for key in "012":
        again = [int(value) for of, value in seen if of == key]
        assert again == sorted(again)
    assert len(seen) < len(sent), "the group started from the beginning, its offsets were lost"
