"""What happened, as the services tell each other: payload models, the CloudEvents 1.0 envelope, the fast stream.

A payload class declares where it goes; the same class, with only the fields that are read, serves to consume:

    class OrderCreated(events.Payload, topic="order-events", type="order.created", key="order_id", subject="order_id"):
        order_id: int
        placed_at: schemas.Instant
"""

import asyncio
import builtins
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import pydantic
from pydantic import alias_generators

from revcart.kit import bus, clock, errors, ids, telemetry, tracing

log = telemetry.get_logger(__name__)

MEDIA_TYPE = "application/cloudevents+json; charset=UTF-8"
HEADERS = {"content-type": MEDIA_TYPE}
MAX_BYTES = 262_144


class Repeated(Exception):
    """This event was handled before (inbox): the transaction is rolled back and the consumer counts it as done."""


class Ignored(Exception):
    """The handler met a state that this event would not leave. Returned or raised; counted by `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreadable(Exception):
    """The bytes are no envelope, or their data not what the type promises: poison."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Where a type goes. `key`, `subject`: names of fields, tried in order until one has a value."""

    topic: str
    type: str
    key: tuple[str, ...]
    subject: tuple[str, ...]


def _alias(name: str) -> str:
    return alias_generators.to_camel(name.rstrip("_"))  # `from_` is `from` on the wire


class Wire(pydantic.BaseModel):
    """A part of a payload: camelCase on the wire, unknown fields ignored."""

    model_config = pydantic.ConfigDict(alias_generator=_alias, populate_by_name=True, extra="ignore", frozen=True)


class Payload(Wire):
    """The `data` of an event type."""

    fact: ClassVar[Fact]

    def __init_subclass__(
        cls,
        *,
        topic: str = "",
        type: str = "",
        key: str | tuple[str, ...] = (),
        subject: str | tuple[str, ...] = (),
        **config: Any,
    ) -> None:
        super().__init_subclass__(**config)
        if type:
            assert topic, f"{cls.__name__} names a type and no topic"
            cls.fact = Fact(topic=topic, type=type, key=_names(key), subject=_names(subject or key))

    def message_key(self) -> str:
        """Key of the message: events of one key stay in order. Overridden where no field is the key."""
        return self._first(self.fact.key)

    def subject(self) -> str:
        """Id of the thing changed, as text."""
        return self._first(self.fact.subject)

    def _first(self, names: tuple[str, ...]) -> str:
        for name in names:
            if (value := getattr(self, name)) is not None:
                return str(value)
        raise ValueError(f"{self.fact.type}: none of {names} has a value")


P = TypeVar("P", bound=Payload)


def _names(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given


@dataclass(frozen=True, kw_only=True)
class Received(Generic[P]):
    """An event as a handler gets it. `id` is the inbox key."""

    id: str
    type: str
    subject: str
    time: dt.datetime
    data: P
    traceparent: str


# Type -> what the service does. A handler is `async def name(*, event: Received[...], ports: Ports) -> Ignored | None`.
Handler = Callable[..., Awaitable[Ignored | None]]
Handlers = Mapping[type[Payload], Handler]


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A CloudEvents 1.0 envelope with its data still unread."""

    id: str
    source: str
    type: str
    subject: str
    time: dt.datetime
    data: Mapping[str, Any]
    traceparent: str

    def received(self, payload: builtins.type[P]) -> Received[P]:
        """With `data` as `payload`. Raises Unreadable."""
        try:
            data = payload.model_validate(self.data)
        except pydantic.ValidationError as error:
            # Only where and what kind: the values may be personal, and this text reaches dead-letter headers.
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['type']}" for fault in error.errors())
            raise Unreadable(f"{self.type}: {faults}") from error
        return Received(
            id=self.id, type=self.type, subject=self.subject, time=self.time, data=data, traceparent=self.traceparent
        )


def envelope(payload: Payload, *, service: str, time: dt.datetime) -> dict[str, Any]:
    """A new envelope around `payload`, JSON-ready. `time`: when it became true. Raises ValueError above 256 KiB."""
    made = {
        "specversion": "1.0",
        "id": ids.uuid7(),
        "source": f"/revcart/{service}",
        "type": payload.fact.type,
        "subject": payload.subject(),
        "time": clock.to_text(time),
        "datacontenttype": "application/json",
        "traceparent": tracing.traceparent.get() or tracing.child_of(None),
        "data": json.loads(json.dumps(payload.model_dump(mode="python", by_alias=True), default=_json)),
    }
    if len(encode(made)) > MAX_BYTES:
        raise ValueError(f"{payload.fact.type} is larger than {MAX_BYTES} bytes")
    return made


def encode(envelope: Mapping[str, Any]) -> bytes:
    """The bytes of an envelope."""
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def decode(value: bytes) -> Envelope:
    """The envelope of these bytes. Raises Unreadable."""
    try:
        given = json.loads(value)
        if given["specversion"] != "1.0" or not isinstance(given["data"], dict):
            raise ValueError("not a CloudEvents 1.0 envelope with an object as data")
        return Envelope(
            id=_text(given, "id"),
            source=_text(given, "source"),
            type=_text(given, "type"),
            subject=str(given.get("subject") or ""),
            time=clock.from_text(_text(given, "time")),
            data=given["data"],
            traceparent=str(given.get("traceparent") or ""),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"envelope: {type(error).__name__}") from error


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not value:
        raise ValueError(name)
    return value


def _json(value: object) -> str:
    if isinstance(value, dt.datetime):
        return clock.to_text(value)
    return str(value)


_Buffered = tuple[str, bus.Message]  # with its type


class Stream:
    """Facts that may be lost (views, searches, positions), sent straight to the bus in the background.

    A bounded buffer; the oldest is dropped when it is full, and counted.
    """

    def __init__(
        self,
        *,
        bus: bus.Bus,
        service: str,
        clock: clock.Clock,
        metrics: telemetry.Metrics,
        size: int = 1_000,
    ) -> None:
        self._bus = bus
        self._service = service
        self._clock = clock
        self._size = size
        self._buffer: list[_Buffered] = []
        self._filled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._dropped = metrics.counter("revcart_events_dropped_total", "Events dropped from the full buffer", ["type"])

    def send(self, payload: Payload) -> None:
        """Queue one event; returns at once, never fails for want of a bus."""
        made = envelope(payload, service=self._service, time=self._clock.now())
        message = bus.Message(
            topic=payload.fact.topic,
            key=payload.message_key(),
            value=encode(made),
            headers=HEADERS,
        )
        self._buffer.append((payload.fact.type, message))
        self._shed()
        self._filled.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"stream-{self._service}")

    async def stop(self) -> None:
        """Send what is there, at most 2 s long."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(2):
                await self._flush()
        except (errors.DependencyUnavailable, TimeoutError):
            log.warning("stream.lost", count=len(self._buffer))

    async def _run(self) -> None:
        pause = 0.2
        while True:
            await self._filled.wait()
            self._filled.clear()
            try:
                await self._flush()
                pause = 0.2
            except errors.DependencyUnavailable:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 30)
                self._filled.set()

    async def _flush(self) -> None:
        while self._buffer:
            batch, self._buffer = self._buffer[:100], self._buffer[100:]
            try:
                await self._bus.publish([message for _, message in batch])
            except BaseException:
                self._buffer = batch + self._buffer
                self._shed()
                raise

    def _shed(self) -> None:
        excess = len(self._buffer) - self._size
        for type_, _ in self._buffer[: max(excess, 0)]:
            self._dropped.labels(type_).inc()
        if excess > 0:
            del self._buffer[:excess]
