"""The port to the event bus: durable topics, per-key order, consumer groups, at-least-once.

Adapters: `bus_memory` (one process, a SQLite log) and `bus_kafka`. Retries and dead letters are no business of the bus
but of `consumer`, so that both adapters behave alike.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from revcart.kit import telemetry


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. `key`: messages of one topic and key are delivered in order."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message as a group receives it, with its place in the log."""

    message: Message
    partition: int
    offset: int


Handler = Callable[[Delivery], Awaitable[None]]


class Subscription(Protocol):
    """A member of a consumer group."""

    async def close(self) -> None:
        """Take no more messages; give those in hand a few seconds, then leave them to the next member."""
        ...


class Bus(Protocol):
    """All methods raise DependencyUnavailable("bus") while the broker is away."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Whether the broker answers."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns when all are durable. After an error some may have been stored: sending again is harmless."""
        ...

    async def subscribe(self, group: str, *, topics: Sequence[str], handler: Handler) -> Subscription:
        """Deliver each message of `topics` to one member of `group`: from where the group stopped, or the beginning.

        One message of a key at a time, up to 8 keys side by side. A message counts as handled when `handler` returns;
        one whose handler raised comes again.
        """
        ...

    async def lag(self, group: str) -> Mapping[str, int]:
        """Per topic of the group: how many messages it has not handled yet."""
        ...

    def history(self, topic: str) -> AsyncGenerator[Delivery]:
        """What `topic` holds now, the oldest of each partition first; no group moves. Nothing where it is not known."""
        ...


def connect(url: str, *, memory: Bus, metrics: telemetry.Metrics) -> Bus:
    """The bus at `url`: `kafka://…` (see `kafka_address`), or `memory://` for that of this process, opened elsewhere.

    Raises ValueError for a URL that names neither, without quoting it.
    """
    if url.startswith("memory:"):
        return memory
    from revcart.kit import bus_kafka  # only an installation with Kafka needs its client

    return bus_kafka.Kafka(url, metrics=metrics)


async def ensure_topics(url: str) -> Sequence[str]:
    """Make the topics of `topics` that the bus at `url` lacks, and return their names; `memory://` needs none.

    Raises DependencyUnavailable("bus").
    """
    if url.startswith("memory:"):
        return []
    from revcart.kit import kafka_topics

    async with kafka_topics.administering(url) as admin:
        return await kafka_topics.ensure_topics(admin)
