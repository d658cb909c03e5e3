"""Placing an order (flow 1, steps 3a to 3f): what it costs, what it needs, and what is left after each failure."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from revcart.kit import pricing
from tests.flow import orders


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world() as made:
        yield made


@pytest.mark.regression("R25")
async def test_r25_client_amounts_are_ignored(world: orders.World) -> None:
    quote = await world.call("POST", "/api/orders/quote", {"address": orders.ADDRESS})
    placed = await world.place(
        totalAmount=1,
        subtotal=1,
        discountAmount=500,
        deliveryFee=0,
        userId=orders.STRANGER,
        orderNumber="RC000000AAAAAA",
        status="DELIVERED",
        paymentStatus="PAID",
        items=[{"productId": 3, "productName": "Free butter", "price": 0.01, "quantity": 1}],
    )
    assert placed["totalAmount"] == quote["total"] == 242.4
    assert placed["subtotal"] == 180
    assert placed["taxAmount"] == 32.4
    assert placed["deliveryFee"] == 30
    assert [(item["price"], item["quantity"], item["lineTotal"]) for item in placed["items"]] == [(90, 2, 180)]
    assert placed["items"][0]["productName"] == "Butter"
    assert placed["userId"] == orders.CUSTOMER
    assert placed["status"] == "PENDING"
    assert placed["paymentStatus"] == "PENDING"
    assert placed["orderNumber"].startswith("RC260131")
    assert placed["orderNumber"] != "RC000000AAAAAA"
    assert world.around.payments[placed["id"]]["amountInPaise"] == 24_240


async def test_the_answer_holds_what_the_contract_names(world: orders.World) -> None:
    placed = await world.place(addressId=5, address=None, instructions="Ring twice")
    assert placed["payment"]["razorpayOrderId"] == f"order_{placed['id']}"
    assert placed["shippingAddress"] == "12 MG Road, Bengaluru, Karnataka 560001"
    assert placed["customerEmail"] == "user7@example.com"
    assert placed["windowStart"] == "2026-01-31T04:00:00.000Z"
    assert placed["windowEnd"] == "2026-01-31T04:45:00.000Z"
    assert placed["expiresAt"] == "2026-01-31T04:15:00.000Z"
    assert placed["cancellable"] is True
    assert placed["slot"] is None
    assert placed["codDue"] is None
    assert placed["instructions"] == "Ring twice"
    assert await world.history(placed["id"]) == ["PLACE"]
    assert world.around.held(3) == 2


async def test_order_created_tells_the_others(world: orders.World) -> None:
    placed = await world.place(couponCode="welcome10")
    (created,) = await world.hears("order.created", placed["id"])
    assert created == {
        "orderId": placed["id"],
        "orderNumber": placed["orderNumber"],
        "userId": orders.CUSTOMER,
        "status": "PENDING",
        "paymentMethod": "RAZORPAY",
        "lines": [
            {
                "productId": 3,
                "name": "Butter",
                "category": "dairy",
                "quantity": 2,
                "unitPricePaise": 9000,
                "linePaise": 18000,
            }
        ],
        "subtotalPaise": 18000,
        "discountPaise": 1800,
        "taxPaise": 2916,
        "deliveryFeePaise": 3000,
        "totalPaise": 22116,
        "currency": "INR",
        "couponCode": "WELCOME10",
        "reservationId": 1,
        "window": {"slotId": None, "startAt": "2026-01-31T04:00:00.000Z", "endAt": "2026-01-31T04:45:00.000Z"},
        "placedAt": "2026-01-31T04:00:00.000Z",
        "expiresAt": "2026-01-31T04:15:00.000Z",
    }


async def refused(world: orders.World, status: int, code: str, **body: Any) -> dict[str, Any]:
    """The order is refused, and nothing of it is left."""
    answer = await world.try_place(**body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert world.around.held(3) == 0
    assert world.around.payments == {}
    assert (await world.call("GET", "/api/orders/count", user=orders.ADMIN))["count"] == 0
    problem: dict[str, Any] = answer.json()
    return problem


async def test_an_empty_cart(world: orders.World) -> None:
    world.fill_cart()
    await refused(world, 409, "cart.empty")


async def test_sold_out(world: orders.World) -> None:
    world.fill_cart((3, 11))
    await refused(world, 409, "stock.insufficient")


async def test_another_price_than_expected(world: orders.World) -> None:
    problem = await refused(world, 409, "price.changed", expectedTotal=240)
    assert problem["quote"] == {"subtotal": 180, "discount": 0, "tax": 32.4, "deliveryFee": 30, "total": 242.4}
    await world.place(expectedTotal=242.4)


async def test_an_unknown_or_foreign_address(world: orders.World) -> None:
    await refused(world, 422, "address.unknown", addressId=99, address=None)
    world.around.addresses[orders.STRANGER, 6] = {**orders.ADDRESS, "id": 6}
    await refused(world, 422, "address.unknown", addressId=6, address=None)


async def test_out_of_the_area(world: orders.World) -> None:
    world.around.serves = False
    await refused(world, 422, "address.not-served")


async def test_delivery_away_does_not_stop_an_order(world: orders.World) -> None:
    world.around.away = {"delivery"}
    await world.place()


async def test_too_much_for_cash(world: orders.World) -> None:
    world.around.products[3].price = 4_000
    await refused(world, 422, "order.cod-limit", method="COD")


async def test_below_the_minimum() -> None:
    async with orders.world(pricing_minimum_order_paise=50_000) as world:
        await refused(world, 422, "order.below-minimum")


@pytest.mark.parametrize("callee", ["cart", "product"])
async def test_a_needed_service_away(world: orders.World, callee: str) -> None:
    world.around.away = {callee}
    problem = await refused(world, 503, "dependency.unavailable", key="the-same-key")
    assert problem["service"] == callee
    world.around.away = set()
    for _ in range(2):
        answer = await world.try_place(key="the-same-key")
        assert answer.status_code == 201, answer.text


async def test_user_away_and_the_address_typed(world: orders.World) -> None:
    world.around.away = {"user"}
    placed = await world.place()
    assert placed["customerName"] == "Asha"
    answer = await world.try_place(addressId=5, address=None)
    assert answer.status_code == 503


async def test_payment_away_leaves_an_order_that_can_be_paid(world: orders.World) -> None:
    world.around.away = {"payment"}
    placed = await world.place()
    assert placed["payment"] is None
    assert (await world.order(placed["id"]))["status"] == "PENDING"


async def test_a_failure_of_the_last_step_gives_the_goods_back(world: orders.World) -> None:
    slots = await world.call("GET", "/api/slots?days=7")
    slot = next(slot for slot in slots if slot["available"])

    async def black_out() -> None:
        admin = {"startAt": slot["startAt"], "endAt": slot["endAt"], "capacity": 20, "blackout": True}
        await world.call("PUT", f"/api/slots/{slot['id']}", admin, user=orders.ADMIN, headers={"If-Match": '"1"'})

    world.around.on_reserve = black_out
    await refused(world, 409, "slot.closed", slotId=slot["id"])
    assert world.around.reservations[1]["state"] == "RELEASED"


async def test_a_slot_sells_its_seats_once() -> None:
    template = "17:00-19:00;capacity=3;cutoff=60"
    async with orders.world(order_slot_template=template) as world:
        (slot,) = await world.call("GET", "/api/slots?days=1")
        assert slot["remaining"] == 3
        for user in range(100, 108):
            world.fill_cart((4, 1), user=user)
        answers = await asyncio.gather(*(world.try_place(user=user, slotId=slot["id"]) for user in range(100, 108)))
        placed = [answer.json() for answer in answers if answer.status_code == 201]
        assert [answer.json()["code"] for answer in answers if answer.status_code != 201] == ["slot.full"] * 5
        (after,) = await world.call("GET", "/api/slots?days=1")
        assert (after["remaining"], after["available"], after["reason"]) == (0, False, "FULL")
        assert world.around.held(4) == 3
        assert placed[0]["slot"]["id"] == slot["id"]
        assert placed[0]["windowStart"] == slot["startAt"]


async def test_a_slot_closes_before_it_begins(world: orders.World) -> None:
    slots = await world.call("GET", "/api/slots?days=1")
    evening = next(slot for slot in slots if slot["available"])
    world.clock.advance(11 * 3_600)
    answer = await world.try_place(slotId=evening["id"])
    assert answer.json()["code"] == "slot.closed"
    (first,) = [slot for slot in await world.call("GET", "/api/slots?days=1") if slot["id"] == evening["id"]]
    assert first["reason"] == "CUT_OFF"


async def test_substitutions_and_address_aliases(world: orders.World) -> None:
    world.fill_cart((3, 1), (4, 2))
    address = {"street": "1 Lake Rd", "zipCode": "560002", "city": "Bengaluru", "state": "KA", "phone": "9876543210"}
    placed = await world.place(address=address, substitutions=[{"productId": 4, "substitution": "SUBSTITUTE"}])
    assert [item["substitution"] for item in placed["items"]] == ["REFUND_ITEM", "SUBSTITUTE"]
    assert placed["address"]["line1"] == "1 Lake Rd"
    assert placed["address"]["phone"] == "+919876543210"
    assert placed["address"]["name"] == "Asha Rao"


@pytest.mark.parametrize(
    "body",
    [
        {"paymentMethod": "CASH"},
        {"paymentMethod": None},
        {"address": None},
        {"addressId": 5},
        {"addressId": "5", "address": None},
        {"slotId": 0},
        {"expectedTotal": 1.999},
        {"expectedTotal": "10"},
        {"instructions": "x" * 301},
        {"address": {**orders.ADDRESS, "postalCode": "012345"}},
        {"address": {**orders.ADDRESS, "lat": 91}},
        {"address": {**orders.ADDRESS, "lng": None}},
        {"substitutions": [{"productId": 3, "substitution": "WHATEVER"}]},
    ],
)
async def test_malformed_orders(world: orders.World, body: dict[str, Any]) -> None:
    await refused(world, 400, "request.invalid", **body)


async def test_the_key_is_needed_and_comes_after_the_token(world: orders.World) -> None:
    body = {"paymentMethod": "COD", "address": orders.ADDRESS}
    problem = await world.call("POST", "/api/orders", body, status=400)
    assert problem["code"] == "idempotency.key-missing"
    answer = await world.client.post("/api/orders", json=body)
    assert answer.status_code == 401
    answer = await world.client.post(
        "/api/orders", json=body, headers=world.headers(orders.ADMIN, key="a-key-of-admin")
    )
    assert answer.status_code == 403


async def test_the_quote_says_what_stands_against_an_order(world: orders.World) -> None:
    world.around.products[4].active = False
    world.fill_cart((3, 12), (4, 1))
    world.around.serves = False
    body = {"address": orders.ADDRESS, "couponCode": "NOSUCH", "slotId": 99_999, "paymentMethod": "COD"}
    quote = await world.call("POST", "/api/orders/quote", body)
    assert {problem["code"] for problem in quote["problems"]} == {
        "stock.insufficient",
        "product.unavailable",
        "coupon.unknown",
        "slot.closed",
        "address.not-served",
    }
    assert world.around.reservations == {}


async def test_quote_and_order_agree_for_many_carts(world: orders.World) -> None:
    for butter, milk, coupon in [(1, 0, None), (2, 0, "WELCOME10"), (0, 7, None), (2, 1, None), (5, 3, "FRESH50")]:
        world.fill_cart(*[(number, count) for number, count in ((3, butter), (4, milk)) if count])
        quote = await world.call("POST", "/api/orders/quote", {"couponCode": coupon} if coupon else {})
        placed = await world.place(couponCode=coupon, expectedTotal=quote["total"])
        lines = [
            pricing.Line(unit_price_paise=9_000, quantity=butter),
            pricing.Line(unit_price_paise=2_950, quantity=milk),
        ]
        assert placed["subtotal"] * 100 == sum(line.total_paise for line in lines)
        await world.call("POST", f"/api/orders/{placed['id']}/cancel", {"reason": "OTHER"})


async def test_checkout_is_the_same_order(world: orders.World) -> None:
    body = {"paymentMethod": "RAZORPAY", "address": orders.ADDRESS}
    key = world.headers(key="one-key-for-both")
    first = await world.client.post("/api/orders", json=body, headers=key)
    second = await world.client.post("/api/orders/checkout", json=body, headers=key)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
