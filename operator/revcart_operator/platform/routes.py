"""The gateway's route table (gateway.md "Routes"). Not listed is 404, so nothing is open by accident.

The gateway gets it as `REVCART_GATEWAY_ROUTES`; services never import the operator. Longest prefix wins, a route with
methods beats one without. `*` is one segment, `**` any number, none included.
"""

import enum
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

KIB = 1024
MIB = 1024 * KIB


class Access(enum.StrEnum):
    OPEN = "open"  # no token needed, one that is sent is passed on unchecked
    OPTIONAL = "optional"  # none, or a valid one
    TOKEN = "token"
    ADMIN = "ADMIN"
    AGENT = "DELIVERY_AGENT"


@dataclass(frozen=True, kw_only=True)
class Route:
    """`seconds`: until the first byte of the answer; `idle_seconds`: for streams, until the next byte, 0 = no stream.

    `body` is the largest request body in bytes; 0 = none is expected.
    """

    path: str
    service: str
    access: Access
    limit: str = "default"
    methods: tuple[str, ...] = ()  # empty: all
    seconds: float = 5
    idle_seconds: float = 0
    body: int = 64 * KIB


def _auth() -> Iterable[Route]:
    for name in (
        "login",
        "signup",
        "forgot-password",
        "reset-password",
        "verify-email",
        "resend-verification",
        "google/exchange",
        "change-password",
        "change-email",
    ):
        yield Route(
            path=f"/api/auth/{name}",
            service="auth",
            access=Access.OPEN,
            limit="login",
            methods=("POST",),
            seconds=10,
        )
    yield Route(path="/api/auth/**", service="auth", access=Access.OPEN)


def _user() -> Iterable[Route]:
    yield Route(path="/api/users/export", service="user", access=Access.TOKEN, seconds=30)
    yield Route(path="/api/users/**", service="user", access=Access.TOKEN)


def _product() -> Iterable[Route]:
    yield Route(
        path="/api/products/search", service="product", access=Access.OPEN, limit="search", methods=("GET", "POST")
    )
    for prefix in ("/api/products", "/api/categories"):
        yield Route(path=f"{prefix}/**", service="product", access=Access.OPEN, limit="browse", methods=("GET",))
        yield Route(path=f"{prefix}/*/images/**", service="product", access=Access.ADMIN, seconds=10, body=5 * MIB)
        yield Route(path=f"{prefix}/**", service="product", access=Access.ADMIN, seconds=10, body=MIB)
    yield Route(
        path="/api/products/*/images/**", service="product", access=Access.OPEN, limit="browse", methods=("GET",)
    )


def _cart_and_order() -> Iterable[Route]:
    yield Route(path="/api/cart/**", service="cart", access=Access.OPTIONAL)
    for path in ("/api/orders", "/api/orders/checkout"):
        yield Route(path=path, service="order", access=Access.TOKEN, limit="checkout", methods=("POST",), seconds=10)
    yield Route(path="/api/orders/**", service="order", access=Access.TOKEN)
    yield Route(path="/api/slots/**", service="order", access=Access.OPEN, limit="browse", methods=("GET",))
    yield Route(
        path="/api/coupons/validate", service="order", access=Access.OPTIONAL, limit="search", methods=("POST",)
    )
    yield Route(path="/api/coupons/**", service="order", access=Access.TOKEN, methods=("GET",))
    for prefix in ("/api/slots", "/api/coupons"):
        yield Route(path=f"{prefix}/**", service="order", access=Access.ADMIN)


def _payment() -> Iterable[Route]:
    yield Route(
        path="/api/payments/webhook",
        service="payment",
        access=Access.OPEN,
        limit="webhook",
        methods=("POST",),
        body=256 * KIB,
    )
    for name in ("create", "create-order", "cod", "verify"):
        yield Route(
            path=f"/api/payments/{name}",
            service="payment",
            access=Access.TOKEN,
            limit="checkout",
            methods=("POST",),
            seconds=15,
        )
    yield Route(path="/api/payments/refund", service="payment", access=Access.TOKEN, methods=("POST",), seconds=15)
    yield Route(path="/api/payments/**", service="payment", access=Access.TOKEN)


def _delivery() -> Iterable[Route]:
    for path in ("/api/delivery/track/*", "/api/delivery/serviceability"):
        yield Route(path=path, service="delivery", access=Access.OPEN, limit="track", methods=("GET",), body=0)
    for method, name in (("PUT", "location"), ("POST", "locations")):
        yield Route(
            path=f"/api/delivery/agents/*/{name}",
            service="delivery",
            access=Access.AGENT,
            limit="ping",
            methods=(method,),
            seconds=3,
        )
    yield Route(path="/api/delivery/batches/**", service="delivery", access=Access.TOKEN, seconds=15)
    yield Route(path="/api/delivery/*/photos", service="delivery", access=Access.TOKEN, methods=("POST",), body=5 * MIB)
    yield Route(path="/api/delivery/**", service="delivery", access=Access.TOKEN)


def _notification() -> Iterable[Route]:
    yield Route(path="/api/notifications/push/public-key", service="notification", access=Access.OPEN, methods=("GET",))
    yield Route(path="/api/notifications/**", service="notification", access=Access.TOKEN)
    yield Route(
        path="/ws/**",
        service="notification",
        access=Access.OPEN,
        limit="realtime",
        idle_seconds=60,
        body=128 * KIB,
    )


def _back_office() -> Iterable[Route]:
    yield Route(path="/api/analytics/**", service="analytics", access=Access.ADMIN, limit="admin", seconds=10, body=0)
    for path, idle_seconds, body in (
        ("/api/admin/**", 0, MIB),
        ("/api/admin/products/*/images/**", 0, 5 * MIB),
        ("/api/admin/products/import", 0, 10 * MIB),
        ("/api/admin/products/export.csv", 60, 0),
        ("/api/admin/orders/export.csv", 60, 0),
        ("/api/admin/users/export.csv", 60, 0),
        ("/api/admin/audit.csv", 60, 0),
        ("/api/admin/logs", 60, 0),
    ):
        yield Route(
            path=path,
            service="admin",
            access=Access.ADMIN,
            limit="admin",
            seconds=15,
            idle_seconds=idle_seconds,
            body=body,
        )


def _documentation() -> Iterable[Route]:
    for path in ("/api/docs", "/api/docs/*", "/api/openapi.json"):
        yield Route(path=path, service="gateway", access=Access.OPEN, limit="browse", methods=("GET",), body=0)


ROUTES: tuple[Route, ...] = (
    *_auth(),
    *_user(),
    *_product(),
    *_cart_and_order(),
    *_payment(),
    *_delivery(),
    *_notification(),
    *_back_office(),
    *_documentation(),
)


def table() -> list[dict[str, Any]]:
    """`REVCART_GATEWAY_ROUTES`: one object per route, with the field names of `Route`."""
    return [asdict(route) for route in ROUTES]
