"""What there is to say, to whom it may be said and when: templates, preferences, tries. Pure."""

import dataclasses
import datetime as dt
import hashlib
import re
import zoneinfo
from collections.abc import Mapping
from typing import Any, Final, Literal

from revcart.kit import errors

Channel = Literal["EMAIL", "SMS", "WEBSOCKET"]
Category = Literal["ORDER", "PAYMENT", "DELIVERY", "OFFERS", "ACCOUNT"]
Locale = Literal["en", "hi"]
State = Literal["QUEUED", "SENDING", "SENT", "RETRY", "DEAD", "SKIPPED"]

CHANNELS: Final[tuple[Channel, ...]] = ("EMAIL", "SMS", "WEBSOCKET")
CATEGORIES: Final[tuple[Category, ...]] = ("ORDER", "PAYMENT", "DELIVERY", "OFFERS")  # those that can be chosen
LEASE: Final = dt.timedelta(seconds=60)
CONTACT_AGE: Final = dt.timedelta(minutes=5)
SMS_PER_DAY: Final = 10
_WAITS: Final = (10, 60, 300, 1_800)  # seconds after each failed try; the fifth is the last
TRIES: Final = len(_WAITS) + 1


class CategoryLocked(errors.Unprocessable):
    code, title = "notification.category-locked", "Messages about the account cannot be switched off"


class NotFailed(errors.Conflict):
    code, title = "notification.not-failed", "Only a message that was given up can be sent again"


@dataclasses.dataclass(frozen=True)
class Template:
    """`type` is what the list shows; `channels` where it goes when nobody says otherwise."""

    key: str
    type: str
    category: Category
    channels: tuple[Channel, ...]


_ALL: Final[tuple[Channel, ...]] = ("EMAIL", "SMS", "WEBSOCKET")
_MAIL: Final[tuple[Channel, ...]] = ("EMAIL", "WEBSOCKET")
_TEXT: Final[tuple[Channel, ...]] = ("SMS", "WEBSOCKET")

TEMPLATES: Final[Mapping[str, Template]] = {
    template.key: template
    for template in (
        Template("order.placed", "ORDER_PLACED", "ORDER", ("WEBSOCKET",)),
        Template("order.confirmed", "ORDER_CONFIRMATION", "ORDER", _ALL),
        Template("order.preparing", "ORDER_PREPARING", "ORDER", ("WEBSOCKET",)),
        Template("order.delivered", "ORDER_DELIVERED", "ORDER", _MAIL),
        Template("order.cancelled", "ORDER_CANCELLED", "ORDER", _ALL),
        Template("order.expired", "ORDER_EXPIRED", "ORDER", _MAIL),
        Template("payment.completed", "PAYMENT_CONFIRMATION", "PAYMENT", _MAIL),
        Template("payment.failed", "PAYMENT_FAILED", "PAYMENT", ("WEBSOCKET",)),
        Template("payment.refunded", "REFUND", "PAYMENT", _ALL),
        Template("delivery.assigned", "DELIVERY_ASSIGNED", "DELIVERY", ("WEBSOCKET",)),
        Template("delivery.offer", "DELIVERY_OFFER", "DELIVERY", ("WEBSOCKET",)),
        Template("delivery.picked-up", "OUT_FOR_DELIVERY", "DELIVERY", _TEXT),
        Template("delivery.delayed", "DELIVERY_DELAYED", "DELIVERY", ("WEBSOCKET",)),
        Template("delivery.failed", "DELIVERY_FAILED", "DELIVERY", _TEXT),
        Template("account.verify-email", "VERIFY_EMAIL", "ACCOUNT", ("EMAIL",)),
        Template("account.reset-password", "RESET_PASSWORD", "ACCOUNT", ("EMAIL",)),
        Template("account.security", "ACCOUNT_SECURITY", "ACCOUNT", ("EMAIL",)),
        Template("account.welcome", "WELCOME", "ACCOUNT", _MAIL),
        Template("admin.broadcast", "BROADCAST", "OFFERS", ("WEBSOCKET",)),
        Template("admin.alert", "ADMIN_ALERT", "ACCOUNT", ("WEBSOCKET",)),
        Template("admin.low-stock", "LOW_STOCK", "ORDER", ("WEBSOCKET",)),
    )
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipient:
    """An address named by the event itself; it wins over the user's own."""

    email: str | None = None
    phone: str | None = None
    name: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing to tell one person. `source`: what makes it unique; the same source is told once per template.

    `context`: JSON values for the template, names in snake_case; `secret`: a Fernet token around more of them.
    """

    template: str
    source: str
    event_id: str
    at: dt.datetime
    user_id: int | None
    recipient: Recipient | None = None
    context: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    order_id: int | None = None
    delivery_id: int | None = None
    url: str | None = None
    channels: tuple[Channel, ...] | None = None
    locale: Locale | None = None
    secret: str | None = None
    expires_at: dt.datetime | None = None

    @property
    def notification_id(self) -> str:
        """24 hex digits, the same for every repeat."""
        text = f"{self.source}:{self.template}:{self._whom}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def dispatch_id(self, channel: Channel) -> str:
        """Also the id under which a provider sees the message. Holds no address."""
        return f"{self.source}:{self.template}:{self._whom}:{channel}"

    @property
    def _whom(self) -> str:
        if self.user_id is not None:
            return str(self.user_id)
        recipient = self.recipient or Recipient()
        return hashlib.sha256(f"{recipient.email}:{recipient.phone}".encode()).hexdigest()[:16]


def source(dedupe_key: str) -> str:
    """A producer's key as part of an id that fits into a path."""
    if re.fullmatch(r"[A-Za-z0-9._:@-]{1,80}", dedupe_key):
        return dedupe_key
    return hashlib.sha256(dedupe_key.encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuietHours:
    """From `start` to `end` (times of day, may pass midnight) where the person lives."""

    start: str
    end: str
    timezone: str

    def until(self, at: dt.datetime) -> dt.datetime | None:
        """When the present quiet time ends; None outside of it."""
        zone = zoneinfo.ZoneInfo(self.timezone)
        local = at.astimezone(zone)
        start, end = dt.time.fromisoformat(self.start), dt.time.fromisoformat(self.end)
        now = local.time().replace(second=0, microsecond=0)
        inside = start <= now < end if start <= end else now >= start or now < end
        if not inside:
            return None
        day = local.date() if now < end else local.date() + dt.timedelta(days=1)
        return dt.datetime.combine(day, end, tzinfo=zone).astimezone(dt.UTC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preferences:
    """What a person chose; `choices` holds only what was said, the rest is the default."""

    locale: Locale | None = None
    quiet_hours: QuietHours | None = None
    choices: Mapping[str, Mapping[str, bool]] = dataclasses.field(default_factory=dict)

    def wants(self, category: Category, channel: Channel) -> bool:
        """ACCOUNT is always wanted; OFFERS starts off, all others on."""
        if category == "ACCOUNT":
            return True
        return self.choices.get(category, {}).get(channel, category != "OFFERS")

    def held_until(self, category: Category, channel: Channel, *, at: dt.datetime) -> dt.datetime | None:
        """Quiet hours hold back SMS of OFFERS and PAYMENT; the end of the wait, or None."""
        if self.quiet_hours is None or channel != "SMS" or category not in ("OFFERS", "PAYMENT"):
            return None
        return self.quiet_hours.until(at)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contact:
    """How a person is reached, as last heard at `at`."""

    user_id: int
    email: str | None
    email_verified: bool
    phone: str | None
    name: str
    locale: str | None
    role: str
    at: dt.datetime


def retry_at(now: dt.datetime, *, tries: int, jitter: float) -> dt.datetime | None:
    """When the next try is due after `tries` failed ones; None after the last. `jitter`: -1…1, for ±20 %."""
    if tries >= TRIES:
        return None
    return now + dt.timedelta(seconds=_WAITS[tries - 1] * (1 + 0.2 * jitter))


def masked(address: str) -> str:
    """Enough of an e-mail address or a number to recognise one's own."""
    name, at, domain = address.partition("@")
    return f"{name[:1]}…@{domain}" if at else f"…{address[-3:]}"


# GSM 03.38, basic set and (two septets each) its extension: what a short message carries at 160 characters.
_GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")


def sms_segments(text: str) -> int:
    """How many parts a short message needs: 160 or 153 septets, in other scripts 70 or 67 UTF-16 units."""
    if all(letter in _GSM or letter in _GSM_EXTENSION for letter in text):
        units, one, many = sum(2 if letter in _GSM_EXTENSION else 1 for letter in text), 160, 153
    else:
        units, one, many = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if units <= one else -(-units // many)


def sms_cut(text: str) -> str:
    """`text` shortened to two parts."""
    if sms_segments(text) <= 2:
        return text
    while sms_segments(text + "...") > 2:
        text = text[:-1]
    return text.rstrip() + "..."
