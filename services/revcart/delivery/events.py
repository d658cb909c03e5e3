"""What delivery publishes, and the fields it reads of what it hears."""

from typing import Any, Literal

from revcart.delivery import domain
from revcart.kit import events, schemas


class Actor(events.Wire):
    kind: Literal["USER", "ADMIN", "AGENT", "SYSTEM"]
    id: int | None = None


class DeliveryAssigned(
    events.Payload, topic="analytics-events", type="delivery.assigned", key="order_id", subject="delivery_id"
):
    delivery_id: int
    order_id: int
    user_id: int
    agent_id: int
    agent_user_id: int | None
    agent_name: str
    vehicle_type: str
    batch_id: int | None = None
    sequence: int | None = None
    attempt: int
    eta_at: schemas.Instant
    previous_agent_id: int | None = None
    assigned_at: schemas.Instant


class DeliveryStatusUpdated(
    events.Payload, topic="analytics-events", type="delivery.status.updated", key="order_id", subject="delivery_id"
):
    delivery_id: int
    order_id: int
    user_id: int
    agent_id: int | None
    from_: domain.Status | None
    to: domain.Status
    reason: str | None = None
    attempt: int
    eta_at: schemas.Instant | None = None
    proof: Literal["OTP", "PHOTO", "ADMIN"] | None = None
    cod_collected_paise: int | None = None
    actor: Actor
    changed_at: schemas.Instant


class DeliveryLocationUpdated(
    events.Payload, topic="analytics-events", type="delivery.location.updated", key="order_id", subject="delivery_id"
):
    """Sent straight to the bus: the next position makes up for a lost one."""

    delivery_id: int
    order_id: int
    user_id: int
    agent_id: int
    lat: float
    lng: float
    accuracy_metres: float | None
    heading: float | None
    speed_kmph: float | None
    eta_at: schemas.Instant
    remaining_metres: int
    recorded_at: schemas.Instant


class NotificationRequested(
    events.Payload, topic="notification-events", type="notification.requested", key=("user_id", "audience")
):
    """`secret`: a Fernet token around the JSON object `{"otp"}`: the only way a customer's code leaves this service."""

    template: str
    user_id: int | None = None
    recipient: None = None
    audience: Literal["ADMIN"] | None = None
    channels: list[str] | None = None
    locale: str | None = None
    data: dict[str, Any]
    secret: str | None = None
    dedupe_key: str
    expires_at: schemas.Instant | None = None


class Place(events.Wire):
    """Where an order goes."""

    name: str
    phone: str
    line1: str
    line2: str | None = None
    city: str
    state: str
    postal_code: str
    country: str = "IN"
    lat: float | None = None
    lng: float | None = None
    instructions: str | None = None


class Window(events.Wire):
    slot_id: int | None = None
    start_at: schemas.Instant
    end_at: schemas.Instant


class Wanted(events.Wire):
    """What a confirmed order asks of delivery."""

    place: Place
    window: Window
    cod_amount_paise: int
    item_count: int
    weight_grams: int


class OrderStatusUpdated(events.Payload, topic="order-events", type="order.status.updated"):
    order_id: int
    order_number: str
    user_id: int
    to: str
    changed_at: schemas.Instant
    delivery: Wanted | None = None


class OrderCancelled(events.Payload, topic="order-events", type="order.cancelled"):
    order_id: int
    order_number: str
    reason: str


class UserRegistered(events.Payload, topic="analytics-events", type="user.registered"):
    user_id: int
    email: str
    role: str
