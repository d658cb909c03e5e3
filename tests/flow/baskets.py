"""The world of the cart tests: cart and product on one hub, and a stand-in for order that knows one coupon."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import httpx2

from revcart.cart import app as cart_app
from revcart.kit import errors, problems, registry, testing
from tests.flow import groceries

COUPON = {
    "couponId": 1,
    "code": "TEN",
    "description": "Ten percent off",
    "discountType": "PERCENTAGE",
    "discountValue": 1_000,
    "minOrderPaise": 10_000,
    "maxDiscountPaise": None,
    "discountPaise": 1_800,
}


class CouponUnknown(errors.Unprocessable):
    code, title = "coupon.unknown", "There is no such coupon"


@dataclasses.dataclass
class Baskets:
    """Clients of cart: `cart` for everybody, with headers that say who calls."""

    shop: groceries.Groceries
    cart: httpx2.AsyncClient

    def user(self, user_id: int = 7) -> dict[str, str]:
        return self.shop.identity.headers(user_id=user_id)

    async def get(self, headers: dict[str, str]) -> dict[str, Any]:
        """The Cart of whoever these headers name."""
        answer = await self.cart.get("/api/cart", headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def add(self, headers: dict[str, str], product_id: int, quantity: int = 1, **fields: Any) -> httpx2.Response:
        body = {"productId": product_id, "quantity": quantity, **fields}
        return await self.cart.post("/api/cart/add", json=body, headers=headers)

    async def guest(self, product_id: int, quantity: int = 1) -> dict[str, str]:
        """A guest with something in the cart; the headers that name the session."""
        answer = await self.add({}, product_id, quantity)
        assert answer.status_code == 200, answer.text
        return {"X-Cart-Session": answer.headers["x-cart-session"]}

    async def merge(self, user: dict[str, str], guest: dict[str, str]) -> dict[str, Any]:
        answer = await self.cart.post("/api/cart/merge", headers={**user, **guest})
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def lose_product(self) -> None:
        """Product is away from now on."""
        for instance in list(self.shop.hub.registry.instances("product")):
            await self.shop.hub.registry.deregister(instance)


def quantities(cart: dict[str, Any]) -> dict[int, int]:
    """Product id -> quantity."""
    return {line["productId"]: line["quantity"] for line in cart["lines"]}


def _order() -> fastapi.FastAPI:
    app = fastapi.FastAPI()
    problems.install(app)

    @app.post("/internal/coupons/check")
    async def check(body: dict[str, Any]) -> dict[str, Any]:
        if body["code"].upper() != COUPON["code"]:
            raise CouponUnknown
        return {**COUPON, "validUntil": "2099-01-01T00:00:00.000Z"}

    return app


@contextlib.asynccontextmanager
async def opened(**values: Any) -> AsyncIterator[Baskets]:
    """Both services running; `values` are settings of cart."""
    async with groceries.opened() as shop:
        app = cart_app.create_app(testing.settings(cart_app.Settings, **values), hub=shop.hub)
        stand_in = registry.Instance(service="order", id="order-1", address="asgi://order", app=_order())
        await shop.hub.registry.register(stand_in)
        async with testing.serving(app) as client:
            yield Baskets(shop=shop, cart=client)
