"""Requests and answers of the notification service."""

import datetime as dt
import zoneinfo
from typing import Annotated, Any, Literal

import pydantic

from revcart.kit import schemas
from revcart.notification import domain


class NotificationData(schemas.Answer):
    order_id: int | None = None
    delivery_id: int | None = None
    url: str | None = None


class Notification(schemas.Answer):
    id: str
    user_id: int
    type: str
    category: domain.Category
    title: str
    message: str
    data: NotificationData
    read: bool
    read_at: schemas.Instant | None
    created_at: schemas.Instant

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Notification":
        return cls.model_validate({**document, "id": document["_id"]})


class Count(schemas.Answer):
    count: int


class Updated(schemas.Answer):
    updated: int


class ReadAll(schemas.Body):
    """`before`: leave what is newer unread."""

    before: schemas.Instant | None = None


def _time_of_day(value: str) -> str:
    return dt.time.fromisoformat(value).isoformat(timespec="minutes")


def _zone(value: str) -> str:
    try:
        return zoneinfo.ZoneInfo(value).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be a time zone of the IANA list, e.g. Asia/Kolkata") from error


TimeOfDay = Annotated[
    str, pydantic.StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"), pydantic.AfterValidator(_time_of_day)
]
Zone = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=64), pydantic.AfterValidator(_zone)]


class QuietHours(schemas.Body):
    start: TimeOfDay
    end: TimeOfDay
    timezone: Zone


class Choices(schemas.Body):
    """What is left out keeps its default."""

    model_config = pydantic.ConfigDict(alias_generator=None)

    EMAIL: bool | None = None
    SMS: bool | None = None
    WEBSOCKET: bool | None = None


class Categories(schemas.Body):
    model_config = pydantic.ConfigDict(alias_generator=None)

    ORDER: Choices = Choices()
    PAYMENT: Choices = Choices()
    DELIVERY: Choices = Choices()
    OFFERS: Choices = Choices()
    ACCOUNT: Choices = Choices()


class SavePreferences(schemas.Body):
    locale: domain.Locale = "en"
    quiet_hours: QuietHours | None = None
    categories: Categories = Categories()

    def to_domain(self) -> domain.Preferences:
        """Raises CategoryLocked (422) when ACCOUNT is switched off."""
        choices = {name: chosen.model_dump(exclude_none=True) for name, chosen in self.categories}
        if False in choices.pop("ACCOUNT").values():
            raise domain.CategoryLocked
        quiet = None if self.quiet_hours is None else domain.QuietHours(**self.quiet_hours.model_dump())
        return domain.Preferences(locale=self.locale, quiet_hours=quiet, choices=choices)


class Hours(schemas.Answer):
    start: str
    end: str
    timezone: str


class Chosen(schemas.Answer):
    model_config = pydantic.ConfigDict(alias_generator=None)

    EMAIL: bool
    SMS: bool
    WEBSOCKET: bool


class Preferences(schemas.Answer):
    locale: domain.Locale
    quiet_hours: Hours | None
    categories: dict[domain.Category, Chosen]

    @classmethod
    def of(cls, preferences: domain.Preferences) -> "Preferences":
        return cls(
            locale=preferences.locale or "en",
            quiet_hours=preferences.quiet_hours and Hours.model_validate(preferences.quiet_hours),
            categories={
                category: Chosen(**{channel: preferences.wants(category, channel) for channel in domain.CHANNELS})
                for category in domain.CATEGORIES
            },
        )


class Dispatch(schemas.Answer):
    """One message on one channel. `recipient` is masked; `last_error` says in a word what went wrong."""

    id: str
    notification_id: str
    user_id: int | None
    recipient: str | None
    channel: domain.Channel
    template: str
    locale: str
    state: domain.State
    tries: int
    next_at: schemas.Instant | None
    provider: str | None
    provider_message_id: str | None
    last_error: str | None
    created_at: schemas.Instant

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Dispatch":
        return cls.model_validate({**document, "id": document["_id"]})


class Accepted(schemas.Answer):
    id: str


class MailboxMessage(schemas.Answer):
    """What a development sink kept in place of sending it."""

    id: str
    channel: Literal["EMAIL", "SMS"]
    sender: str
    to: str
    subject: str
    text: str
    html: str | None
    template: str
    at: schemas.Instant

    @classmethod
    def of(cls, document: dict[str, Any]) -> "MailboxMessage":
        return cls.model_validate({**document, "id": document["_id"]})
