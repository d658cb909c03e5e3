"""Composition of the notification service; the only place its ports are made."""

import pydantic
from cryptography import fernet
from fastapi import FastAPI

from revcart.kit import asgi, hub, sessions, settings, wiring
from revcart.notification import (
    access,
    api,
    api_admin,
    clients,
    dispatching,
    flow,
    handlers,
    internal,
    realtime,
    rendering,
    sinks,
    store,
    ws,
)
from revcart.stomp import broker


class Settings(settings.Settings):
    """`…_url`: see `sinks`. `…_seconds`: pauses of the workers."""

    service: str = "notification"
    port: int = 8087
    notification_email_url: str = "mailbox://"
    notification_email_from: str = "RevCart <no-reply@revcart.invalid>"
    notification_email_reply_to: str = ""
    notification_sms_url: str = "mailbox://"
    notification_sms_sender: str = "RevCart"
    notification_dispatch_seconds: float = pydantic.Field(default=1, gt=0)
    notification_relay_seconds: float = pydantic.Field(default=1, gt=0)
    notification_sweep_seconds: float = pydantic.Field(default=600, gt=0)
    notification_session_check_seconds: float = pydantic.Field(default=30, gt=0)


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    """Raises ValueError, with a sentence, for a sink URL that does not exist or a key that is none."""
    wires = wiring.Wiring(settings=settings, hub=hub)
    documents = store.Store(wires.documents())
    sessions_here = _broker(wires)
    production = settings.environment == "production"
    ports = flow.Ports(
        clock=wires.clock,
        store=documents,
        bus=wires.bus,
        users=clients.Users(wires.http, wires.clock),
        orders=clients.Orders(wires.http),
        renderer=rendering.Renderer(timezone=settings.timezone, storefront_url=settings.storefront_url),
        secrets=_secrets(settings.events_key),
        sinks={
            "EMAIL": sinks.connect(
                settings.notification_email_url, channel="EMAIL", store=documents, production=production
            ),
            "SMS": sinks.connect(settings.notification_sms_url, channel="SMS", store=documents, production=production),
        },
        broker=sessions_here,
        realtime=realtime.Realtime(cache=wires.cache, broker=sessions_here, metrics=wires.metrics),
        verifier=wires.verifier,
        revocations=sessions.Revocations(wires.cache, metrics=wires.metrics),
        timezone=settings.timezone,
        email_from=settings.notification_email_from,
        email_reply_to=settings.notification_email_reply_to,
        sms_sender=settings.notification_sms_sender,
    )
    return asgi.create(
        wires=wires,
        ports=ports,
        routers=[api.router, api_admin.router, internal.router, ws.router],
        handlers=handlers.HANDLERS,
        workers=[
            asgi.Worker(name="realtime", every=1, run=flow.listen),
            asgi.Worker(name="dispatch", every=settings.notification_dispatch_seconds, run=dispatching.send_due),
            asgi.Worker(name="relay", every=settings.notification_relay_seconds, run=flow.relay),
            asgi.Worker(name="sweep", every=settings.notification_sweep_seconds, run=flow.sweep),
            asgi.Worker(name="revoked", every=settings.notification_session_check_seconds, run=access.end_revoked),
        ],
    )


def _secrets(key: str) -> fernet.MultiFernet:
    try:
        return fernet.MultiFernet([fernet.Fernet(key)])
    except ValueError as error:
        raise ValueError("REVCART_EVENTS_KEY has to be a Fernet key: 32 bytes in base64url") from error


def _broker(wires: wiring.Wiring) -> broker.Broker:
    dropped = wires.metrics.counter("revcart_realtime_dropped_total", "Messages not sent to a session", ("reason",))
    made = broker.Broker(dropped=lambda reason: dropped.labels(reason).inc())
    sessions_gauge = wires.metrics.gauge("revcart_realtime_sessions", "Open connections", ("transport",))
    sessions_gauge.labels("websocket").set_function(lambda: made.session_count)
    wires.metrics.gauge("revcart_realtime_subscriptions", "Open subscriptions").set_function(
        lambda: made.subscription_count
    )
    return made
