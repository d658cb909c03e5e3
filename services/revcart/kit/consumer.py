"""Runs a service's handlers over the bus: decode, retry in place, wait for outages, bury poison.

A failing event is tried five times where it stands, so that the order of its key holds; then its original bytes go to
`<topic>.dlq` and the next one is taken. A store or service that is away is waited for and never costs an event.
"""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from revcart.kit import bus, clock, errors, events, pressure, settings, telemetry, topics

WAITS = (0.2, 1.0, 5.0, 25.0)  # seconds between the tries
LIMIT_SECONDS = 30.0  # of one try
_OUTAGE_SECONDS, _OUTAGE_MOST_SECONDS = 0.2, 30.0
_LAG_SECONDS = 5.0
_ERROR_CHARACTERS = 300
ONLY_GROUP = "revcart-only-group"  # header of a replayed message: the other groups have handled it

log = telemetry.get_logger(__name__)


class Consumer:
    """The group `revcart.<service>`. `waits`: between tries; one more try than waits."""

    def __init__(
        self,
        *,
        bus: bus.Bus,
        service: str,
        handlers: events.Handlers,
        ports: Any,
        clock: clock.Clock,
        metrics: telemetry.Metrics,
        pressure: pressure.Pressure,
        waits: Sequence[float] = WAITS,
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        self.group = f"revcart.{service}"
        self._bus = bus
        self._service = service
        self._handlers = {payload.fact.type: (payload, handler) for payload, handler in handlers.items()}
        self._topics = sorted({payload.fact.topic for payload in handlers})
        self._ports = ports
        self._clock = clock
        self._pressure = pressure
        self._waits = tuple(waits)
        self._limit_seconds = limit_seconds
        self._subscription: Any = None
        self._lag_task: asyncio.Task[None] | None = None
        self._pausing: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._handled = metrics.counter(
            "revcart_events_handled_total", "Events by what became of them", ["type", "group", "result"]
        )
        self._ignored = metrics.counter("revcart_events_ignored_total", "Events without effect", ["type", "reason"])
        self._dead = metrics.counter("revcart_dlq_total", "Events sent to the dead letters", ["topic", "group"])
        self._lag = metrics.gauge("revcart_consumer_lag", "Messages not handled yet", ["topic", "group"])
        self._seconds = metrics.histogram("revcart_event_seconds", "Duration of handlers", ["type", "group"])

    async def start(self) -> None:
        if self._topics:
            self._subscription = await self._bus.subscribe(self.group, topics=self._topics, handler=self.handle)
            self._lag_task = asyncio.create_task(self._watch(), name=f"lag-{self._service}")

    async def stop(self) -> None:
        """Let running handlers finish; what is waiting between tries goes to the next member."""
        self._stopping = True
        for task in self._pausing:
            task.cancel()
        if self._lag_task is not None:
            self._lag_task.cancel()
        if self._subscription is not None:
            await self._subscription.close()

    async def handle(self, delivery: bus.Delivery) -> None:
        """One message, until it is done, ignored or buried."""
        if delivery.message.headers.get(ONLY_GROUP, self.group) == self.group:
            with telemetry.context(service=self._service):
                await self._handle(delivery)

    async def _handle(self, delivery: bus.Delivery) -> None:
        message = delivery.message
        try:
            envelope = events.decode(message.value)
            if envelope.type not in self._handlers:
                self._count("other", "unknown")
                return
            payload, handler = self._handlers[envelope.type]
            event = envelope.received(payload)
        except events.Unreadable as error:
            await self._bury(delivery, error, tries=1)
            return
        with telemetry.context(traceparent=event.traceparent or None):
            await self._try(delivery, event, handler)

    async def _try(self, delivery: bus.Delivery, event: events.Received[Any], handler: events.Handler) -> None:
        tries, outages = 0, 0
        while True:
            await self._pressure.stand_back()
            try:
                await self._once(event, handler)
                return
            except errors.DependencyUnavailable as error:
                pause = min(_OUTAGE_SECONDS * 2**outages, _OUTAGE_MOST_SECONDS)
                outages = min(outages + 1, 16)
                log.warning("event.waits", type=event.type, id=event.id, away=error.service, seconds=pause)
                self._count(event.type, "waiting")
            except Exception as error:
                tries += 1
                log.warning("event.failed", type=event.type, id=event.id, tries=tries, exc_info=True)
                if tries > len(self._waits):
                    await self._bury(delivery, error, tries=tries, type_=event.type)
                    return
                pause = self._waits[tries - 1]
                self._count(event.type, "retried")
            await self._pause(pause * random.uniform(0.8, 1.2))

    async def _once(self, event: events.Received[Any], handler: events.Handler) -> None:
        result = "done"
        with telemetry.span(f"handle {event.type}"), self._seconds.labels(event.type, self.group).time():
            try:
                async with asyncio.timeout(self._limit_seconds):
                    answer = await handler(event=event, ports=self._ports)
            except events.Repeated:
                answer, result = None, "repeated"
            except events.Ignored as ignored:
                answer = ignored
        if isinstance(answer, events.Ignored):
            result = "ignored"
            self._ignored.labels(event.type, answer.reason).inc()
        self._count(event.type, result)

    async def _bury(self, delivery: bus.Delivery, error: Exception, *, tries: int, type_: str = "unreadable") -> None:
        message = delivery.message
        headers = {
            **message.headers,
            "revcart-topic": message.topic,
            "revcart-partition": str(delivery.partition),
            "revcart-offset": str(delivery.offset),
            "revcart-group": self.group,
            "revcart-tries": str(tries),
            "revcart-error": _redacted(error),
            "revcart-failed-at": clock.to_text(self._clock.now()),
        }
        grave = bus.Message(
            topic=topics.dead_letters(message.topic), key=message.key, value=message.value, headers=headers
        )
        pause = _OUTAGE_SECONDS
        while True:
            try:
                await self._bus.publish([grave])
                break
            except errors.DependencyUnavailable:
                await self._pause(pause)
                pause = min(pause * 2, _OUTAGE_MOST_SECONDS)
        self._dead.labels(message.topic, self.group).inc()
        self._count(type_, "dead")
        log.error("event.dead", topic=message.topic, offset=delivery.offset, tries=tries, failure=type(error).__name__)

    async def _pause(self, seconds: float) -> None:
        """A sleep that `stop` ends, and with it the delivery, which stays unfinished."""
        if self._stopping:
            raise asyncio.CancelledError
        task = asyncio.ensure_future(asyncio.sleep(seconds))
        self._pausing.add(task)
        try:
            await task
        finally:
            self._pausing.discard(task)

    async def _watch(self) -> None:
        while True:
            try:
                for topic, count in (await self._bus.lag(self.group)).items():
                    self._lag.labels(topic, self.group).set(count)
            except errors.DependencyUnavailable:
                log.warning("consumer.lag-unknown", group=self.group)
            await asyncio.sleep(_LAG_SECONDS)

    def _count(self, type_: str, result: str) -> None:
        self._handled.labels(type_, self.group, result).inc()


class Wires(Protocol):
    """What `running` needs of a service's adapters."""

    settings: settings.Settings
    bus: bus.Bus
    clock: clock.Clock
    metrics: telemetry.Metrics
    pressure: pressure.Pressure


@contextlib.asynccontextmanager
async def running(*, wires: Wires, handlers: events.Handlers, ports: Any) -> AsyncIterator[Consumer]:
    """The service's consumer as long as the block runs."""
    consumer = Consumer(
        bus=wires.bus,
        service=wires.settings.service,
        handlers=handlers,
        ports=ports,
        clock=wires.clock,
        metrics=wires.metrics,
        pressure=wires.pressure,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _redacted(error: Exception) -> str:
    """Class and message, printable ASCII, without what looks like an address, a token or a number of somebody."""
    text = re.sub(r"\S+@\S+|\+?\d[\d -]{7,}\d|[A-Za-z0-9_-]{32,}", "…", f"{type(error).__name__}: {error}")
    return text.replace("…", "[hidden]").encode("ascii", "replace").decode()[:_ERROR_CHARACTERS].replace("\n", " ")
