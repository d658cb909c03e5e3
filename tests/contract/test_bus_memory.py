"""What only the bus of a single process has to see to itself: Kafka's topics say how long they keep messages."""

import datetime as dt
from pathlib import Path

from tests import buses, polling

from revcart.kit import bus, bus_memory, clock


def message(number: int, *, topic: str = "t") -> bus.Message:
    return bus.Message(topic=topic, key="k", value=str(number).encode())


async def test_messages_leave_after_seven_days(tmp_path: Path) -> None:
    moving = clock.Manual(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    log = bus_memory.Memory(tmp_path / "bus.sqlite", clock=moving)
    await log.open()
    await log.publish([message(1), message(3, topic="t.dlq")])
    moving.advance(8 * 86_400)
    await log.publish([message(2)])
    seen = buses.Seen()
    await log.subscribe("g", topics=["t", "t.dlq"], handler=buses.recorder(seen))
    await polling.until(lambda: len(seen) == 2)
    await log.close()
    assert sorted(seen) == [("k", "2"), ("k", "3")]  # dead letters are kept for thirty
