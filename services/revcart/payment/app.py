"""Composition of payment."""

from typing import Self

import pydantic
from fastapi import FastAPI

from revcart.kit import asgi, hub, settings, wiring
from revcart.payment import api, clients, flow, handlers, internal, razorpay, reconciler, store
from revcart.payment import ports as all_ports

_RAZORPAY = "https://api.razorpay.com"


class Settings(settings.Settings):
    """`payment_webhook_secrets`: newest first, older ones while Razorpay still repeats events signed with them.

    `payment_checkout_script`: what a browser loads to pay; empty: Razorpay's own, or the one beside
    `payment_razorpay_url`. Without `payment_key_secret` there is cash on delivery only.
    """

    service: str = "payment"
    port: int = 8086
    database_url: str = "sqlite+aiosqlite:///payments.db"
    payment_razorpay_url: str = "http://localhost:8091"
    payment_razorpay_seconds: float = 2.5
    payment_key_id: str = "rzp_test_revcart"
    payment_key_secret: str = ""
    payment_webhook_secrets: list[str] = []
    payment_checkout_script: str = ""
    payment_reconcile_seconds: float = 30

    @pydantic.model_validator(mode="after")
    def _production_has_secrets(self) -> Self:
        if self.environment == "production" and not (
            self.payment_key_secret and _all_given(self.payment_webhook_secrets)
        ):
            raise ValueError("REVCART_PAYMENT_KEY_SECRET and REVCART_PAYMENT_WEBHOOK_SECRETS are needed in production")
        return self

    @property
    def checkout_script(self) -> str:
        home = "https://checkout.razorpay.com" if self.payment_razorpay_url == _RAZORPAY else self.payment_razorpay_url
        return self.payment_checkout_script or f"{home.rstrip('/')}/v1/checkout.js"


def _all_given(secrets: list[str]) -> bool:
    return bool(secrets) and all(secrets)


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    wires = wiring.Wiring(settings=settings, hub=hub)
    ports = flow.Ports(
        clock=wires.clock,
        store=store.Store(wires.database(store.metadata)),
        orders=clients.Orders(wires.http),
        razorpay=razorpay.Razorpay(
            url=settings.payment_razorpay_url,
            key_id=settings.payment_key_id,
            key_secret=settings.payment_key_secret,
            seconds=settings.payment_razorpay_seconds,
            clock=wires.clock,
            metrics=wires.metrics,
        ),
        watch=all_ports.Watch(wires.metrics),
        key_secret=settings.payment_key_secret,
        webhook_secrets=tuple(settings.payment_webhook_secrets),
        checkout_script=settings.checkout_script,
    )
    return asgi.create(
        wires=wires,
        ports=ports,
        routers=[api.router, internal.router],
        handlers=handlers.HANDLERS,
        workers=[asgi.Worker(name="reconcile", every=settings.payment_reconcile_seconds, run=reconciler.run)],
    )
