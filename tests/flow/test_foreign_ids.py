"""What belongs to somebody else does not exist."""

from typing import Any

import pytest

from tests.shop import ADDRESS, Person, Shop, eventually

UNKNOWN = 9_007_199_254_740_000


async def answer(person: Person, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    """Status and problem, less what differs by nature."""
    request: dict[str, Any] = {} if body is None else {"json": body}
    got = await person.http.request(method, path, **request)
    problem = got.json()
    return got.status_code, {name: value for name, value in problem.items() if name not in {"instance", "requestId"}}


@pytest.mark.regression("R10")
async def test_r10_foreign_id_is_not_found(shop: Shop) -> None:
    async with shop.demo("CUSTOMER") as owner, shop.demo("ADMIN") as admin, shop.person() as stranger:
        await stranger.sign_up()
        address = await owner.call("POST", "/api/users/address", json=ADDRESS, status=201)
        await owner.call("DELETE", "/api/cart/clear")
        cards = await owner.get("/api/products", inStock=True)
        await owner.add_to_cart(cards["content"][0]["id"])
        order = await owner.place_order("COD")
        await owner.order_becomes(order["id"], "CONFIRMED")

        async def delivery_id() -> Any:
            found = await admin.http.get(f"/api/delivery/order/{order['id']}")
            return found.json()["id"] if found.is_success else None

        delivery = await eventually(delivery_id, what="the delivery")

        async def notification_id() -> Any:
            listed = await owner.get("/api/notifications")
            return listed["content"][0]["id"] if listed["content"] else None

        notification = await eventually(notification_id, what="a notification")
        theirs: list[tuple[str, str, Any, Any]] = [
            ("GET", "/api/orders/{}", order["id"], None),
            ("GET", "/api/orders/{}/history", order["id"], None),
            ("POST", "/api/orders/{}/cancel", order["id"], {"reason": "OTHER"}),
            ("GET", "/api/payments/{}", order["id"], None),
            ("GET", "/api/payments/{}/refunds", order["id"], None),
            ("GET", "/api/users/address/{}", address["id"], None),
            ("PUT", "/api/users/address/{}", address["id"], ADDRESS),
            ("DELETE", "/api/users/address/{}", address["id"], None),
            ("GET", "/api/delivery/track/{}", order["id"], None),
            ("GET", "/api/delivery/order/{}", order["id"], None),
            ("GET", "/api/delivery/{}", delivery, None),
            ("PUT", "/api/notifications/{}/read", notification, None),
        ]
        for method, path, theirs_id, body in theirs:
            unknown_id = "0" * 24 if isinstance(theirs_id, str) else UNKNOWN
            foreign = await answer(stranger, method, path.format(theirs_id), body)
            unknown = await answer(stranger, method, path.format(unknown_id), body)
            assert foreign == unknown, path
            assert (foreign[0], foreign[1]["code"]) == (404, "resource.not-found"), path
        assert (await owner.get(f"/api/orders/{order['id']}"))["status"] == "CONFIRMED"
        paid = {"orderId": order["id"]}
        assert (await answer(stranger, "POST", "/api/payments/create", paid))[0] == 404
