"""Refunds in parts, whoever asks and however many at once, never exceed what was captured."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import databases
from tests.flow import payments


@pytest.fixture(params=databases.KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[payments.World]:
    url = databases.url("payment", tmp_path, kind=request.param)
    async with payments.world(tmp_path, database_url=url) as made:
        yield made


@pytest.mark.regression("R39")
async def test_r39_partial_refunds_are_bounded(world: payments.World) -> None:
    payment = await world.paid(1)
    by_line = await world.refund(1, key="refund-line", lines=[{"itemId": 3, "quantity": 2}])
    assert (by_line.status_code, by_line.json()["amount"]) == (202, 20)
    too_much = await world.refund(1, key="refund-more", amount=201.17)
    assert (too_much.status_code, too_much.json()["code"]) == (409, "refund.exceeds-captured")
    assert too_much.json()["refundable"] == 201.16

    answers = await asyncio.gather(*(world.refund(1, key=f"refund-{n:04d}", amount=50) for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [202] * 4 + [409] * 6
    assert {answer.json()["refundable"] for answer in answers if answer.status_code == 409} == {1.16}

    after = await world.payment(1)
    assert (after["amountRefunded"], after["status"]) == (220, "PARTIALLY_REFUNDED")
    theirs = await world.razorpay("GET", f"/payments/{payment['transactionId']}")
    assert theirs["amount_refunded"] == 22_000

    rest, cancelled = await asyncio.gather(world.refund(1, key="refund-rest"), world.cancel(1))
    assert rest.status_code in (202, 409)
    assert cancelled
    after = await world.until_status(1, "REFUNDED")
    assert round(sum(refund["amount"] for refund in after["refunds"]), 2) == 221.16
    theirs = await world.razorpay("GET", f"/payments/{payment['transactionId']}")
    assert (theirs["amount_refunded"], theirs["status"]) == (22_116, "refunded")
    await world.quiet()
    told = world.events("payment.refunded", 1)
    assert sum(event["amountPaise"] for event in told) == 22_116
    assert [event["full"] for event in sorted(told, key=lambda event: event["totalRefundedPaise"])] == [False] * 5 + [
        True
    ]


async def test_pending_refunds_count_too(world: payments.World) -> None:
    await world.paid(1)
    await world.faults(refundPending=True)
    assert (await world.refund(1, key="refund-0001", amount=200)).json()["status"] == "PENDING"
    more = await world.refund(1, key="refund-0002", amount=21.17)
    assert (more.status_code, more.json()["refundable"]) == (409, 21.16)


async def test_one_key_at_once_is_one_refund(world: payments.World) -> None:
    payment = await world.paid(1)
    answers = await asyncio.gather(*(world.refund(1, key="refund-once", amount=10) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 202}) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency.in-progress"}
    refunds = await world.razorpay("GET", f"/payments/{payment['transactionId']}/refunds")
    assert refunds["count"] == 1


@pytest.mark.parametrize("body", [{"amount": 0}, {"amount": -1}, {"amount": 1.001}, {"amount": "1"}, {"lines": []}])
async def test_amounts_that_are_none_are_refused(world: payments.World, body: dict[str, object]) -> None:
    answer = await world.refund(1, key="refund-bad-1", **body)
    assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")
