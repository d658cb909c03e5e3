"""Composition of user (8082): profiles, addresses, preferences."""

from fastapi import FastAPI

from revcart.kit import asgi, hub, settings, wiring
from revcart.user import api, api_admin, clients, demo, flow, handlers, internal, store, tables


class Settings(settings.Settings):
    """Settings of the user service."""

    service: str = "user"
    port: int = 8082


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    """The application."""
    wires = wiring.Wiring(settings=settings, hub=hub)
    ports = flow.Ports(
        clock=wires.clock,
        store=store.Store(wires.database(tables.metadata)),
        cache=wires.cache,
        accounts=clients.Accounts(wires.http),
    )
    has_demo = settings.demo_data and settings.environment == "development"
    return asgi.create(
        wires=wires,
        ports=ports,
        routers=[api.router, api_admin.router, internal.router],
        handlers=handlers.HANDLERS,
        on_start=demo.prepare if has_demo else None,
    )
