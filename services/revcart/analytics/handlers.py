"""Which flow hears which event."""

from revcart.analytics import events, ingest
from revcart.kit import events as kit_events

HANDLERS: kit_events.Handlers = {
    events.OrderCreated: ingest.order_created,
    events.OrderStatusUpdated: ingest.order_status_updated,
    events.OrderCancelled: ingest.order_cancelled,
    events.OrderExpired: ingest.order_expired,
    events.PaymentCreated: ingest.payment_created,
    events.PaymentCompleted: ingest.payment_completed,
    events.PaymentFailed: ingest.payment_failed,
    events.PaymentRefunded: ingest.payment_refunded,
    events.NotificationSent: ingest.notification_sent,
    events.NotificationFailed: ingest.notification_failed,
    events.ProductViewed: ingest.product_viewed,
    events.ProductSearched: ingest.product_searched,
    events.CartUpdated: ingest.cart_updated,
    events.UserRegistered: ingest.user_registered,
    events.DeliveryAssigned: ingest.delivery_assigned,
    events.DeliveryStatusUpdated: ingest.delivery_status_updated,
    events.StockLow: ingest.stock_low,
}
