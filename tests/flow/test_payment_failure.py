"""Closing the dialog or failing to pay decides nothing; the order waits for another try."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


@pytest.mark.regression("R36")
async def test_r36_dismiss_and_failure_confirm_nothing(world: payments.World) -> None:
    made = await world.created(1)
    await world.quiet()
    assert (await world.payment(1))["status"] == "PENDING"  # the dialog was closed: nobody told us anything
    assert world.events("payment.completed", 1) == []

    await world.pay(made["razorpayOrderId"], method="card", card="4100 2800 0006 0003")
    (failed,) = await world.webhooks("payment.failed")
    for _ in range(2):
        assert (await world.deliver(failed)).status_code == 200
    payment = await world.payment(1)
    assert (payment["status"], len(payment["attempts"])) == ("FAILED", 1)
    assert payment["attempts"][0]["errorCode"] == "GATEWAY_ERROR"
    await world.until(lambda: world.events("payment.failed", 1))
    await world.quiet()
    (told,) = world.events("payment.failed", 1)
    assert (told["attempt"], told["retryable"], told["code"]) == (1, True, "GATEWAY_ERROR")
    assert world.events("payment.completed", 1) == []

    again = await world.post("/create", {"orderId": 1})
    assert (again.status_code, again.json()["razorpayOrderId"]) == (200, made["razorpayOrderId"])
    assert (await world.razorpay("GET", "/orders"))["count"] == 1
    handed = await world.pay(made["razorpayOrderId"])
    assert (await world.post("/verify", {"orderId": 1, **handed})).json()["status"] == "SUCCESS"
    await world.until(lambda: world.events("payment.completed", 1))
    assert [attempt["status"] for attempt in (await world.payment(1))["attempts"]] == ["FAILED", "CAPTURED"]


async def test_each_failed_attempt_is_told_once(world: payments.World) -> None:
    made = await world.created(1)
    for _ in range(2):
        await world.pay(made["razorpayOrderId"], vpa="failure@razorpay")
    for webhook in await world.webhooks("payment.failed"):
        await world.deliver(webhook)
    await world.until(lambda: len(world.events("payment.failed", 1)) == 2)
    assert [told["attempt"] for told in world.events("payment.failed", 1)] == [1, 2]


async def test_a_failure_after_success_is_kept_but_changes_nothing(world: payments.World) -> None:
    made = await world.created(1)
    await world.pay(made["razorpayOrderId"], vpa="failure@razorpay")
    handed = await world.pay(made["razorpayOrderId"])
    await world.post("/verify", {"orderId": 1, **handed})
    (failed,) = await world.webhooks("payment.failed")
    assert (await world.deliver(failed)).json() == {"status": "ok"}
    payment = await world.payment(1)
    assert payment["status"] == "SUCCESS"
    assert {attempt["status"] for attempt in payment["attempts"]} == {"FAILED", "CAPTURED"}
    await world.quiet()
    assert world.events("payment.failed", 1) == []


async def test_a_late_authorisation_after_a_failure_still_pays(world: payments.World) -> None:
    await world.faults(lateAuthorizeSeconds=0.1)
    made = await world.created(1)
    await world.pay(made["razorpayOrderId"])

    async def authorised() -> bool:
        return bool(await world.webhooks("payment.authorized"))

    await world.until(authorised)
    (late,) = await world.webhooks("payment.authorized")
    entity = late["body"]["payload"]["payment"]["entity"]
    failed = {"id": "failed-first", "body": late["body"] | {"event": "payment.failed"}}
    failed["body"] = failed["body"] | {"payload": {"payment": {"entity": entity | {"status": "failed"}}}}
    await world.deliver(failed)
    assert (await world.payment(1))["status"] == "FAILED"
    await world.deliver(late)
    assert (await world.payment(1))["status"] == "SUCCESS"
