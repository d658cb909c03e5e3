"""The events that notification reads, with only the fields it reads, and the two that it publishes."""

from typing import Any

from revcart.kit import events, schemas
from revcart.notification import domain


class OrderCreated(events.Payload, topic="order-events", type="order.created", key="order_id"):
    order_id: int
    order_number: str
    user_id: int
    status: str
    payment_method: str
    total_paise: int


class OrderStatusUpdated(events.Payload, topic="order-events", type="order.status.updated", key="order_id"):
    order_id: int
    order_number: str
    user_id: int
    from_: str | None
    to: str
    reason: str | None = None
    changed_at: schemas.Instant


class OrderCancelled(events.Payload, topic="order-events", type="order.cancelled", key="order_id"):
    order_id: int
    order_number: str
    user_id: int
    reason: str
    paid: bool
    refund_paise: int


class OrderExpired(events.Payload, topic="order-events", type="order.expired", key="order_id"):
    order_id: int
    order_number: str
    user_id: int
    total_paise: int


class PaymentCompleted(events.Payload, topic="payment-events", type="payment.completed", key="order_id"):
    order_id: int
    user_id: int
    method: str
    amount_paise: int
    late: bool = False


class PaymentFailed(events.Payload, topic="payment-events", type="payment.failed", key="order_id"):
    order_id: int
    user_id: int
    amount_paise: int
    retryable: bool


class PaymentRefunded(events.Payload, topic="payment-events", type="payment.refunded", key="order_id"):
    order_id: int
    user_id: int
    amount_paise: int
    full: bool


class DeliveryAssigned(events.Payload, topic="analytics-events", type="delivery.assigned", key="order_id"):
    delivery_id: int
    order_id: int
    user_id: int
    agent_user_id: int | None = None
    agent_name: str
    vehicle_type: str
    eta_at: schemas.Instant
    assigned_at: schemas.Instant


class DeliveryStatusUpdated(events.Payload, topic="analytics-events", type="delivery.status.updated", key="order_id"):
    delivery_id: int
    order_id: int
    user_id: int
    to: str
    reason: str | None = None
    eta_at: schemas.Instant | None = None


class DeliveryLocationUpdated(
    events.Payload, topic="analytics-events", type="delivery.location.updated", key="order_id"
):
    order_id: int
    lat: float
    lng: float
    heading: float | None = None
    eta_at: schemas.Instant | None
    remaining_metres: int | None
    recorded_at: schemas.Instant


class UserRegistered(events.Payload, topic="analytics-events", type="user.registered", key="user_id"):
    user_id: int
    email: str
    name: str
    phone: str | None = None
    role: str
    locale: str | None = None


class StockLow(events.Payload, topic="analytics-events", type="stock.low", key="product_id"):
    product_id: int
    name: str
    available: int
    threshold: int


class Recipient(events.Wire):
    email: str | None = None
    phone: str | None = None
    name: str | None = None


class NotificationRequested(
    events.Payload, topic="notification-events", type="notification.requested", key=("user_id", "audience")
):
    """`secret`: a Fernet token (key `REVCART_EVENTS_KEY`) around a JSON object of codes and links."""

    template: str
    user_id: int | None = None
    recipient: Recipient | None = None
    audience: str | None = None
    channels: list[str] | None = None
    locale: str | None = None
    data: dict[str, Any]
    secret: str | None = None
    dedupe_key: str
    expires_at: schemas.Instant | None = None


class NotificationSent(
    events.Payload,
    topic="notification-events",
    type="notification.sent",
    key=("user_id", "notification_id"),
    subject="notification_id",
):
    notification_id: str
    user_id: int | None
    template: str
    channel: domain.Channel
    provider: str
    provider_message_id: str | None
    tries: int
    source_event_id: str
    sent_at: schemas.Instant


class NotificationFailed(
    events.Payload,
    topic="notification-events",
    type="notification.failed",
    key=("user_id", "notification_id"),
    subject="notification_id",
):
    """`error` names what went wrong, never an address or a text."""

    notification_id: str
    user_id: int | None
    template: str
    channel: domain.Channel
    provider: str
    tries: int
    permanent: bool
    error: str
    source_event_id: str
    failed_at: schemas.Instant
