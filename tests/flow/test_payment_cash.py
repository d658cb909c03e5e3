"""Cash on delivery is paid when the delivery says so, with exactly the amount due."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


@pytest.fixture
async def due(world: payments.World) -> payments.World:
    """Order 1 is to be paid in cash: 221.16."""
    await world.created(1, method="COD")
    return world


async def _deliver(world: payments.World, *, collected: int | None, to: str = "DELIVERED") -> None:
    data = {"deliveryId": 5, "orderId": 1, "to": to, "codCollectedPaise": collected}
    at = "2026-11-24T10:00:00.000Z"
    await world.tell("analytics-events", "delivery.status.updated", data | {"changedAt": at})
    await world.settled()


async def test_delivered_with_the_exact_amount_is_paid(due: payments.World) -> None:
    await _deliver(due, collected=None, to="PICKED_UP")
    assert (await due.payment(1))["status"] == "PENDING"
    for _ in range(2):
        await _deliver(due, collected=22_116)
    payment = await due.until_status(1, "SUCCESS")
    assert (payment["instrument"], payment["paymentDate"]) == ("cash", "2026-11-24T10:00:00.000Z")
    await due.until(lambda: due.events("payment.completed", 1))
    await due.quiet()
    (completed,) = due.events("payment.completed", 1)
    assert (completed["via"], completed["instrument"], completed["method"]) == ("DELIVERY", "cash", "COD")


async def test_another_amount_is_not_applied(due: payments.World) -> None:
    await _deliver(due, collected=22_000)
    assert (await due.payment(1))["status"] == "PENDING"
    metrics = (await due.api.get("/actuator/prometheus")).text
    assert 'revcart_payment_alerts_total{kind="mismatch"} 1.0' in metrics
    wrong = await due.post("/1/cod/settle", {"amount": 220}, user_id=payments.ADMIN)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "payment.amount-mismatch")
    right = {"amount": 221.16, "note": "found in the van"}
    for _ in range(2):
        settled = await due.post("/1/cod/settle", right, user_id=payments.ADMIN)
        assert (settled.status_code, settled.json()["status"]) == (200, "SUCCESS")
    assert (await due.post("/1/cod/settle", right)).status_code == 403


async def test_only_cash_orders_are_settled(world: payments.World) -> None:
    await world.created(1)
    answer = await world.post("/1/cod/settle", {"amount": 221.16}, user_id=payments.ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (409, "payment.not-cod")
    await _deliver(world, collected=None)
    assert (await world.payment(1))["status"] == "PENDING"
    await world.created(2, method="COD")
    await world.cancel(2)
    await world.settled()
    over = await world.post("/2/cod/settle", {"amount": 221.16}, user_id=payments.ADMIN)
    assert (over.status_code, over.json()["code"]) == (409, "order.not-payable")


async def test_a_shortfall_lowers_what_is_due(due: payments.World) -> None:
    body = {"key": "order-1-item-3", "amountPaise": 2_116, "reason": "SHORT_PICKED"}
    for _ in range(2):
        assert (await due.internal("/1/refunds", body)).json()["status"] == "PROCESSED"
    assert (await due.payment(1))["amount"] == 200
    await _deliver(due, collected=20_000)
    payment = await due.payment(1)
    assert (payment["status"], payment["amountRefunded"]) == ("SUCCESS", 0)
    await due.quiet()
    assert due.events("payment.refunded", 1) == []
    assert due.events("payment.completed", 1)[0]["amountPaise"] == 20_000


async def test_cash_goes_back_by_hand(due: payments.World) -> None:
    await _deliver(due, collected=22_116)
    asked = await due.refund(1, key="refund-key-1", amount=21.16)
    assert (asked.status_code, asked.json()["status"]) == (202, "PENDING")
    path = f"/refunds/{asked.json()['id']}/settle"
    assert (await due.post(path, {"reference": "IMPS 4711"})).status_code == 403
    for _ in range(2):
        done = await due.post(path, {"reference": "IMPS 4711"}, user_id=payments.ADMIN)
        assert (done.status_code, done.json()["status"]) == (200, "PROCESSED")
    payment = await due.payment(1)
    assert (payment["status"], payment["amountRefunded"]) == ("PARTIALLY_REFUNDED", 21.16)
    await due.until(lambda: due.events("payment.refunded", 1))
    await due.quiet()
    assert len(due.events("payment.refunded", 1)) == 1
    assert (await due.post("/refunds/99/settle", {"reference": "x"}, user_id=payments.ADMIN)).status_code == 404


async def test_online_refunds_are_not_settled_by_hand(world: payments.World) -> None:
    await world.paid(1)
    refund = (await world.refund(1, key="refund-key-1")).json()
    answer = await world.post(f"/refunds/{refund['id']}/settle", {"reference": "x"}, user_id=payments.ADMIN)
    assert (answer.status_code, answer.json()["code"]) == (409, "refund.not-manual")
