"""Paths of the original and of its siblings that clients still use, and what each becomes. Pure data.

`{name}` is one segment, `**` the rest. A query in `to` is put before the client's own and wins over it. Paths that the
services serve themselves under an older name are not here.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Alias:
    """`methods`: empty = all. `becomes`: the new method, if it changes.

    `body`: query parameters that make up the JSON body of a request without one. `session`: `{session}` is the guest
    cart's and goes into `X-Cart-Session`. `own`: `{uid}` must be the caller's id, else it does not exist; an ADMIN goes
    to `for_admin` instead, where there is one.
    """

    path: str
    to: str
    methods: tuple[str, ...] = ()
    becomes: str = ""
    body: tuple[str, ...] = ()
    session: bool = False
    own: bool = False
    for_admin: str = ""


GET: Final = ("GET",)
POST: Final = ("POST",)
PUT: Final = ("PUT",)
DELETE: Final = ("DELETE",)
UPDATE: Final = ("PUT", "PATCH", "POST")

ALIASES: Final = (
    # product
    Alias(methods=GET, path="/api/products/all", to="/api/products?size=100"),
    Alias(methods=GET, path="/api/products/filter", to="/api/products/search"),
    Alias(methods=GET, path="/api/search/filter", to="/api/products/search"),
    Alias(methods=GET, path="/api/search/trending", to="/api/products?sort=popularity,desc"),
    Alias(methods=GET, path="/api/recommendations/popular", to="/api/products?sort=popularity,desc"),
    # order
    Alias(
        methods=GET,
        path="/api/orders/user/{uid}",
        to="/api/orders/user",
        own=True,
        for_admin="/api/orders?userId={uid}",
    ),
    Alias(methods=GET, path="/api/orders/my-orders", to="/api/orders/user"),
    Alias(methods=GET, path="/api/orders/all", to="/api/orders"),
    Alias(methods=GET, path="/api/orders/admin", to="/api/orders"),
    Alias(methods=GET, path="/api/orders/recent", to="/api/orders?size=10&sort=createdAt,desc"),
    Alias(
        methods=GET,
        path="/api/coupons/validate",
        to="/api/coupons/validate",
        becomes="POST",
        body=("code", "orderAmount"),
    ),
    # payment
    Alias(methods=POST, path="/api/payments/create-order", to="/api/payments/create-order", body=("orderId",)),
    Alias(methods=GET, path="/api/payments/order/{id}", to="/api/payments/{id}"),
    # delivery
    Alias(path="/api/agents/**", to="/api/delivery/agents/**"),
    # cart
    Alias(methods=GET, path="/api/cart/{session}", to="/api/cart", session=True),
    Alias(methods=POST, path="/api/cart/{session}/add", to="/api/cart/add", session=True),
    Alias(methods=DELETE, path="/api/cart/{session}/clear", to="/api/cart/clear", session=True),
    Alias(methods=DELETE, path="/api/cart/item/{id}", to="/api/cart/remove/{id}"),
    Alias(methods=DELETE, path="/api/cart/items/{id}", to="/api/cart/remove/{id}"),
    Alias(methods=POST, path="/api/cart/items", to="/api/cart/add"),
    Alias(methods=PUT, path="/api/cart/items", to="/api/cart/update"),
    # auth
    Alias(methods=POST, path="/api/auth/register", to="/api/auth/signup"),
    Alias(methods=POST, path="/api/auth/send-verification-otp", to="/api/auth/resend-verification"),
    Alias(methods=POST, path="/api/auth/verify-otp", to="/api/auth/verify-email"),
    Alias(methods=GET, path="/api/auth/oauth2/google", to="/api/auth/google/start"),
    Alias(methods=GET, path="/oauth2/google", to="/api/auth/google/start"),
    Alias(methods=GET, path="/api/oauth2/authorization/google", to="/api/auth/google/start"),
    Alias(methods=GET, path="/api/auth/profile", to="/api/auth/me"),
    # user
    Alias(path="/api/profile", to="/api/users/profile"),
    Alias(methods=GET, path="/api/profile/addresses", to="/api/users/addresses"),
    Alias(methods=POST, path="/api/profile/addresses", to="/api/users/address"),
    Alias(path="/api/profile/addresses/**", to="/api/users/address/**"),
    Alias(methods=POST, path="/api/users/addresses", to="/api/users/address"),
    # notification
    Alias(methods=GET, path="/api/notifications/unread", to="/api/notifications?unread=true"),
    Alias(methods=GET, path="/api/notifications/count", to="/api/notifications/unread-count"),
    Alias(methods=UPDATE, becomes="PUT", path="/api/notifications/mark-all-read", to="/api/notifications/read-all"),
    Alias(methods=GET, path="/api/notifications/user", to="/api/notifications"),
    Alias(methods=GET, path="/api/notifications/user/{uid}", to="/api/notifications", own=True),
    Alias(methods=GET, path="/api/notifications/user/{uid}/unread", to="/api/notifications?unread=true", own=True),
    Alias(
        methods=UPDATE,
        becomes="PUT",
        path="/api/notifications/user/{uid}/read-all",
        to="/api/notifications/read-all",
        own=True,
    ),
)

# Where the original and its siblings kept their API documentation.
MOVED: Final = {"/swagger-ui.html": "/api/docs", "/api-docs": "/api/openapi.json"}

# Never served again: stock moves for order only, a refund needs a key of its own, and the rest was a mock.
CLOSED: Final = (
    ("POST", "/api/payments/{id}/refund"),
    ("", "/api/products/stock/reserve"),
    ("", "/api/products/stock/release"),
    ("", "/api/products/{id}/reduce-stock"),
    ("", "/api/products/reduce-stock"),
    ("", "/api/auth/test"),
)
