"""Refunds are asked for once, sent to Razorpay once, and follow its answer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


@pytest.mark.regression("R38")
async def test_r38_refund_reaches_razorpay_once(world: payments.World) -> None:
    payment = await world.paid(1)
    paid = f"/payments/{payment['transactionId']}"
    assert (await world.refund(1, key="k", amount=100)).json()["code"] == "idempotency.key-missing"
    await world.faults(refundPending=True, timeoutAfterCommit={"path": "/refund", "count": 1})
    first = await world.refund(1, key="refund-key-1", amount=100)
    assert (first.status_code, first.json()["status"], first.json()["amount"]) == (202, "PENDING", 100)
    again = await world.refund(1, key="refund-key-1", amount=100)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (await world.razorpay("GET", f"{paid}/refunds"))["count"] == 1
    assert (await world.payment(1))["status"] == "SUCCESS"  # until Razorpay says that the money has gone

    world.clock.advance(61)  # no answer was seen: the same refund is sent again, under the same key

    async def known() -> bool:
        return (await world.payment(1))["refunds"][0]["razorpayRefundId"] is not None

    await world.until(known)
    refunds = await world.razorpay("GET", f"{paid}/refunds")
    assert (refunds["count"], refunds["items"][0]["receipt"]) == (1, "rcrefund-00000001")
    assert (await world.payment(1))["refunds"][0]["status"] == "PENDING"

    await world.faults()  # Razorpay processes it, its webhook is lost, ten minutes pass

    async def processed() -> bool:
        return bool((await world.razorpay("GET", f"{paid}/refunds"))["items"][0]["status"] == "processed")

    await world.until(processed)
    world.clock.advance(601)
    after = await world.until_status(1, "PARTIALLY_REFUNDED")
    assert (after["amountRefunded"], after["refunds"][0]["status"]) == (100, "PROCESSED")
    await world.until(lambda: world.events("payment.refunded", 1))
    await world.quiet()
    (told,) = world.events("payment.refunded", 1)
    assert (told["amountPaise"], told["totalRefundedPaise"], told["full"]) == (10_000, 10_000, False)
    assert (await world.razorpay("GET", f"{paid}/refunds"))["count"] == 1


async def test_a_whole_refund(world: payments.World) -> None:
    await world.paid(1)
    answer = await world.refund(1, key="refund-key-1")
    assert (answer.status_code, answer.json()["amount"], answer.json()["status"]) == (202, 221.16, "PROCESSED")
    replay = await world.refund(1, key="refund-key-1")
    assert replay.json() == answer.json()
    assert (await world.payment(1))["status"] == "REFUNDED"
    await world.until(lambda: world.events("payment.refunded", 1))
    assert world.events("payment.refunded", 1)[0]["full"] is True
    more = await world.refund(1, key="refund-key-2")
    assert (more.status_code, more.json()["code"], more.json()["refundable"]) == (409, "refund.exceeds-captured", 0)
    assert [refund["amount"] for refund in (await world.get("/1/refunds")).json()] == [221.16]


async def test_lines_are_priced_by_order(world: payments.World) -> None:
    await world.paid(1)
    answer = await world.refund(1, key="refund-key-1", lines=[{"itemId": 3, "quantity": 2}])
    assert (answer.status_code, answer.json()["amount"]) == (202, 20)
    both = await world.refund(1, key="refund-key-2", lines=[{"itemId": 3, "quantity": 2}], amount=1)
    assert both.status_code == 400


async def test_only_an_admin_refunds_and_only_what_was_captured(world: payments.World) -> None:
    await world.created(1)
    unpaid = await world.refund(1, key="refund-key-1")
    assert (unpaid.status_code, unpaid.json()["code"]) == (409, "payment.not-captured")
    assert (await world.refund(99, key="refund-key-2")).status_code == 404
    body = {"orderId": 1, "reason": "mine"}
    assert (await world.post("/refund", body, key="refund-key-3")).status_code == 403
    assert (await world.post("/refund", body, user_id=payments.ADMIN)).json()["code"] == "idempotency.key-missing"


async def test_a_key_of_another_refund_is_refused(world: payments.World) -> None:
    await world.paid(1)
    await world.refund(1, key="refund-key-1", amount=1)
    other = await world.refund(1, key="refund-key-1", amount=2)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key-reused")


async def test_a_refund_that_razorpay_fails_frees_its_amount(world: payments.World) -> None:
    await world.paid(1)
    await world.faults(refundFail={"count": 1})
    assert (await world.refund(1, key="refund-key-1")).json()["status"] == "PENDING"

    async def failed() -> bool:
        return bool(await world.webhooks("refund.failed"))

    await world.until(failed)
    for webhook in await world.webhooks("refund.failed"):
        assert (await world.deliver(webhook)).json() == {"status": "ok"}
    payment = await world.payment(1)
    assert (payment["status"], payment["refunds"][0]["status"]) == ("SUCCESS", "FAILED")
    alerts = (await world.api.get("/actuator/prometheus")).text
    assert 'revcart_payment_alerts_total{kind="refund-failed"} 1.0' in alerts
    assert (await world.refund(1, key="refund-key-2")).json()["status"] == "PROCESSED"
    assert (await world.payment(1))["status"] == "REFUNDED"


async def test_order_asks_for_shortfalls_once_per_key(world: payments.World) -> None:
    await world.paid(1)
    body = {"key": "order-1-item-3", "amountPaise": 1_500, "reason": "SHORT_PICKED"}
    first = await world.internal("/1/refunds", body)
    assert (first.status_code, first.json()["amount"], first.json()["status"]) == (200, 15, "PROCESSED")
    assert (await world.internal("/1/refunds", body)).json()["id"] == first.json()["id"]
    other = await world.internal("/1/refunds", body | {"amountPaise": 1_600})
    assert other.json()["code"] == "idempotency.key-reused"
    assert (await world.internal("/1/refunds", body, service="cart")).status_code == 403
    assert (await world.payment(1))["amountRefunded"] == 15
