"""What services tell each other: the committed examples, the producers, the readers and the catalogue agree.

An example `events/<type>[.<variant>].json` is an envelope as its `source` sends it. Change none in place: within a type
only nullable additions are allowed, and an addition gets a variant of its own (events.md "Compatibility").
"""

import dataclasses
import importlib
import json
import pkgutil
import re
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import pydantic
import pytest

from revcart.kit import clock, events, topics
from revcart_operator.platform import catalogue

FOLDER: Final = Path(__file__).parent / "events"
ORDERS, PAYMENTS = topics.ORDER_EVENTS, topics.PAYMENT_EVENTS
NOTIFICATIONS, ANALYTICS = topics.NOTIFICATION_EVENTS, topics.ANALYTICS_EVENTS


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of events.md. `key`: the fields whose first value is the message key."""

    topic: str
    key: str
    producers: str
    readers: str


# As in events.md, but: product also reads order.created (the later types do not all name the reservation), and no
# report of analytics needs positions.
ROWS: Final = {
    "order.created": Row(ORDERS, "orderId", "order", "cart product notification analytics"),
    "order.status.updated": Row(ORDERS, "orderId", "order", "product delivery notification analytics"),
    "order.cancelled": Row(ORDERS, "orderId", "order", "product payment delivery notification analytics"),
    "order.expired": Row(ORDERS, "orderId", "order", "product payment notification analytics"),
    "payment.created": Row(PAYMENTS, "orderId", "payment", "order analytics"),
    "payment.completed": Row(PAYMENTS, "orderId", "payment", "order notification analytics"),
    "payment.failed": Row(PAYMENTS, "orderId", "payment", "order notification analytics"),
    "payment.refunded": Row(PAYMENTS, "orderId", "payment", "order notification analytics"),
    "notification.requested": Row(NOTIFICATIONS, "userId audience", "auth delivery", "notification"),
    "notification.sent": Row(NOTIFICATIONS, "userId", "notification", "analytics"),
    "notification.failed": Row(NOTIFICATIONS, "userId", "notification", "analytics"),
    "product.viewed": Row(ANALYTICS, "sessionId userId", "product", "analytics"),
    "product.searched": Row(ANALYTICS, "sessionId userId", "product", "analytics"),
    "cart.updated": Row(ANALYTICS, "userId sessionId", "cart", "analytics"),
    "user.registered": Row(ANALYTICS, "userId", "auth", "user delivery notification analytics"),
    "delivery.assigned": Row(ANALYTICS, "orderId", "delivery", "order notification analytics"),
    "delivery.status.updated": Row(ANALYTICS, "orderId", "delivery", "order payment notification analytics"),
    "delivery.location.updated": Row(ANALYTICS, "orderId", "delivery", "notification"),
    "stock.low": Row(ANALYTICS, "productId", "product", "notification analytics"),
}
# Any service may ask for a message: one shape, several producers. Every other type has exactly one.
SHARED: Final = {"notification.requested"}
FREE: Final = {"filters", "data"}  # objects whose names are not fixed
# events.md lets these two ask for messages as well; they may reach the topic and do not write to it yet.
NOT_YET_WRITTEN: Final = {("user", NOTIFICATIONS), ("admin", NOTIFICATIONS)}


@dataclasses.dataclass(frozen=True)
class Model:
    """A payload class of a service; `is_read`: the service handles the type, else it publishes it."""

    service: str
    kind: type[events.Payload]
    is_read: bool

    @property
    def type(self) -> str:
        return self.kind.fact.type

    def __str__(self) -> str:
        return f"{self.service} {'reads' if self.is_read else 'publishes'} {self.type}"


def _models() -> list[Model]:
    """Every payload class of the eleven services."""
    handled = set()
    for service in catalogue.SERVICES:
        package = importlib.import_module(f"revcart.{service.name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            handled |= set(getattr(importlib.import_module(module.name), "HANDLERS", ()))
    found = []
    for kind in _below(events.Payload):
        package_name, _, rest = kind.__module__.partition(".")
        name = rest.partition(".")[0]
        if package_name == "revcart" and name in catalogue.BY_NAME and "fact" in vars(kind):
            found.append(Model(name, kind, kind in handled))
    return sorted(found, key=str)


def _below(kind: type[events.Payload]) -> Iterator[type[events.Payload]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _examples() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


MODELS: Final = _models()
PUBLISHED: Final = [model for model in MODELS if not model.is_read]
READ: Final = [model for model in MODELS if model.is_read]
EXAMPLES: Final = _examples()


def examples(type: str, source: str | None = None) -> list[dict[str, Any]]:
    """The examples of a type, all or those of one producer."""
    return [
        example
        for example in EXAMPLES.values()
        if example["type"] == type and source in (None, example["source"].removeprefix("/revcart/"))
    ]


def opened(example: dict[str, Any], kind: type[events.Payload], **changes: Any) -> events.Payload:
    """What a service gets when an example, with other data if given, arrives. Raises Unreadable."""
    return events.decode(events.encode({**example, **changes})).received(kind).data


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_an_envelope_of_its_type(name: str) -> None:
    example = EXAMPLES[name]
    envelope = events.decode(events.encode(example))
    assert name == envelope.type or name.startswith(f"{envelope.type}.")
    assert set(example) == {
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "traceparent", "data",
    }  # fmt: skip
    assert uuid.UUID(envelope.id).version == 7
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", envelope.traceparent)
    assert clock.to_text(envelope.time) == example["time"]
    assert envelope.source.removeprefix("/revcart/") in ROWS[envelope.type].producers.split()


def test_no_id_is_used_twice() -> None:
    assert len({example["id"] for example in EXAMPLES.values()}) == len(EXAMPLES)


@pytest.mark.parametrize("type", ROWS)
def test_every_producer_of_a_type_has_an_example_and_the_first_holds_every_field(type: str) -> None:
    producers = ROWS[type].producers.split()
    assert type in EXAMPLES
    assert {example["source"] for example in examples(type)} == {f"/revcart/{name}" for name in producers}
    if type not in SHARED:
        assert None not in EXAMPLES[type]["data"].values()


@pytest.mark.parametrize("model", PUBLISHED, ids=str)
def test_a_producer_sends_exactly_what_its_example_shows(model: Model) -> None:
    for example in examples(model.type, model.service):
        payload = model.kind.model_validate(example["data"])
        time = clock.from_text(example["time"])
        made = events.decode(events.encode(events.envelope(payload, service=model.service, time=time)))
        assert _text(dict(made.data)) == _text(example["data"])
        assert (made.source, made.type, made.subject, made.time) == (
            example["source"],
            example["type"],
            example["subject"],
            time,
        )
        values = (example["data"].get(field) for field in ROWS[model.type].key.split())
        key = next((str(value) for value in values if value is not None), None)
        assert payload.message_key() == key


@pytest.mark.parametrize("model", READ, ids=str)
def test_a_reader_understands_every_example(model: Model) -> None:
    for example in examples(model.type):
        opened(example, model.kind)


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_fields_may_be_added(model: Model) -> None:
    for example in examples(model.type, None if model.is_read else model.service):
        assert opened(example, model.kind, data=_extended(example["data"])) == opened(example, model.kind)


@pytest.mark.parametrize("model", READ, ids=str)
def test_a_reader_takes_null_wherever_a_producer_may_send_it(model: Model) -> None:
    for producer in PUBLISHED:
        for example in examples(model.type, producer.service) if producer.type == model.type else ():
            for data in _with_nulls(producer.kind, example["data"]):
                opened(example, model.kind, data=data)


@pytest.mark.parametrize("model", READ, ids=str)
def test_a_word_that_a_reader_does_not_know_is_no_poison(model: Model) -> None:
    """A new status or role may have no effect; it must not send the event to the dead letters."""
    assert not re.search(r'"(enum|const)":', json.dumps(model.kind.model_json_schema()))


def test_every_type_is_published_by_its_producer_alone() -> None:
    pairs = sorted((model.type, model.service) for model in PUBLISHED)
    assert pairs == sorted((name, service) for name, row in ROWS.items() for service in row.producers.split())
    assert {name for name, row in ROWS.items() if len(row.producers.split()) > 1} == SHARED


@pytest.mark.parametrize("type", sorted(SHARED))
def test_several_producers_have_one_shape(type: str) -> None:
    shapes = {model.service: set(model.kind.model_fields) for model in PUBLISHED if model.type == type}
    assert len({frozenset(fields) for fields in shapes.values()}) == 1, shapes


def test_every_type_is_handled_by_those_who_need_it_and_nobody_waits_for_what_is_never_sent() -> None:
    pairs = sorted((model.type, model.service) for model in READ)
    assert pairs == sorted((name, service) for name, row in ROWS.items() for service in row.readers.split())


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_a_type_has_one_topic(model: Model) -> None:
    assert model.kind.fact.topic == ROWS[model.type].topic


@pytest.mark.parametrize("service", catalogue.SERVICES, ids=lambda service: service.name)
def test_the_catalogue_names_the_topics_that_a_service_uses(service: catalogue.Service) -> None:
    """Topics, rights and network rules are made from the catalogue."""
    written = {model.kind.fact.topic for model in PUBLISHED if model.service == service.name}
    read = {model.kind.fact.topic for model in READ if model.service == service.name}
    unwritten = {topic for name, topic in NOT_YET_WRITTEN if name == service.name}
    assert not written & unwritten, "it is written now: take it off the list"
    assert (set(service.publishes), set(service.consumes)) == (written | unwritten, read)


def _text(value: Any) -> str:
    """JSON in which 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)


def _extended(value: Any) -> Any:
    """`value` with an unknown field in every object that has a fixed set of them."""
    if isinstance(value, list):
        return [_extended(each) for each in value]
    if isinstance(value, dict):
        inside = {name: each if name in FREE else _extended(each) for name, each in value.items()}
        return {"addedLater": {"a": [1]}, **inside}
    return value


def _with_nulls(kind: type[pydantic.BaseModel], data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`data` once for each nullable field of `kind`, at any depth, with null there."""
    for name, field in kind.model_fields.items():
        key = field.alias or name
        value = data[key]
        if types.NoneType in get_args(field.annotation):
            yield {**data, key: None}
        inside = [each for each in (field.annotation, *get_args(field.annotation)) if _is_model(each)]
        if not inside or not value:
            continue
        many = value if isinstance(value, list) else [value]
        for first in _with_nulls(inside[0], many[0]):
            yield {**data, key: [first, *many[1:]] if isinstance(value, list) else first}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
