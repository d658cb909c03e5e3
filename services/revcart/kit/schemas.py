"""The bases and field types of request and response models: camelCase, strict, and safe to store.

A request ignores unknown fields (clients used to send prices, roles and user ids: never stored, never trusted) and
takes no string for a number and no number for a boolean. Text is trimmed, NFC and free of control characters.
"""

import datetime as dt
import decimal
import re
import unicodedata
from typing import Annotated, Any

import pydantic
from pydantic import alias_generators

from revcart.kit import clock, money

MAX_ID = 2**53 - 1  # the largest integer that every JSON reader keeps exactly

# C0 and C1 controls; line feed is allowed where a field may have several lines.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINE_FEED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class Body(pydantic.BaseModel):
    """Base of request bodies. Enumerations are `Literal`s; an explicit null counts as absent."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
        extra="ignore",
        strict=True,
        frozen=True,
    )

    @pydantic.model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {name: item for name, item in value.items() if item is not None} if isinstance(value, dict) else value


class Answer(pydantic.BaseModel):
    """Base of answers: every documented field is present, null where there is no value."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        populate_by_name=True,
        from_attributes=True,
        json_schema_serialization_defaults_required=True,
    )


def clean(text: str, *, multiline: bool = False) -> str:
    """`text` in NFC, trimmed. Raises ValueError for control characters and lone surrogates."""
    if multiline:
        text = text.replace("\r\n", "\n")
    if (_CONTROL_BUT_LINE_FEED if multiline else _CONTROL).search(text):
        raise ValueError("control characters are not allowed")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("unpaired surrogates are not allowed")
    return unicodedata.normalize("NFC", text).strip()


def text(minimum: int, maximum: int, *, multiline: bool = False, pattern: str | None = None) -> Any:
    """The type of a text field of `minimum` to `maximum` characters after trimming, matching `pattern` if given."""

    def check(value: str) -> str:
        value = clean(value, multiline=multiline)
        if not minimum <= len(value) <= maximum:
            raise ValueError(f"must have {minimum} to {maximum} characters")
        if pattern is not None and not re.fullmatch(pattern, value):
            raise ValueError(f"must match {pattern}")
        return value

    schema: dict[str, Any] = {"minLength": minimum, "maxLength": maximum}
    if pattern is not None:
        schema["pattern"] = pattern
    return Annotated[str, pydantic.AfterValidator(check), pydantic.WithJsonSchema({"type": "string", **schema})]


def _paise(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | decimal.Decimal):
        raise ValueError("must be a number of rupees, e.g. 39.9")
    return money.from_rupees(value)


_RUPEES_SCHEMA = {"type": "number", "minimum": 0, "maximum": 10_000_000, "multipleOf": 0.01}

# In a request: JSON number of rupees -> integer paise.
RupeesIn = Annotated[int, pydantic.BeforeValidator(_paise), pydantic.WithJsonSchema(_RUPEES_SCHEMA)]

# In an answer: integer paise -> JSON number of rupees.
Rupees = Annotated[
    int,
    pydantic.PlainSerializer(money.to_rupees, return_type=int | float),
    pydantic.WithJsonSchema({"type": "number"}),
]


def _instant(value: Any) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 instant with offset, e.g. 2026-01-31T09:05:00Z")
    return clock.from_text(value)


# RFC 3339 with any offset in, UTC with milliseconds and `Z` out.
Instant = Annotated[
    dt.datetime,
    pydantic.BeforeValidator(_instant),
    pydantic.PlainSerializer(clock.to_text, return_type=str),
    pydantic.WithJsonSchema({"type": "string", "format": "date-time"}),
]


def _date(value: Any) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("must be a date YYYY-MM-DD")
    return dt.date.fromisoformat(value)


Date = Annotated[
    dt.date,
    pydantic.BeforeValidator(_date),
    pydantic.WithJsonSchema({"type": "string", "format": "date"}),
]

Id = Annotated[int, pydantic.Field(ge=1, le=MAX_ID)]


def _email(value: str) -> str:
    value = clean(value)
    local, at, domain = value.partition("@")
    if len(value) > 254 or not at or not local or not domain or "@" in domain or re.search(r"\s", value):
        raise ValueError("must be an e-mail address of at most 254 characters")
    return value


Email = Annotated[
    str,
    pydantic.AfterValidator(_email),
    pydantic.WithJsonSchema({"type": "string", "maxLength": 254, "pattern": r"^[^@\s]+@[^@\s]+$"}),
]


def _phone(value: str) -> str:
    value = clean(value)
    if re.fullmatch(r"[0-9]{10}", value):
        value = f"+91{value}"
    if not re.fullmatch(r"\+[1-9][0-9]{7,14}", value):
        raise ValueError("must be E.164, e.g. +919876543210")
    return value


# E.164; ten digits are taken as Indian.
Phone = Annotated[
    str,
    pydantic.AfterValidator(_phone),
    pydantic.WithJsonSchema({"type": "string", "pattern": r"^(\+[1-9][0-9]{7,14}|[0-9]{10})$"}),
]
