"""A member of a consumer group on Kafka.

What is in hand when a partition moves gets a few seconds, is committed, or else left to the next owner: messages come
twice rather than never. The loop polls whatever the handlers do, so a slow one costs no membership.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from aiokafka import abc as kafka_abc  # type: ignore[import-untyped]

from revcart.kit import bus, bus_lanes, kafka_client, telemetry

READ_AHEAD: Final = 500  # messages of one partition in memory; it is read again when half of them are done
JOIN_SECONDS: Final = 5.0
_COMMIT_EVERY_SECONDS: Final = 0.05
_COMMIT_SECONDS: Final = 3.0
_POLL_SECONDS: Final = 1.0
_RECONNECT_SECONDS: Final = 1.0
_CONNECT_SECONDS: Final = 10.0
# A dead member's partitions move after 10 s. A member has 30 s to finish what it has in hand when partitions move.
TIMES: Final = {
    "session_timeout_ms": 10_000,
    "heartbeat_interval_ms": 1_000,
    "max_poll_interval_ms": 10_000,
    "rebalance_timeout_ms": 30_000,
    "request_timeout_ms": 40_000,
    "fetch_max_wait_ms": 250,
}

log = telemetry.get_logger(__name__)


class Member:
    """A subscription. `connect` makes an unstarted client; `left` is told at the end."""

    def __init__(
        self,
        group: str,
        *,
        connect: Callable[[], Any],
        topics: Sequence[str],
        handler: bus.Handler,
        grace_seconds: float,
        left: Callable[["Member"], None],
    ) -> None:
        self.group = group
        self._connect = connect
        self._topics = frozenset(topics)
        self._handler = handler
        self._grace_seconds = grace_seconds
        self._left = left
        self._attempted = asyncio.Event()
        self._closing = asyncio.Event()
        self._session: _Session | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when the member has joined, or the first attempt failed, or after a few seconds."""
        self._task = asyncio.create_task(self._run(), name=f"bus-{self.group}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(JOIN_SECONDS):
                await self._attempted.wait()

    async def flush(self) -> None:
        """Commit what is done."""
        if self._session is not None:
            await self._session.commit()

    async def close(self) -> None:
        if self._closing.is_set():
            return
        self._closing.set()
        if self._task is not None:
            await self._task
        self._left(self)

    async def _run(self) -> None:
        while not self._closing.is_set():
            session = self._session = _Session(
                self._connect(),
                group=self.group,
                topics=self._topics,
                handler=self._handler,
                grace_seconds=self._grace_seconds,
                joined=self._attempted.set,
            )
            try:
                await session.run(self._closing)
            except kafka_client.FAILURES as error:
                log.warning("bus.member-waits", group=self.group, failure=type(error).__name__)
            except Exception:  # a member that gives up would leave its events lying
                log.exception("bus.member-failed", group=self.group)
            finally:
                self._session = None
                await session.close()
            self._attempted.set()
            await _either(self._closing.wait(), asyncio.sleep(_RECONNECT_SECONDS))


class _Session(kafka_abc.ConsumerRebalanceListener):  # type: ignore[misc]
    """One connection of a member, from joining until it fails or is closed."""

    def __init__(
        self,
        consumer: Any,
        *,
        group: str,
        topics: frozenset[str],
        handler: bus.Handler,
        grace_seconds: float,
        joined: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._group = group
        self._topics = topics
        self._handler = handler
        self._grace_seconds = grace_seconds
        self._joined = joined
        self._partitions: dict[Any, _Partition] = {}
        self._dirty = asyncio.Event()
        self._committing = asyncio.Lock()
        self._revoked_at = 0.0

    async def run(self, closing: asyncio.Event) -> None:
        """Until `closing`. Raises KafkaError, OSError, TimeoutError when the connection is of no more use."""
        async with asyncio.timeout(_CONNECT_SECONDS):
            await self._consumer.start()
        while missing := self._topics - await self._consumer.topics():
            log.error("bus.topics-missing", topics=sorted(missing), todo="revcart-service migrate makes the topics")
            self._joined()
            if await _either(closing.wait(), asyncio.sleep(_RECONNECT_SECONDS)):
                return
        self._consumer.subscribe(list(self._topics), listener=self)
        pump, commits = asyncio.create_task(self._pump()), asyncio.create_task(self._commit_often())
        closed = asyncio.create_task(closing.wait())
        try:
            done, _ = await asyncio.wait({pump, commits, closed}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (pump, commits, closed):
                task.cancel()
            await asyncio.gather(pump, commits, closed, return_exceptions=True)

    async def close(self) -> None:
        """Let what is in hand finish, commit, leave the group."""
        await self._let_go()
        await kafka_client.stop_consumer(self._consumer)

    async def commit(self) -> None:
        """Store how far each partition is done. What cannot be stored now is stored with the next commit.

        Called with a bound and one at a time: a commit that outlives a rebalance could name somebody else's partition.
        """
        async with self._committing:
            owned = self._consumer.assignment()
            behind = {
                place: partition.next
                for place, partition in self._partitions.items()
                if place in owned and partition.next > partition.committed
            }
            if not behind:
                return
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await self._consumer.commit(behind)
            except kafka_client.FAILURES as error:
                log.warning("bus.not-committed", group=self._group, failure=type(error).__name__)
                return
            for place, offset in behind.items():
                self._partitions[place].committed = offset

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """aiokafka hands out nothing between this and the next assignment, and joins only after this returns."""
        self._revoked_at = time.monotonic()
        await self._let_go()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        seconds = round(time.monotonic() - self._revoked_at, 3)
        log.info("bus.joined", group=self._group, partitions=len(list(assigned)), seconds=seconds)
        self._joined()

    async def _let_go(self) -> None:
        await asyncio.gather(*(partition.lanes.stop(self._grace_seconds) for partition in self._partitions.values()))
        await self.commit()
        self._partitions = {}

    async def _pump(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=int(_POLL_SECONDS * 1_000), max_records=READ_AHEAD)
            for place, records in fetched.items():
                partition = self._partitions.get(place)
                if partition is None:
                    partition = self._partitions[place] = self._partition(place)
                for record in records:
                    partition.lanes.take(delivery(record))
                if partition.lanes.unfinished >= READ_AHEAD and not partition.paused:
                    partition.paused = True
                    self._consumer.pause(place)

    def _partition(self, place: Any) -> "_Partition":
        partition = _Partition()

        def reached(_: str, offset: int) -> None:
            partition.next = offset + 1
            self._dirty.set()
            if partition.paused and partition.lanes.unfinished <= READ_AHEAD // 2:
                partition.paused = False
                if place in self._consumer.assignment():
                    self._consumer.resume(place)

        partition.lanes = bus_lanes.Lanes(self._group, handler=self._handler, reached=reached)
        return partition

    async def _commit_often(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_COMMIT_EVERY_SECONDS)
            self._dirty.clear()
            await self.commit()


class _Partition:
    """What the member holds of one partition. `next`, `committed`: offsets of messages not handled yet."""

    lanes: bus_lanes.Lanes

    def __init__(self) -> None:
        self.next = 0
        self.committed = 0
        self.paused = False


def delivery(record: Any) -> bus.Delivery:
    """A record of aiokafka's as the port has it."""
    message = bus.Message(
        topic=record.topic,
        key=(record.key or b"").decode(errors="replace"),
        value=record.value or b"",
        headers={name: (value or b"").decode(errors="replace") for name, value in record.headers},
    )
    return bus.Delivery(message=message, partition=record.partition, offset=record.offset)


async def _either(first: Awaitable[Any], second: Awaitable[Any]) -> bool:
    """Waits for one of the two; whether the first came."""
    tasks = [asyncio.ensure_future(first), asyncio.ensure_future(second)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    came = tasks[0].done()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return came
