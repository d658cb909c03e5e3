"""The cart: it lives on the server, takes its prices from product, and joins a guest's with the user's."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from revcart.cart import events
from tests.flow import baskets, groceries


class _Ordered(events.OrderCreated):
    """The event as order sends it: product reads it too."""

    reservation_id: int


@pytest.fixture
async def world() -> AsyncIterator[baskets.Baskets]:
    async with baskets.opened() as opened:
        yield opened


@pytest.mark.regression("R20")
async def test_r20_cart_lives_on_the_server(world: baskets.Baskets) -> None:
    milk, curd = [(await world.shop.add(name))["id"] for name in ("Milk", "Curd")]
    user = world.user()
    await world.add(user, milk, 2)
    async with httpx2.AsyncClient(transport=world.cart._transport, base_url="http://test") as other_browser:
        shown = (await other_browser.get("/api/cart", headers=world.user())).json()
    assert baskets.quantities(shown) == {milk: 2}
    assert baskets.quantities(await world.get(world.user(user_id=8))) == {}

    guest = await world.guest(curd)
    await world.add(guest, milk, 1)
    assert baskets.quantities(await world.get(user)) == {milk: 2}
    merged = await world.merge(user, guest)
    assert baskets.quantities(merged) == {milk: 3, curd: 1}
    assert baskets.quantities(await world.get(world.user())) == {milk: 3, curd: 1}
    assert baskets.quantities(await world.get(guest)) == {}


@pytest.mark.regression("R24")
async def test_r24_price_comes_from_product(world: baskets.Baskets) -> None:
    made = await world.shop.add("Milk", price=45.5)
    milk, user = made["id"], world.user()
    cheap = {"price": 1, "unitPrice": 1, "priceWhenAdded": 1, "productName": "Free", "userId": 8}
    cart = (await world.add(user, milk, 2, **cheap)).json()
    line = cart["lines"][0]
    assert (line["price"], line["priceWhenAdded"], line["productName"], line["lineTotal"]) == (45.5, 45.5, "Milk", 91)
    assert (cart["subtotal"], cart["tax"], cart["deliveryFee"], cart["total"]) == (91, 16.38, 30, 137.38)
    body = {"productId": milk, "quantity": 3, "price": 1}
    updated = await world.cart.put("/api/cart/update", json=body, headers=user)
    assert updated.json()["subtotal"] == 136.5

    change = {"sku": made["sku"], "name": "Milk", "category": "dairy", "price": 50}
    headers = {**world.shop.admin, "If-Match": f'"{made["version"]}"'}
    assert (await world.shop.client.put(f"/api/products/{milk}", json=change, headers=headers)).status_code == 200
    cart = await world.get(user)
    assert (cart["subtotal"], cart["lines"][0]["price"], cart["lines"][0]["priceWhenAdded"]) == (150, 50, 45.5)
    assert cart["changes"] == [{"productId": milk, "kind": "PRICE_UP", "from": 45.5, "to": 50}]
    order = world.shop.identity.service_headers("order", callee="cart")
    internal = (await world.cart.get("/internal/carts/7", headers=order)).json()
    assert internal["lines"] == [{"productId": milk, "quantity": 3, "substitution": "REFUND_ITEM"}]


async def test_reading_writes_nothing_and_needs_no_cart(world: baskets.Baskets) -> None:
    cart = await world.get({})
    assert (cart["lines"], cart["total"], cart["version"], cart["session"]) == ([], 0, 0, None)
    unused = {"X-Cart-Session": "gs_" + "x" * 32}
    assert (await world.get(unused))["version"] == 0
    assert (await world.cart.get("/api/cart/count", headers=unused)).json() == {"lineCount": 0, "quantity": 0}


async def test_a_guest_gets_a_session_at_the_first_write(world: baskets.Baskets) -> None:
    milk = (await world.shop.add("Milk"))["id"]
    answer = await world.add({}, milk)
    session = answer.headers["x-cart-session"]
    assert (session[:3], len(session), answer.json()["session"]) == ("gs_", 35, session)
    again = await world.add({"X-Cart-Session": session}, milk, 2)
    assert again.headers["x-cart-session"] == session
    assert baskets.quantities(again.json()) == {milk: 3}
    assert again.json()["version"] == 2
    for malformed in ("gs_short", "x" * 35, "gs_" + "!" * 32):
        answer = await world.cart.get("/api/cart", headers={"X-Cart-Session": malformed})
        assert answer.status_code == 400


async def test_a_token_wins_over_a_session(world: baskets.Baskets) -> None:
    milk = (await world.shop.add("Milk"))["id"]
    guest = await world.guest(milk)
    assert baskets.quantities(await world.get({**world.user(), **guest})) == {}
    assert (await world.cart.get("/api/cart", headers={**guest, "Authorization": "Bearer x"})).status_code == 401


@pytest.mark.parametrize(
    ("stock", "most", "quantity", "status", "code", "members"),
    [
        (3, 20, 4, 409, "stock.insufficient", {"available": 3}),
        (50, 5, 6, 422, "cart.quantity-limit", {"max": 5}),
        (0, 20, 1, 409, "stock.insufficient", {"available": 0}),
    ],
)
async def test_limits_refuse_and_change_nothing(
    world: baskets.Baskets, stock: int, most: int, quantity: int, status: int, code: str, members: dict[str, int]
) -> None:
    milk = (await world.shop.add("Milk", stock=stock, maxPerOrder=most))["id"]
    user = world.user()
    answer = await world.add(user, milk, quantity)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json() | members == answer.json()
    assert (await world.get(user))["version"] == 0
    if stock:
        assert (await world.add(user, milk, quantity - 1)).status_code == 200
        assert (await world.add(user, milk, 1)).status_code == status
        body = {"productId": milk, "quantity": quantity}
        answer = await world.cart.put("/api/cart/update", json=body, headers=user)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert baskets.quantities(await world.get(user)) == {milk: quantity - 1}


async def test_what_is_not_sold_cannot_be_added(world: baskets.Baskets) -> None:
    old = (await world.shop.add("Old Milk", active=False))["id"]
    for number in (old, 999):
        answer = await world.add(world.user(), number)
        assert (answer.status_code, answer.json()["code"]) == (409, "product.unavailable")


@pytest.mark.parametrize(
    "body", [{"productId": "1"}, {"productId": 1, "quantity": 0}, {"productId": 1, "quantity": 21}]
)
async def test_what_cannot_be_read_is_refused(world: baskets.Baskets, body: dict[str, Any]) -> None:
    assert (await world.cart.post("/api/cart/add", json=body, headers=world.user())).status_code == 400


async def test_lines_are_set_removed_and_cleared(world: baskets.Baskets) -> None:
    milk, curd = [(await world.shop.add(name))["id"] for name in ("Milk", "Curd")]
    user = world.user()
    body = {"productId": milk, "quantity": 2}
    assert (await world.cart.put("/api/cart/update", json=body, headers=user)).status_code == 404
    await world.add(user, milk, 5, substitution="CONTACT_ME")
    await world.add(user, curd)
    cart = (await world.cart.put("/api/cart/update", json=body, headers=user)).json()
    assert baskets.quantities(cart) == {milk: 2, curd: 1}
    assert cart["lines"][0]["substitution"] == "CONTACT_ME"
    cart = (await world.cart.put("/api/cart/update", json={"productId": milk, "quantity": 0}, headers=user)).json()
    assert baskets.quantities(cart) == {curd: 1}
    for _ in range(2):
        answer = await world.cart.delete(f"/api/cart/remove/{curd}", headers=user)
        assert (answer.status_code, answer.json()["lines"]) == (200, [])
    await world.add(user, milk)
    cart = (await world.cart.delete("/api/cart/clear", headers=user)).json()
    assert (cart["lines"], cart["total"]) == ([], 0)
    actions = [event.data["action"] for event in await world.shop.recorder.wait("cart.updated", count=7)]
    assert actions == ["ADD", "ADD", "UPDATE", "REMOVE", "REMOVE", "ADD", "CLEAR"]


async def test_a_coupon_is_priced_anew_at_each_read(world: baskets.Baskets) -> None:
    milk = (await world.shop.add("Milk", price=60))["id"]
    user = world.user()
    await world.add(user, milk, 3)
    answer = await world.cart.post("/api/cart/coupon", json={"code": "NONE"}, headers=user)
    assert (answer.status_code, answer.json()["code"]) == (422, "coupon.unknown")
    cart = (await world.cart.post("/api/cart/coupon", json={"code": "ten"}, headers=user)).json()
    assert (cart["subtotal"], cart["discount"], cart["tax"], cart["deliveryFee"]) == (180, 18, 29.16, 30)
    assert cart["total"] == 221.16
    assert (await world.cart.get("/api/cart/total", headers=user)).json()["total"] == 221.16
    await world.cart.put("/api/cart/update", json={"productId": milk, "quantity": 1}, headers=user)
    cart = await world.get(user)
    assert (cart["discount"], cart["coupon"]["valid"]) == (0, False)
    assert cart["coupon"]["message"] == "Add ₹40.00 to use TEN."
    checked = (await world.cart.post("/api/cart/validate", headers=user)).json()
    assert checked == {
        "valid": False,
        "changes": [{"productId": None, "kind": "COUPON_DROPPED", "from": None, "to": None}],
    }
    assert (await world.cart.delete("/api/cart/coupon", headers=user)).json()["coupon"] is None
    assert (await world.cart.post("/api/cart/validate", headers=user)).json() == {"valid": True, "changes": []}


async def test_a_merge_is_capped_reported_and_safe_to_repeat(world: baskets.Baskets) -> None:
    milk, curd, gone = [(await world.shop.add(name, stock=12))["id"] for name in ("Milk", "Curd", "Gone")]
    user = world.user()
    await world.add(user, milk, 8, substitution="SUBSTITUTE")
    guest = await world.guest(milk, 7)
    await world.add(guest, curd, 2)
    await world.add(guest, gone)
    await world.shop.client.patch(f"/api/products/{gone}/status", json={"active": False}, headers=world.shop.admin)
    merged = await world.merge(user, guest)
    assert baskets.quantities(merged) == {milk: 12, curd: 2}
    assert merged["lines"][0]["substitution"] == "SUBSTITUTE"
    assert merged["changes"] == [
        {"productId": milk, "kind": "CAPPED", "from": 15, "to": 12},
        {"productId": gone, "kind": "UNAVAILABLE", "from": None, "to": None},
    ]
    again = await world.merge(user, guest)
    assert (baskets.quantities(again), again["changes"]) == ({milk: 12, curd: 2}, [])
    await world.add(guest, curd, 1)  # the session was merged: what comes later under it stays a guest's
    assert baskets.quantities(await world.merge(user, guest)) == {milk: 12, curd: 2}
    assert (await world.cart.post("/api/cart/merge", headers=guest)).status_code == 401
    assert (await world.cart.post("/api/cart/merge", headers=user)).status_code == 400


async def test_a_checkout_shows_what_would_stop_it(world: baskets.Baskets) -> None:
    milk = (await world.shop.add("Milk", stock=5))["id"]
    user = world.user()
    assert (await world.cart.post("/api/cart/validate", headers=user)).json() == {"valid": False, "changes": []}
    await world.add(user, milk, 4)
    await world.shop.reserve((milk, 3), reference="somebody")
    checked = (await world.cart.post("/api/cart/validate", headers=user)).json()
    assert checked == {"valid": False, "changes": [{"productId": milk, "kind": "CAPPED", "from": 4, "to": 2}]}
    assert (await world.get(user))["lines"][0]["problem"] == "INSUFFICIENT_STOCK"


async def test_what_was_ordered_leaves_and_what_came_later_stays(world: baskets.Baskets) -> None:
    milk, curd = [(await world.shop.add(name, price=100))["id"] for name in ("Milk", "Curd")]
    user = world.user()
    await world.add(user, milk, 2)
    await world.add(user, curd, 1)
    await world.cart.post("/api/cart/coupon", json={"code": "TEN"}, headers=user)
    await world.add(user, milk, 3)
    lines = [events.OrderedLine(product_id=milk, quantity=2), events.OrderedLine(product_id=curd, quantity=1)]
    await world.shop.hear(_Ordered(order_id=1, user_id=7, lines=lines, coupon_code="TEN", reservation_id=1))

    async def is_taken() -> bool:
        return baskets.quantities(await world.get(user)) == {milk: 3}

    await groceries.until(is_taken)
    assert (await world.get(user))["coupon"] is None


async def test_without_product_the_cart_is_shown_stale_and_takes_nothing(world: baskets.Baskets) -> None:
    milk = (await world.shop.add("Milk", price=60))["id"]
    user = world.user()
    await world.add(user, milk, 2)
    await world.lose_product()
    cart = await world.get(user)
    assert (cart["stale"], cart["subtotal"], cart["lines"][0]["productName"]) == (True, 120, "Milk")
    answer = await world.add(user, milk)
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency.unavailable")
    assert answer.json()["service"] == "product"
    assert baskets.quantities(await world.get(user)) == {milk: 2}
    removed = await world.cart.delete(f"/api/cart/remove/{milk}", headers=user)
    assert (removed.status_code, removed.json()["lines"]) == (200, [])


async def test_a_fifty_first_line_is_refused(world: baskets.Baskets) -> None:
    numbers = [(await world.shop.add(f"Milk {number}"))["id"] for number in range(51)]
    user = world.user()
    for number in numbers[:50]:
        assert (await world.add(user, number)).status_code == 200
    answer = await world.add(user, numbers[50])
    assert (answer.status_code, answer.json()["code"]) == (422, "cart.line-limit")
    assert (await world.cart.get("/api/cart/count", headers=user)).json() == {"lineCount": 50, "quantity": 50}
    guest = await world.guest(numbers[50])
    changes = (await world.merge(user, guest))["changes"]
    assert changes == [{"productId": numbers[50], "kind": "LINE_LIMIT", "from": 1, "to": 0}]


async def test_internal_carts_are_for_order_and_user(world: baskets.Baskets) -> None:
    milk = (await world.shop.add("Milk"))["id"]
    await world.add(world.user(), milk)

    def caller(service: str) -> dict[str, str]:
        return world.shop.identity.service_headers(service, callee="cart")

    assert (await world.cart.get("/internal/carts/7")).status_code == 401
    assert (await world.cart.get("/internal/carts/7", headers=world.user())).status_code == 401
    assert (await world.cart.get("/internal/carts/7", headers=caller("product"))).status_code == 403
    exported = (await world.cart.get("/internal/export/7", headers=caller("user"))).json()
    assert exported["cart"]["lines"][0]["productId"] == milk
    for _ in range(2):
        assert (await world.cart.delete("/internal/personal-data/7", headers=caller("user"))).status_code == 204
    assert (await world.get(world.user()))["version"] == 0


async def test_updates_are_told_to_analytics(world: baskets.Baskets) -> None:
    milk = (await world.shop.add("Milk", price=60))["id"]
    guest = await world.guest(milk, 2)
    await world.merge(world.user(), guest)
    added, merged = await world.shop.recorder.wait("cart.updated", count=2)
    session = guest["X-Cart-Session"]
    assert {**added.data, "updatedAt": ""} == {
        "userId": None, "sessionId": session, "action": "ADD", "productId": milk, "quantity": 2,
        "previousQuantity": 0, "lineCount": 1, "subtotalPaise": 12_000, "updatedAt": "",
    }  # fmt: skip
    assert (merged.data["action"], merged.data["userId"], merged.data["sessionId"]) == ("MERGE", 7, session)
