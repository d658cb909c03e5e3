"""Which flow hears which event."""

from revcart.cart import events, flow
from revcart.kit import events as kit_events

HANDLERS: kit_events.Handlers = {events.OrderCreated: flow.take_ordered}
