"""An order that is over keeps no money: what was captured goes back by itself, once, and so does what comes late."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


async def test_a_cancelled_order_is_refunded_once(world: payments.World) -> None:
    payment = await world.paid(1)
    event_id = await world.cancel(1)
    await world.until_status(1, "REFUNDED")
    await world.cancel(1, event_id=event_id)
    await world.cancel(1)  # the same news under another id
    await world.quiet()
    after = await world.payment(1)
    assert [(refund["amount"], refund["reason"]) for refund in after["refunds"]] == [(221.16, "ORDER_CANCELLED")]
    refunds = await world.razorpay("GET", f"/payments/{payment['transactionId']}/refunds")
    assert refunds["count"] == 1
    assert len(world.events("payment.refunded", 1)) == 1


async def test_only_what_is_left_goes_back(world: payments.World) -> None:
    await world.paid(1)
    await world.refund(1, key="refund-key-1", amount=21.16)
    await world.cancel(1)
    after = await world.until_status(1, "REFUNDED")
    assert [refund["amount"] for refund in after["refunds"]] == [21.16, 200]


async def test_a_refund_waits_for_razorpay(world: payments.World) -> None:
    await world.paid(1)
    await world.faults(http500={"path": "/refund"})
    await world.cancel(1)

    async def waiting() -> bool:
        return [refund["status"] for refund in (await world.payment(1))["refunds"]] == ["PENDING"]

    await world.until(waiting)
    await world.settled()
    await world.faults()
    world.clock.advance(61)
    await world.until_status(1, "REFUNDED")


@pytest.mark.parametrize("news", ["cancelled", "expired"])
async def test_late_money_goes_back(world: payments.World, news: str) -> None:
    made = await world.created(1)
    await (world.cancel(1) if news == "cancelled" else world.expire(1))
    await world.settled()
    await world.faults(autoCapture=True)
    handed = await world.pay(made["razorpayOrderId"])
    answer = await world.post("/verify", {"orderId": 1, **handed})
    assert answer.status_code == 200
    after = await world.until_status(1, "REFUNDED")
    assert [refund["reason"] for refund in after["refunds"]] == ["LATE_AUTHORISATION"]
    await world.until(lambda: world.events("payment.refunded", 1))
    (completed,) = world.events("payment.completed", 1)
    assert completed["late"] is True
    assert (await world.razorpay("GET", f"/payments/{handed['razorpayPaymentId']}"))["status"] == "refunded"
    assert (await world.post("/create", {"orderId": 1})).status_code == 409


async def test_what_is_only_authorised_is_left_to_lapse(world: payments.World) -> None:
    made = await world.created(1)
    await world.cancel(1)
    await world.settled()
    handed = await world.pay(made["razorpayOrderId"])
    for webhook in await world.webhooks("payment.authorized"):
        await world.deliver(webhook)
    await world.post("/verify", {"orderId": 1, **handed})
    assert (await world.payment(1))["status"] == "AUTHORIZED"
    assert (await world.razorpay("GET", f"/payments/{handed['razorpayPaymentId']}"))["captured"] is False


async def test_an_order_cancelled_before_its_payment_began_takes_none(world: payments.World) -> None:
    world.order(1)
    await world.cancel(1)
    await world.settled()
    refused = await world.post("/create", {"orderId": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "order.not-payable")


async def test_closing_asks_razorpay_first(world: payments.World) -> None:
    made = await world.created(1)
    await world.pay(made["razorpayOrderId"])  # the browser is gone, the webhook lost
    assert (await world.internal("/1/close")).json() == {"result": "PAID"}
    assert (await world.payment(1))["status"] == "SUCCESS"

    await world.created(2)
    assert (await world.internal("/2/close")).json() == {"result": "CLOSED"}
    assert (await world.internal("/3/close")).json() == {"result": "CLOSED"}

    await world.created(4)
    await world.faults(http500=True)
    away = await world.internal("/4/close")
    assert (away.status_code, away.json()["service"]) == (503, "razorpay")


async def test_money_between_closing_and_expiry_waits_for_the_orders_word(world: payments.World) -> None:
    made = await world.created(1)
    await world.internal("/1/close")
    await world.faults(autoCapture=True)
    await world.pay(made["razorpayOrderId"])
    for webhook in await world.webhooks("payment.captured"):
        await world.deliver(webhook)
    paid = await world.payment(1)
    assert (paid["status"], paid["refunds"]) == ("SUCCESS", [])
    await world.until(lambda: world.events("payment.completed", 1))
    assert world.events("payment.completed", 1)[0]["late"] is True
    await world.expire(1)
    after = await world.until_status(1, "REFUNDED")
    assert [refund["reason"] for refund in after["refunds"]] == ["LATE_AUTHORISATION"]


async def test_whoever_wins_the_race_money_ends_in_one_place(world: payments.World) -> None:
    await world.faults(autoCapture=True)
    for number in range(1, 7):
        made = await world.created(number)
        handed = await world.pay(made["razorpayOrderId"])
        hooks = (await world.webhooks("payment.authorized", "payment.captured", "order.paid"))[-3:]
        await asyncio.gather(
            world.post("/verify", {"orderId": number, **handed}),
            *(world.deliver(hook) for hook in hooks),
            world.cancel(number),
            world.internal(f"/{number}/close"),
        )
        after = await world.until_status(number, "REFUNDED")
        assert [refund["amount"] for refund in after["refunds"]] == [221.16]
        theirs = await world.razorpay("GET", f"/payments/{handed['razorpayPaymentId']}")
        assert (theirs["status"], theirs["amount_refunded"]) == ("refunded", 22_116)
    await world.quiet()
    for number in range(1, 7):
        assert len(world.events("payment.completed", number)) == 1
        assert len(world.events("payment.refunded", number)) == 1
