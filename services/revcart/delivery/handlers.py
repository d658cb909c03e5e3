"""Which flow hears which event."""

from revcart.delivery import events, flow
from revcart.kit import events as bus_events

HANDLERS: bus_events.Handlers = {
    events.OrderStatusUpdated: flow.on_order_status,
    events.OrderCancelled: flow.on_order_cancelled,
    events.UserRegistered: flow.on_user_registered,
}
