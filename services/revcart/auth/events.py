"""What auth publishes, all of it through the outbox."""

from typing import Any

from revcart.auth import domain
from revcart.kit import events, schemas


class UserRegistered(events.Payload, topic="analytics-events", type="user.registered", key="user_id"):
    user_id: int
    email: str
    name: str
    phone: str | None
    role: domain.Role
    via: domain.Via
    locale: str | None = None
    registered_at: schemas.Instant


class Recipient(events.Wire):
    email: str | None
    phone: str | None = None
    name: str | None = None


class NotificationRequested(events.Payload, topic="notification-events", type="notification.requested", key="user_id"):
    """`secret`: a Fernet token (key `REVCART_EVENTS_KEY`) around a JSON object, `{"otp"}` or `{"link"}`: the only
    place where a code or link leaves this service. `recipient.email` wins over the user's own address."""

    template: str
    user_id: int
    recipient: Recipient | None = None
    audience: str | None = None
    channels: list[str] | None = None
    locale: str | None = None
    data: dict[str, Any]
    secret: str | None = None
    dedupe_key: str
    expires_at: schemas.Instant | None = None


def registered(account: domain.Account, *, via: domain.Via) -> UserRegistered:
    return UserRegistered(
        user_id=account.id,
        email=account.email,
        name=account.name,
        phone=account.phone,
        role=account.role,
        via=via,
        registered_at=account.created_at,
    )
