"""What nobody told us is found out: on a schedule, and when an ADMIN asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


async def test_open_payments_are_asked_for_until_the_fifth_day(world: payments.World) -> None:
    made = await world.created(1)
    await world.quiet()
    for minutes in (2, 3, 5):
        await world.faults(autoCapture=True, latencyMs={"value": 0, "count": 1, "path": "/payments"})
        world.clock.advance(minutes * 60)
        await world.until_asked()
    assert (await world.payment(1))["status"] == "PENDING"
    await world.pay(made["razorpayOrderId"])
    await world.quiet()
    assert (await world.payment(1))["status"] == "PENDING"  # not asked again before the fifteenth minute
    world.clock.advance(5 * 60)
    await world.until_status(1, "SUCCESS")


async def test_razorpay_away_is_asked_again_soon(world: payments.World) -> None:
    made = await world.created(1)
    await world.pay(made["razorpayOrderId"])
    await world.faults(http500={"path": "/payments", "count": 1})
    world.clock.advance(121)
    await world.quiet()
    assert (await world.payment(1))["status"] == "PENDING"
    world.clock.advance(31)
    await world.until_status(1, "SUCCESS")


async def test_an_admin_reconciles_one_order_or_all(world: payments.World) -> None:
    first, second = await world.created(1), await world.created(2)
    await world.faults(autoCapture=True)
    await world.pay(first["razorpayOrderId"])
    one = await world.post("/reconcile", {"orderId": 1}, user_id=payments.ADMIN)
    assert one.json() == {"checked": 1, "changed": 1, "mismatches": []}
    await world.faults(autoCapture=True, amountTampered=100)
    await world.pay(second["razorpayOrderId"])
    every = (await world.post("/reconcile", {}, user_id=payments.ADMIN)).json()
    assert (every["checked"], every["changed"]) == (2, 0)
    assert [mismatch["orderId"] for mismatch in every["mismatches"]] == [2]
    assert (await world.post("/reconcile", {"orderId": 9}, user_id=payments.ADMIN)).status_code == 404
    assert (await world.post("/reconcile", {})).status_code == 403


async def test_refunds_made_elsewhere_are_reported(world: payments.World) -> None:
    payment = await world.paid(1)
    await world.razorpay("POST", f"/payments/{payment['transactionId']}/refund", json={"amount": 500})
    report = (await world.post("/reconcile", {"orderId": 1}, user_id=payments.ADMIN)).json()
    assert [mismatch["razorpayPaymentId"] for mismatch in report["mismatches"]] == [payment["transactionId"]]


async def test_personal_data_is_exported(world: payments.World) -> None:
    await world.paid(1)
    headers = world.identity.service_headers("user", callee="payment")
    kept = await world.api.get(f"/internal/export/{payments.CUSTOMER}", headers=headers)
    assert [payment["orderId"] for payment in kept.json()["payments"]] == [1]
    for _ in range(2):
        gone = await world.api.delete(f"/internal/personal-data/{payments.CUSTOMER}", headers=headers)
        assert gone.status_code == 204
