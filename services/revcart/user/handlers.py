"""Which flow hears which event."""

from revcart.kit import events as kit_events
from revcart.user import events, flow

HANDLERS: kit_events.Handlers = {events.UserRegistered: flow.remember_registered}
