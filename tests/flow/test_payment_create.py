"""A payment begins for the caller's own waiting order, for the order's amount, with one Razorpay order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


@pytest.mark.regression("R34")
async def test_r34_amount_is_the_orders(world: payments.World) -> None:
    world.order(1)
    sent = {"orderId": 1, "amount": 1, "amountInPaise": 100, "total": 0.01, "currency": "USD", "userId": 999}
    answer = await world.post("/create", sent)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["amount"], made["amountInPaise"], made["currency"]) == (221.16, 22_116, "INR")
    order = await world.razorpay("GET", f"/orders/{made['razorpayOrderId']}")
    assert (order["amount"], order["receipt"]) == (22_116, "order_1")
    assert order["notes"] == {"orderNumber": world.orders[1]["orderNumber"]}

    await world.faults(amountTampered=-10_000, autoCapture=True)
    handed = await world.pay(made["razorpayOrderId"])
    verified = await world.post("/verify", {"orderId": 1, **handed})
    assert verified.json()["status"] == "PENDING"

    payment = await world.payment(1)
    assert payment["status"] == "PENDING"
    assert payment["transactionId"] is None
    assert [attempt["status"] for attempt in payment["attempts"]] == ["MISMATCH"]
    assert [(refund["amount"], refund["reason"]) for refund in payment["refunds"]] == [(121.16, "AMOUNT_MISMATCH")]
    assert (await world.razorpay("GET", f"/payments/{handed['razorpayPaymentId']}"))["status"] == "refunded"
    await world.quiet()
    assert world.events("payment.completed", 1) == []
    assert world.events("payment.refunded", 1) == []


@pytest.mark.regression("R35")
async def test_r35_needs_an_order(world: payments.World) -> None:
    unknown = await world.post("/create", {"orderId": 404})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "resource.not-found")
    world.order(1, user_id=payments.STRANGER)
    foreign = await world.post("/create", {"orderId": 1})
    same = ("type", "title", "status", "detail", "message", "code", "errors")
    assert {name: foreign.json()[name] for name in same} == {name: unknown.json()[name] for name in same}
    for number, status in enumerate(("CONFIRMED", "CANCELLED", "DELIVERED"), start=10):
        world.order(number)
        world.orders[number]["status"] = status
        refused = await world.post("/create", {"orderId": number})
        assert (refused.status_code, refused.json()["code"]) == (409, "order.not-payable")
    world.order(20)
    world.orders[20]["expiresAt"] = "2020-01-01T00:00:00.000Z"
    assert (await world.post("/create", {"orderId": 20})).json()["code"] == "order.not-payable"
    assert (await world.razorpay("GET", "/orders"))["count"] == 0
    assert (await world.get("", user_id=payments.ADMIN)).json()["totalElements"] == 0
    await world.quiet()
    assert world.published == []


async def test_an_open_payment_is_given_again(world: payments.World) -> None:
    made = await world.created(1)
    again = await world.post("/create", {"orderId": 1, "method": "RAZORPAY"})
    assert (again.status_code, again.json()) == (200, made)
    assert made["razorpayKeyId"] == payments.KEY_ID
    assert made["checkoutScript"].endswith("/v1/checkout.js")
    await world.until(lambda: len(world.events("payment.created", 1)) == 1)
    created = world.events("payment.created", 1)[0]
    assert (created["amountPaise"], created["razorpayOrderId"]) == (22_116, made["razorpayOrderId"])


async def test_many_at_once_make_one_razorpay_order(world: payments.World) -> None:
    world.order(1)
    answers = await asyncio.gather(*(world.post("/create", {"orderId": 1}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["razorpayOrderId"] for answer in answers}) == 1
    assert (await world.razorpay("GET", "/orders"))["count"] == 1


async def test_after_a_time_out_the_receipt_is_looked_up(world: payments.World) -> None:
    world.order(1)
    await world.faults(timeoutAfterCommit={"path": "/v1/orders", "count": 1})
    answer = await world.post("/create", {"orderId": 1})
    assert answer.status_code == 201
    orders = await world.razorpay("GET", "/orders")
    assert [order["id"] for order in orders["items"]] == [answer.json()["razorpayOrderId"]]


async def test_an_order_that_razorpay_made_unnoticed_is_found_again(world: payments.World) -> None:
    world.order(1)
    await world.faults(timeoutAfterCommit={"path": "/v1/orders", "count": 1})
    trying = asyncio.create_task(world.post("/create", {"orderId": 1}))

    async def made() -> bool:
        return bool((await world.double.get("/_sim/faults")).json() == {})

    await world.until(made)
    await world.faults(http500=True)  # the look-up fails too
    assert (await trying).status_code == 503
    await world.faults()
    answer = await world.post("/create", {"orderId": 1})
    assert answer.status_code == 201
    orders = await world.razorpay("GET", "/orders")
    assert [order["id"] for order in orders["items"]] == [answer.json()["razorpayOrderId"]]


async def test_razorpay_away_is_told_and_can_be_tried_again(world: payments.World) -> None:
    world.order(1)
    await world.faults(http500=True)
    answer = await world.post("/create", {"orderId": 1})
    assert (answer.status_code, answer.json()["code"]) == (503, "dependency.unavailable")
    assert answer.json()["service"] == "razorpay"
    assert "retry-after" in answer.headers
    await world.faults()
    assert (await world.post("/create", {"orderId": 1})).status_code == 201


async def test_another_method_or_a_paid_order_is_refused(world: payments.World) -> None:
    world.order(1, method="COD")
    other = await world.post("/create-order", {"orderId": 1})
    assert (other.status_code, other.json()["code"]) == (409, "payment.other-method")
    await world.paid(2)
    paid = await world.post("/create", {"orderId": 2})
    assert (paid.status_code, paid.json()["code"]) == (409, "payment.already-paid")


async def test_cash_needs_no_razorpay(world: payments.World) -> None:
    world.order(1, method="COD")
    await world.faults(http500=True)
    answer = await world.post("/cod", {"orderId": 1})
    assert answer.status_code == 201
    assert (answer.json()["razorpayOrderId"], answer.json()["status"]) == (None, "PENDING")
    await world.until(lambda: world.events("payment.created", 1))
    assert world.events("payment.created", 1)[0]["method"] == "COD"
    world.orders[1]["status"] = "CONFIRMED"  # which that event does at once
    again = await world.post("/cod", {"orderId": 1})
    assert (again.status_code, again.json()) == (200, answer.json())
    world.orders[1]["status"] = "CANCELLED"
    assert (await world.post("/cod", {"orderId": 1})).json()["code"] == "order.not-payable"


async def test_a_key_replays_the_answer(world: payments.World) -> None:
    world.order(1)
    world.order(2)
    first = await world.post("/create", {"orderId": 1}, key="create-key-1")
    again = await world.post("/create", {"orderId": 1}, key="create-key-1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    reused = await world.post("/create", {"orderId": 2}, key="create-key-1")
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency.key-reused")


async def test_order_begins_a_payment_by_itself(world: payments.World) -> None:
    body = {"orderId": 5, "orderNumber": "RC261124ABCDEF", "userId": 7, "method": "RAZORPAY", "amountPaise": 9_900}
    answer = await world.internal("", body)
    assert (answer.status_code, answer.json()["amount"]) == (201, 99)
    assert (await world.internal("", body)).status_code == 200
    assert (await world.internal("", body, service="cart")).status_code == 403
    assert (await world.api.post("/internal/payments", json=body)).status_code == 401


async def test_what_is_not_a_request_is_refused(world: payments.World) -> None:
    for body in ({}, {"orderId": "1"}, {"orderId": 0}, {"orderId": 1, "method": "BITCOIN"}, {"orderId": 2**53}):
        answer = await world.post("/create", body)
        assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")
    assert (await world.api.post("/api/payments/create", json={"orderId": 1})).status_code == 401
    as_admin = await world.post("/create", {"orderId": 1}, user_id=payments.ADMIN)
    assert as_admin.status_code == 403


async def test_less_than_a_rupee_is_not_paid_online(world: payments.World) -> None:
    world.order(1, total=99)
    answer = await world.post("/create", {"orderId": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "order.not-payable")
    assert (await world.get("", user_id=payments.ADMIN)).json()["totalElements"] == 0


async def test_order_away_is_told(world: payments.World) -> None:
    (stub,) = world.hub.registry.instances("order")
    await world.hub.registry.deregister(stub)
    answer = await world.post("/create", {"orderId": 1})
    assert (answer.status_code, answer.json()["service"]) == (503, "order")
