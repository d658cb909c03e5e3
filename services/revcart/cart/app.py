"""Composition of the cart service (port 8084)."""

import pydantic
from fastapi import FastAPI

from revcart.cart import api, clients, flow, handlers, internal, store
from revcart.kit import asgi, hub, pricing, settings, wiring


class Settings(settings.Settings):
    """Settings of cart."""

    service: str = "cart"
    port: int = 8084
    cart_seconds: int = pydantic.Field(default=86_400, ge=1)  # how long a cart lives after its last write


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    """The application of cart."""
    wires = wiring.Wiring(settings=settings, hub=hub)
    ports = flow.Ports(
        clock=wires.clock,
        carts=store.Store(wires.cache, clock=wires.clock, seconds=settings.cart_seconds),
        products=clients.Products(wires.http),
        coupons=clients.Coupons(wires.http),
        stream=wires.stream,
        rules=pricing.Rules.of(settings),
    )
    return asgi.create(
        wires=wires,
        ports=ports,
        routers=[api.router, internal.router],
        handlers=handlers.HANDLERS,
    )
