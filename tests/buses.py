"""Both adapters of the bus, for tests that must hold on each."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from revcart.kit import bus, bus_kafka, bus_memory, clock, ids, telemetry
from tests import brokers

ADAPTERS = ("memory", "kafka")
GRACE_SECONDS = 0.1

Seen = list[tuple[str, str]]


class World:
    """A topic and its dead letters on an adapter; several buses may be opened on it.

    `address`: the file of the log, or the URL of Kafka; what another process needs.
    """

    def __init__(self, adapter: str, *, address: str, topic: str) -> None:
        self.adapter = adapter
        self.address = address
        self.topic = topic
        self.suffix = ids.uuid7()
        self._opened: list[bus.Bus] = []

    def group(self, name: str = "g") -> str:
        return f"{name}-{self.suffix}"

    def message(self, number: int, *, key: str = "k") -> bus.Message:
        return bus.Message(topic=self.topic, key=key, value=str(number).encode(), headers={"n": str(number)})

    async def open(self) -> bus.Bus:
        self._opened.append(made(self.adapter, self.address))
        await self._opened[-1].open()
        return self._opened[-1]

    async def close(self) -> None:
        for one in self._opened:
            await one.close()


def made(adapter: str, address: str) -> bus.Bus:
    """An adapter that is not open yet."""
    if adapter == "memory":
        return bus_memory.Memory(Path(address), clock=clock.System(), grace_seconds=GRACE_SECONDS)
    return bus_kafka.Kafka(address, metrics=telemetry.Metrics("test"), grace_seconds=GRACE_SECONDS)


@contextlib.asynccontextmanager
async def world(adapter: str, folder: Path, *, partitions: int = 1) -> AsyncIterator[World]:
    """`partitions` matter to Kafka only. Skips by name where there is no Kafka. Closes the buses."""
    async with contextlib.AsyncExitStack() as stack:
        if adapter == "memory":
            address, topic = str(folder / "bus.sqlite"), "t"
        else:
            address = brokers.server()
            topic = await stack.enter_async_context(brokers.topic(address, partitions=partitions))
        one = World(adapter, address=address, topic=topic)
        stack.push_async_callback(one.close)
        yield one


def recorder(seen: Seen) -> bus.Handler:
    """Notes key and value of what it handles."""

    async def handle(delivery: bus.Delivery) -> None:
        seen.append((delivery.message.key, delivery.message.value.decode()))

    return handle
