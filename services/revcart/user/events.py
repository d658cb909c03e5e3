"""What the user service handles."""

from revcart.kit import events, schemas


class UserRegistered(events.Payload, topic="analytics-events", type="user.registered", key="user_id"):
    user_id: int
    email: str
    name: str
    phone: str | None
    role: str
    registered_at: schemas.Instant
