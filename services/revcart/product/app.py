"""Composition of the product service (port 8083)."""

from fastapi import FastAPI

from revcart.kit import asgi, hub, settings, wiring
from revcart.product import (
    api,
    catalogue,
    counting,
    engine,
    flow,
    handlers,
    internal,
    management,
    shelf,
    stock,
    store,
    tables,
)


class Settings(settings.Settings):
    """Settings of product."""

    service: str = "product"
    port: int = 8083
    product_sweep_seconds: float = 15  # between two looks for lapsed holds
    product_popularity_seconds: float = 3600  # between two counts of what sells


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    """The application of product."""
    wires = wiring.Wiring(settings=settings, hub=hub)
    shop = store.Store(wires.database(tables.metadata))
    ports = flow.Ports(
        clock=wires.clock,
        store=shop,
        shelf=shelf.Shelf(wires.cache),
        search=engine.Memory(shop),
        stream=wires.stream,
        demo=settings.demo_data,
    )
    return asgi.create(
        wires=wires,
        ports=ports,
        # management first: its fixed paths would else be taken for an id
        routers=[management.router, management.categories, api.router, api.categories, internal.router],
        handlers=handlers.HANDLERS,
        workers=[
            asgi.Worker(name="expire-reservations", every=settings.product_sweep_seconds, run=stock.expire_lapsed),
            asgi.Worker(name="count-sold", every=settings.product_popularity_seconds, run=counting.count_sold),
            asgi.Worker(name="paint-demo", every=settings.product_popularity_seconds, run=catalogue.paint_demo),
        ],
        on_start=catalogue.prepare,
    )
