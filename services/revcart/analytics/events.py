"""The events analytics reads, each with only the fields it reads: no e-mail, phone, name or address gets in."""

from revcart.kit import events, schemas


class Line(events.Wire):
    product_id: int
    name: str
    category: str | None = None
    quantity: int
    line_paise: int


class Window(events.Wire):
    end_at: schemas.Instant


class OrderCreated(events.Payload, topic="order-events", type="order.created"):
    order_id: int
    order_number: str
    user_id: int
    payment_method: str
    lines: list[Line]
    discount_paise: int
    tax_paise: int
    delivery_fee_paise: int
    total_paise: int
    window: Window
    placed_at: schemas.Instant


class OrderStatusUpdated(events.Payload, topic="order-events", type="order.status.updated"):
    order_id: int
    order_number: str
    user_id: int
    to: str
    changed_at: schemas.Instant


class OrderCancelled(events.Payload, topic="order-events", type="order.cancelled"):
    order_id: int
    cancelled_at: schemas.Instant


class OrderExpired(events.Payload, topic="order-events", type="order.expired"):
    order_id: int
    expired_at: schemas.Instant


class PaymentCreated(events.Payload, topic="payment-events", type="payment.created"):
    payment_id: int
    order_id: int
    user_id: int
    method: str
    amount_paise: int
    created_at: schemas.Instant


class PaymentCompleted(events.Payload, topic="payment-events", type="payment.completed"):
    payment_id: int
    order_id: int
    user_id: int
    method: str
    amount_paise: int
    completed_at: schemas.Instant


class PaymentFailed(events.Payload, topic="payment-events", type="payment.failed"):
    payment_id: int
    order_id: int
    user_id: int
    method: str
    attempt: int
    failed_at: schemas.Instant


class PaymentRefunded(events.Payload, topic="payment-events", type="payment.refunded"):
    payment_id: int
    refund_id: int
    order_id: int
    user_id: int
    amount_paise: int
    refunded_at: schemas.Instant


class NotificationSent(events.Payload, topic="notification-events", type="notification.sent"):
    notification_id: str
    user_id: int | None = None
    channel: str
    sent_at: schemas.Instant


class NotificationFailed(events.Payload, topic="notification-events", type="notification.failed"):
    notification_id: str
    user_id: int | None = None
    channel: str
    permanent: bool
    failed_at: schemas.Instant


class ProductViewed(events.Payload, topic="analytics-events", type="product.viewed"):
    product_id: int
    user_id: int | None = None
    session_id: str | None = None
    viewed_at: schemas.Instant


class ProductSearched(events.Payload, topic="analytics-events", type="product.searched"):
    query: str
    page: int
    results: int
    user_id: int | None = None
    session_id: str | None = None
    searched_at: schemas.Instant


class CartUpdated(events.Payload, topic="analytics-events", type="cart.updated"):
    user_id: int | None = None
    session_id: str | None = None
    action: str
    product_id: int | None = None
    updated_at: schemas.Instant


class UserRegistered(events.Payload, topic="analytics-events", type="user.registered"):
    user_id: int
    role: str
    via: str
    registered_at: schemas.Instant


class DeliveryAssigned(events.Payload, topic="analytics-events", type="delivery.assigned"):
    delivery_id: int
    order_id: int
    user_id: int
    attempt: int
    assigned_at: schemas.Instant


class DeliveryStatusUpdated(events.Payload, topic="analytics-events", type="delivery.status.updated"):
    delivery_id: int
    order_id: int
    user_id: int
    to: str
    attempt: int
    changed_at: schemas.Instant


class StockLow(events.Payload, topic="analytics-events", type="stock.low"):
    product_id: int
    name: str
    category: str | None = None
    available: int
    threshold: int
    at: schemas.Instant
