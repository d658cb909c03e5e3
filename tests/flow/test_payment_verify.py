"""What Checkout hands to the browser counts when its signature does, and counts once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


@pytest.mark.regression("R37")
async def test_r37_signature_decides(world: payments.World) -> None:
    made = await world.created(1)
    handed = await world.pay(made["razorpayOrderId"])
    other = await world.created(2)
    wrong = [
        handed | {"razorpaySignature": "0" * 64},
        handed | {"razorpaySignature": handed["razorpaySignature"].upper()},
        handed | {"razorpayPaymentId": "pay_00000000000000"},
        handed | {"razorpayOrderId": other["razorpayOrderId"]},
    ]
    for body in wrong:
        refused = await world.post("/verify", {"orderId": 1, **body})
        assert (refused.status_code, refused.json()["code"]) == (400, "payment.signature-mismatch")
    # rightly signed, but for the other order
    refused = await world.post("/verify", {"orderId": 2, **handed})
    assert (refused.status_code, refused.json()["code"]) == (400, "payment.signature-mismatch")
    for number in (1, 2):
        payment = await world.payment(number)
        assert (payment["status"], payment["attempts"]) == ("PENDING", [])

    answers = await asyncio.gather(*(world.post("/verify", {"orderId": 1, **handed}) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert {str(answer.json()) for answer in answers} == {"{'verified': True, 'status': 'SUCCESS', 'orderId': 1}"}
    await world.until(lambda: world.events("payment.completed", 1))
    await world.quiet()
    (completed,) = world.events("payment.completed", 1)
    assert (completed["via"], completed["late"], completed["amountPaise"]) == ("VERIFY", False, 22_116)
    assert (completed["instrument"], completed["razorpayPaymentId"]) == ("upi", handed["razorpayPaymentId"])
    assert (await world.razorpay("GET", f"/payments/{handed['razorpayPaymentId']}"))["status"] == "captured"


async def test_only_the_owner_verifies(world: payments.World) -> None:
    made = await world.created(1)
    handed = await world.pay(made["razorpayOrderId"])
    foreign = await world.post("/verify", {"orderId": 1, **handed}, user_id=payments.STRANGER)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "resource.not-found")
    assert (await world.payment(1))["status"] == "PENDING"


async def test_razorpay_away_settles_later(world: payments.World) -> None:
    made = await world.created(1)
    handed = await world.pay(made["razorpayOrderId"])
    await world.faults(http500={"path": "/v1/payments"})
    answer = await world.post("/verify", {"orderId": 1, **handed})
    assert (answer.status_code, answer.json()["service"]) == (503, "razorpay")
    await world.faults()
    world.clock.advance(121)
    await world.until_status(1, "SUCCESS")
    await world.until(lambda: world.events("payment.completed", 1))
    assert world.events("payment.completed", 1)[0]["via"] == "RECONCILE"


async def test_a_capture_that_got_no_answer_is_made_good(world: payments.World) -> None:
    made = await world.created(1)
    handed = await world.pay(made["razorpayOrderId"])
    await world.faults(timeoutAfterCommit={"path": "/capture", "count": 1})
    assert (await world.post("/verify", {"orderId": 1, **handed})).status_code == 503
    assert (await world.payment(1))["status"] == "AUTHORIZED"
    assert (await world.post("/verify", {"orderId": 1, **handed})).json()["status"] == "SUCCESS"


async def test_a_second_capture_goes_back(world: payments.World) -> None:
    made = await world.created(1)
    first = await world.pay(made["razorpayOrderId"])
    second = await world.pay(made["razorpayOrderId"])
    await world.post("/verify", {"orderId": 1, **first})
    capture = {"amount": 22_116, "currency": "INR"}
    await world.razorpay("POST", f"/payments/{second['razorpayPaymentId']}/capture", json=capture)
    assert (await world.post("/verify", {"orderId": 1, **second})).json()["status"] == "SUCCESS"

    payment = await world.payment(1)
    assert payment["transactionId"] == first["razorpayPaymentId"]
    assert (payment["status"], payment["amountRefunded"]) == ("SUCCESS", 0)
    assert [(refund["reason"], refund["status"]) for refund in payment["refunds"]] == [
        ("DUPLICATE_PAYMENT", "PROCESSED")
    ]
    assert (await world.razorpay("GET", f"/payments/{second['razorpayPaymentId']}"))["status"] == "refunded"
    assert (await world.razorpay("GET", f"/payments/{first['razorpayPaymentId']}"))["status"] == "captured"
    # the whole of what paid the order can still be refunded
    assert (await world.refund(1, key="refund-all-1")).json()["amount"] == 221.16


async def test_who_may_look(world: payments.World) -> None:
    await world.paid(1)
    assert (await world.get("/1")).status_code == 200
    assert (await world.get("/1", user_id=payments.STRANGER)).status_code == 404
    assert (await world.get("/1/refunds", user_id=payments.STRANGER)).status_code == 404
    assert (await world.get("")).status_code == 403
    page = (await world.get("", user_id=payments.ADMIN, status="SUCCESS", method="RAZORPAY")).json()
    assert [payment["orderId"] for payment in page["content"]] == [1]
    assert (await world.get("", user_id=payments.ADMIN, status="REFUNDED")).json()["content"] == []
    assert (await world.get("", user_id=payments.ADMIN, status="LOST")).status_code == 400
    later = "2099-01-01T00:00:00Z"
    assert (await world.get("", user_id=payments.ADMIN, **{"from": later})).json()["totalElements"] == 0
