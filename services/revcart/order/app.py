"""The order service, put together."""

from fastapi import FastAPI

from revcart.kit import asgi, hub, pricing, settings, wiring
from revcart.order import api, api_offers, clients, demo, expiry, handlers, internal, offers, ports, store


class Settings(settings.Settings):
    service: str = "order"
    port: int = 8085
    order_unpaid_seconds: int = 900
    order_sweep_seconds: float = 15
    order_cod_limit_paise: int = 500_000
    order_cancel_cutoff_minutes: int = 60
    order_slot_template: str = "07:00-09:00,09:00-11:00,17:00-19:00,19:00-21:00;capacity=20;cutoff=60"
    order_express_minutes: int = 45
    order_seller_name: str = "RevCart"
    order_seller_gstin: str = ""


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    """The application; `hub` when it shares its process with other services."""
    wires = wiring.Wiring(settings=settings, hub=hub)
    every = asgi.Worker
    return asgi.create(
        wires=wires,
        ports=ports.Ports(
            clock=wires.clock,
            store=store.Store(wires.database(store.metadata)),
            rules=pricing.Rules.of(settings),
            config=settings,
            carts=clients.Carts(wires.http),
            users=clients.Users(wires.http),
            deliveries=clients.Deliveries(wires.http),
            stock=clients.Stock(wires.http),
            payments=clients.Payments(wires.http),
        ),
        routers=[api.router, api_offers.coupon_router, api_offers.slot_router, internal.router],
        handlers=handlers.HANDLERS,
        workers=[
            every(name="expire-unpaid", every=settings.order_sweep_seconds, run=expiry.expire_unpaid),
            every(name="begin-cod-again", every=30, run=expiry.begin_cod_again),
            every(name="offer-slots", every=3_600, run=offers.offer_slots),
        ],
        on_start=demo.prepare,
    )
