"""Puts analytics together."""

from fastapi import FastAPI

from revcart.analytics import api, calendar, flow, handlers, store
from revcart.kit import asgi, hub, settings, wiring


class Settings(settings.Settings):
    """`REVCART_ANALYTICS_…`."""

    service: str = "analytics"
    port: int = 8089
    analytics_round_seconds: float = 5


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    wires = wiring.Wiring(settings=settings, hub=hub)
    ports = flow.Ports(
        clock=wires.clock,
        calendar=calendar.Calendar(timezone=settings.timezone),
        store=store.Store(wires.documents()),
        bus=wires.bus,
    )
    return asgi.create(
        wires=wires,
        ports=ports,
        routers=[api.router, api.internal],
        handlers=handlers.HANDLERS,
        workers=[
            asgi.Worker(name="count", every=settings.analytics_round_seconds, run=flow.count),
            asgi.Worker(name="forget", every=3600, run=flow.forget),
        ],
    )
