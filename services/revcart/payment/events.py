"""The wire shape of what payment publishes, and of what it reads of other services' events."""

from typing import Literal

from revcart.kit import events, schemas

PAYMENTS = "payment-events"


class PaymentCreated(events.Payload, topic=PAYMENTS, type="payment.created", key="order_id", subject="payment_id"):
    payment_id: int
    order_id: int
    user_id: int
    method: str
    amount_paise: int
    currency: str
    razorpay_order_id: str | None
    created_at: schemas.Instant


class PaymentCompleted(events.Payload, topic=PAYMENTS, type="payment.completed", key="order_id", subject="payment_id"):
    payment_id: int
    order_id: int
    user_id: int
    method: str
    instrument: str | None
    amount_paise: int
    currency: str
    razorpay_payment_id: str | None
    via: Literal["VERIFY", "WEBHOOK", "RECONCILE", "DELIVERY"]
    late: bool
    completed_at: schemas.Instant


class PaymentFailed(events.Payload, topic=PAYMENTS, type="payment.failed", key="order_id", subject="payment_id"):
    payment_id: int
    order_id: int
    user_id: int
    method: str
    amount_paise: int
    attempt: int
    code: str
    description: str
    retryable: bool
    failed_at: schemas.Instant


class PaymentRefunded(events.Payload, topic=PAYMENTS, type="payment.refunded", key="order_id", subject="payment_id"):
    payment_id: int
    refund_id: int
    order_id: int
    user_id: int
    amount_paise: int
    total_refunded_paise: int
    full: bool
    reason: str
    razorpay_refund_id: str | None
    refunded_at: schemas.Instant


class OrderCancelled(events.Payload, topic="order-events", type="order.cancelled", key="order_id"):
    order_id: int
    cancelled_at: schemas.Instant


class OrderExpired(events.Payload, topic="order-events", type="order.expired", key="order_id"):
    order_id: int
    expired_at: schemas.Instant


class DeliveryStatusUpdated(
    events.Payload, topic="analytics-events", type="delivery.status.updated", key="order_id", subject="delivery_id"
):
    delivery_id: int
    order_id: int
    to: str
    cod_collected_paise: int | None = None
    changed_at: schemas.Instant
