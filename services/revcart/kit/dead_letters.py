"""Dead letters as a person looks at them: events that a service gave up, why, and how they get a second chance.

`consumer` buries them (contract/events.md "Inbox, order, poison"). They stay in `<topic>.dlq` until their 30 days are
over, replayed or not: replaying twice is harmless, for the group that gave up remembers in its inbox what it handled.
"""

import datetime as dt
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from revcart.kit import bus, clock, consumer, events, redaction, topics

# What an event says of a person beside what no log may show.
_PERSONAL = re.compile(r"name$|^(place|address|lat|lng|comment|query)$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter. `id`: `<topic>:<partition>:<offset>` of its grave; texts are empty where nobody wrote them."""

    message: bus.Message
    id: str
    topic: str  # where it came from and goes back to
    origin: str  # its partition and offset there
    group: str
    type: str
    event: str  # the event's own id
    tries: str
    error: str
    failed_at: str

    def original(self) -> bus.Message:
        """As it was sent first, for the group alone that gave it up; the other groups have handled it."""
        headers = {name: value for name, value in self.message.headers.items() if not name.startswith("revcart-")}
        if self.group:
            headers[consumer.ONLY_GROUP] = self.group
        return bus.Message(topic=self.topic, key=self.message.key, value=self.message.value, headers=headers)

    def summary(self) -> dict[str, str]:
        """All but the message."""
        return {
            "id": self.id,
            "topic": self.topic,
            "group": self.group,
            "type": self.type,
            "event": self.event,
            "tries": self.tries,
            "error": self.error,
            "failedAt": self.failed_at,
        }

    def details(self) -> dict[str, Any]:
        """With origin, key, headers and body; secrets and what is personal are hidden."""
        return {
            **self.summary(),
            "origin": self.origin,
            "key": redaction.text(self.message.key),
            "bytes": len(self.message.value),
            "headers": redaction.redact(dict(self.message.headers)),
            "body": _body(self.message.value),
        }


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which letters are meant; None is all of them. `group` may be a service's name."""

    topic: str | None = None
    group: str | None = None
    type: str | None = None
    since: dt.datetime | None = None

    def fits(self, letter: Letter) -> bool:
        return (
            self.group in (None, letter.group, letter.group.removeprefix("revcart."))
            and self.type in (None, letter.type)
            and (self.since is None or letter.failed_at >= clock.to_text(self.since))
        )


def graves(named: str | None) -> Sequence[str]:
    """The dead-letter topic of this name, also when its source is named; all of them for None. Raises ValueError."""
    known = [topic.dead_letters.name for topic in topics.TOPICS]
    if named is None:
        return known
    grave = named if named in known else topics.dead_letters(named)
    if grave not in known:
        raise ValueError(f"There is no dead-letter topic {named}; there are {', '.join(known)}.")
    return [grave]


async def found(log: bus.Bus, wanted: Filter) -> AsyncGenerator[Letter]:
    """The letters that `wanted` means, the oldest of each topic first. Raises ValueError for a topic that is none."""
    for grave in graves(wanted.topic):
        async with aclosing(log.history(grave)) as history:
            async for delivery in history:
                if wanted.fits(letter := _letter(delivery)):
                    yield letter


async def get(log: bus.Bus, id_: str) -> Letter | None:
    """The letter of this id."""
    topic = id_.partition(":")[0]
    if topic not in graves(None):
        return None
    async with aclosing(found(log, Filter(topic=topic))) as letters:
        async for letter in letters:
            if letter.id == id_:
                return letter
    return None


def _letter(delivery: bus.Delivery) -> Letter:
    message = delivery.message
    headers = message.headers
    try:
        envelope = events.decode(message.value)
    except events.Unreadable:
        type_, event = "unreadable", ""
    else:
        type_, event = envelope.type, envelope.id
    return Letter(
        message=message,
        id=f"{message.topic}:{delivery.partition}:{delivery.offset}",
        topic=message.topic.removesuffix(topics.dead_letters("")),
        origin=f"{headers.get('revcart-partition', '')}:{headers.get('revcart-offset', '')}".strip(":"),
        group=headers.get("revcart-group", ""),
        type=type_,
        event=event,
        tries=headers.get("revcart-tries", ""),
        error=redaction.text(headers.get("revcart-error", "")),
        failed_at=headers.get("revcart-failed-at", ""),
    )


def _body(value: bytes) -> Any:
    """Redacted JSON; None for what is none, since nobody knows what it says."""
    try:
        return _impersonal(redaction.redact(json.loads(value)))
    except (ValueError, RecursionError):
        return None


def _impersonal(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: redaction.HIDDEN if item is not None and _PERSONAL.search(name) else _impersonal(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_impersonal(item) for item in value]
    return value
