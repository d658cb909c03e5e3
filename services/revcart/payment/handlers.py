"""What payment does on other services' events."""

from revcart.kit import events
from revcart.payment import events as read
from revcart.payment import flow

HANDLERS: events.Handlers = {
    read.OrderCancelled: flow.order_cancelled,
    read.OrderExpired: flow.order_expired,
    read.DeliveryStatusUpdated: flow.delivery_moved,
}
