"""The bus on Kafka: an idempotent producer, consumer groups with commits after the handler, nothing made by accident.

Topics are made by `ensure_topics` (`kafka_topics`) and never by asking for them: Kafka would, with one partition.
While the broker is away a publisher is told after a few seconds; producer and members come back by themselves.
"""

import asyncio
import contextlib
import functools
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final

import aiokafka  # type: ignore[import-untyped]

from revcart.kit import bus, bus_kafka_member, errors, kafka_address, kafka_client, telemetry

ANSWER_SECONDS: Final = 4.0
_REQUEST_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1_000_000  # of a message with its headers; the contract allows 256 KiB of value

log = telemetry.get_logger(__name__)


class Kafka:
    """`grace_seconds`: how long messages in hand may go on when their partition or the member leaves."""

    def __init__(self, url: str, *, metrics: telemetry.Metrics, grace_seconds: float = 5) -> None:
        self._address = kafka_address.parse(url)
        self._grace_seconds = grace_seconds
        self._producer: Any = None
        self._connecting = asyncio.Lock()
        self._broken = False
        self._known: set[str] = set()  # topics that exist
        self._stuck: set[asyncio.Future[Any]] = set()  # sent, given up, and perhaps still on their way
        self._members: list[bus_kafka_member.Member] = []
        self._watchers: dict[str, Any] = {}
        self._topics: defaultdict[str, set[str]] = defaultdict(set)  # per group
        self._opened = False
        self._errors = metrics.counter("revcart_bus_errors_total", "Calls that the bus did not answer")

    async def open(self) -> None:
        """Connect, so that the first message need not wait. A broker that is away is no reason not to start."""
        self._opened = True
        with contextlib.suppress(errors.DependencyUnavailable):
            await self.ping()

    async def close(self) -> None:
        """Close what members are left; send what publishers are waiting for, for a few seconds."""
        self._opened = False
        await asyncio.gather(*(member.close() for member in list(self._members)))
        for watcher in self._watchers.values():
            await kafka_client.stop_consumer(watcher)
        self._watchers.clear()
        await self._drop_producer()

    async def ping(self) -> None:
        async with self._answering():
            producer = await self._connected()
            if not await producer.client.force_metadata_update():
                raise errors.DependencyUnavailable("bus")

    async def publish(self, messages: Sequence[bus.Message]) -> None:
        """Raises ValueError for a message that no broker would take."""
        records = [_record(message) for message in messages]
        if not records:
            return
        async with self._answering():
            producer = await self._connected()
            await self._ensure_known(producer, {message.topic for message in messages})
            if self._stuck:  # nothing may overtake what the client may still send of an earlier call
                await asyncio.wait(self._stuck)
            await self._send(producer, records)

    async def _send(self, producer: Any, records: Sequence[Mapping[str, Any]]) -> None:
        futures: list[asyncio.Future[Any]] = []
        try:
            for record in records:
                future = await producer.send(**record)
                future.add_done_callback(self._settle)
                futures.append(future)
            await asyncio.gather(*map(asyncio.shield, futures))
        except BaseException:
            self._stuck.update(future for future in futures if not future.done())
            raise

    async def subscribe(self, group: str, *, topics: Sequence[str], handler: bus.Handler) -> bus.Subscription:
        """Returns when the group has taken the member in; when that takes long or the broker is away, it goes on
        trying in the background."""
        if not self._opened:
            raise errors.DependencyUnavailable("bus")
        self._topics[group] |= set(topics)
        member = bus_kafka_member.Member(
            group,
            connect=functools.partial(self._consumer, group),
            topics=topics,
            handler=handler,
            grace_seconds=self._grace_seconds,
            left=self._members.remove,
        )
        self._members.append(member)
        await member.start()
        return member

    async def lag(self, group: str) -> Mapping[str, int]:
        async with self._answering():
            await asyncio.gather(*(member.flush() for member in self._members if member.group == group))
            producer = await self._connected()
            cluster = await producer.client.fetch_all_metadata()
            watcher = await self._watcher(group)
            places = [
                aiokafka.TopicPartition(topic, number)
                for topic in sorted(self._topics[group] & cluster.topics())
                for number in cluster.partitions_for_topic(topic)
            ]
            ends, starts, *committed = await asyncio.gather(
                watcher.end_offsets(places), watcher.beginning_offsets(places), *map(watcher.committed, places)
            )
        lags: dict[str, int] = dict.fromkeys(self._topics[group], 0)
        for place, reached in zip(places, committed, strict=True):
            lags[place.topic] += max(0, ends[place] - max(reached or 0, starts[place]))
        return lags

    async def history(self, topic: str) -> AsyncGenerator[bus.Delivery]:
        async with self._answering():
            producer = await self._connected()
            cluster = await producer.client.fetch_all_metadata()
        places = [aiokafka.TopicPartition(topic, number) for number in cluster.partitions_for_topic(topic) or ()]
        if not places:
            return
        reader = self._consumer(None)
        try:
            async with self._answering():
                await reader.start()
                reader.assign(places)
                starts, ends = await reader.beginning_offsets(places), await reader.end_offsets(places)
            for place in places:
                reader.seek(place, starts[place])
            unread = {place for place in places if starts[place] < ends[place]}
            while unread:
                for record in await self._some(reader, unread):
                    if record.offset < ends[record.topic, record.partition]:
                        yield bus_kafka_member.delivery(record)
                async with self._answering():
                    unread = {place for place in unread if await reader.position(place) < ends[place]}
        finally:
            await kafka_client.stop_consumer(reader)

    async def _some(self, reader: Any, places: set[Any]) -> list[Any]:
        """The next records of these partitions; raises DependencyUnavailable when none comes in time."""
        async with self._answering():
            while True:
                fetched = await reader.getmany(*places, timeout_ms=1_000, max_records=bus_kafka_member.READ_AHEAD)
                if records := [record for found in fetched.values() for record in found]:
                    return records

    @contextlib.asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """A few seconds for a call to Kafka; what it fails with becomes DependencyUnavailable("bus")."""
        try:
            if not self._opened:
                raise errors.DependencyUnavailable("bus")
            async with asyncio.timeout(ANSWER_SECONDS):
                yield
        except kafka_client.FAILURES as error:
            self._errors.inc()
            raise errors.DependencyUnavailable("bus") from error

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._producer is not None and (self._broken or kafka_client.has_failed(self._producer)):
                log.warning("bus.producer-anew")
                await self._drop_producer()
            if self._producer is None:
                producer = kafka_client.producer(
                    self._address,
                    enable_idempotence=True,
                    acks="all",
                    request_timeout_ms=int(_REQUEST_SECONDS * 1_000),
                    max_request_size=_MOST_BYTES,
                )
                try:
                    async with kafka_client.starting(self._address):
                        await producer.start()
                except BaseException:
                    await asyncio.shield(kafka_client.stop_producer(producer))
                    raise
                self._producer = producer
            return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer, self._broken = self._producer, None, False
        if producer is not None:
            await kafka_client.stop_producer(producer)
            self._stuck.clear()

    async def _ensure_known(self, producer: Any, topics: set[str]) -> None:
        if topics <= self._known:
            return
        self._known = set((await producer.client.fetch_all_metadata()).topics())
        if missing := topics - self._known:
            log.error("bus.topics-missing", topics=sorted(missing), todo="revcart-service migrate makes the topics")
            raise errors.DependencyUnavailable("bus")

    def _settle(self, future: asyncio.Future[Any]) -> None:
        self._stuck.discard(future)
        if future.cancelled() or future.exception() is not None:
            # The client counts a batch that it gave up as sent, and the broker refuses all that follow: begin anew.
            self._broken = True

    async def _watcher(self, group: str) -> Any:
        """A client that reads offsets of a group without being a member of it."""
        if group not in self._watchers:
            watcher = self._consumer(group)
            try:
                await watcher.start()
            except BaseException:
                await asyncio.shield(kafka_client.stop_consumer(watcher))
                raise
            self._watchers[group] = watcher
        return self._watchers[group]

    def _consumer(self, group: str | None) -> Any:
        return kafka_client.consumer(
            self._address,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **bus_kafka_member.TIMES,
        )


def _record(message: bus.Message) -> dict[str, Any]:
    headers = [(name, value.encode()) for name, value in message.headers.items()]
    key = message.key.encode()
    if len(key) + len(message.value) + sum(len(name) + len(value) + 10 for name, value in headers) > _MOST_BYTES - 200:
        raise ValueError(f"a message of {len(message.value)} bytes is too large for the bus")
    return {"topic": message.topic, "key": key, "value": message.value, "headers": headers}
