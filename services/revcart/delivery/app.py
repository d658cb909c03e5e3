"""Composition of the delivery service."""

from cryptography.fernet import Fernet
from fastapi import FastAPI

from revcart.delivery import api, clients, demo, domain, fleet, handlers, offers, store
from revcart.delivery import ports as all_ports
from revcart.kit import asgi, hub, settings, wiring


class Settings(settings.Settings):
    """`REVCART_DELIVERY_…`. The shop is where everything starts; the key makes the customers' one-time codes."""

    service: str = "delivery"
    port: int = 8088
    delivery_otp_key: str = ""
    delivery_shop_address: str = "RevCart, 12 MG Road, Bengaluru 560001"
    delivery_shop_lat: float = 12.9716
    delivery_shop_lng: float = 77.5946
    delivery_radius_metres: int = 12_000
    delivery_postal_prefix: str = "560"
    delivery_detour_factor: float = 1.3
    delivery_dispatch_seconds: float = 15


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    """The delivery service. Raises ValueError without the keys that make and seal the customers' codes."""
    if len(settings.delivery_otp_key) < 16:
        raise ValueError("REVCART_DELIVERY_OTP_KEY needs 16 characters or more")
    wires = wiring.Wiring(settings=settings, hub=hub)
    ports = all_ports.Ports(
        clock=wires.clock,
        store=store.Store(wires.database(store.metadata)),
        orders=clients.Orders(wires.http),
        stream=wires.stream,
        shop=domain.Shop(
            point=domain.Point(settings.delivery_shop_lat, settings.delivery_shop_lng),
            address=settings.delivery_shop_address,
            radius_metres=settings.delivery_radius_metres,
            postal_prefix=settings.delivery_postal_prefix,
            detour=settings.delivery_detour_factor,
        ),
        otp_key=settings.delivery_otp_key.encode(),
        cipher=Fernet(settings.events_key),
        public_url=settings.public_url,
        timezone=settings.timezone,
        demo_data=settings.demo_data,
    )
    return asgi.create(
        wires=wires,
        ports=ports,
        routers=[api.agents, api.router, api.catch_all, api.internal],
        handlers=handlers.HANDLERS,
        workers=[
            asgi.Worker(name="dispatch", every=settings.delivery_dispatch_seconds, run=offers.dispatch),
            asgi.Worker(name="forget", every=3600, run=fleet.forget_positions),
        ],
        on_start=demo.prepare,
    )
