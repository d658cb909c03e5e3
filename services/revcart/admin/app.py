"""Puts admin together."""

from fastapi import FastAPI

from revcart.admin import api, clients, flow, monitoring, owned, store
from revcart.kit import asgi, hub, settings, wiring


class Settings(settings.Settings):
    """Admin has no settings of its own."""

    service: str = "admin"
    port: int = 8090


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    wires = wiring.Wiring(settings=settings, hub=hub)
    ports = flow.Ports(
        clock=wires.clock,
        store=store.Store(wires.database(store.metadata)),
        owners=clients.Owners(wires.http),
        monitor=monitoring.Monitor(registry=wires.registry, clock=wires.clock),
    )
    return asgi.create(wires=wires, ports=ports, routers=[api.router, owned.router], on_start=flow.prepare)
