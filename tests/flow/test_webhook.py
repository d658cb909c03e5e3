"""Webhooks: signed raw bytes, any number of times, in any order, with or without an id: one effect."""

import functools
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.flow import payments


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[payments.World]:
    async with payments.world(tmp_path) as made:
        yield made


def _state(payment: dict[str, Any]) -> dict[str, Any]:
    """What must be equal whichever way the news came."""
    attempts = [attempt["status"] for attempt in payment["attempts"]]
    kept = {name: payment[name] for name in ("status", "amount", "amountRefunded", "instrument")}
    return kept | {"attempts": attempts, "hasTransaction": payment["transactionId"] is not None}


@pytest.mark.regression("R40")
async def test_r40_webhook_verify_reconcile_agree(world: payments.World) -> None:
    verified = _state(await world.paid(1))
    await world.faults(autoCapture=True)
    numbers = itertools.count(2)
    last: dict[str, Any] = {}
    for order in itertools.permutations(range(3)):
        number = next(numbers)
        made = await world.created(number)
        await world.pay(made["razorpayOrderId"])
        hooks = (await world.webhooks("payment.authorized", "payment.captured", "order.paid"))[-3:]
        assert len({hook["event"] for hook in hooks}) == 3
        for index in order:
            for event_id in ("given", None):  # each one twice, the second time nameless
                answer = await world.deliver(hooks[index], event_id=event_id)
                assert answer.status_code == 200
                assert answer.json()["status"] == ("ok" if event_id else "duplicate")
        last = await world.payment(number)
        assert _state(last) == verified
        await world.until(functools.partial(world.events, "payment.completed", number))

    number = next(numbers)
    made = await world.created(number)
    handed = await world.pay(made["razorpayOrderId"])
    world.clock.advance(121)
    assert _state(await world.until_status(number, "SUCCESS")) == verified
    hooks = (await world.webhooks("payment.authorized", "payment.captured", "order.paid"))[-3:]
    for hook in hooks:
        await world.deliver(hook)
    assert (await world.post("/verify", {"orderId": number, **handed})).status_code == 200
    assert _state(await world.payment(number)) == verified
    await world.quiet()
    completed = [world.events("payment.completed", n) for n in range(1, number + 1)]
    assert [len(events) for events in completed] == [1] * number
    assert {events[0]["via"] for events in completed} == {"VERIFY", "WEBHOOK", "RECONCILE"}


async def test_bad_signatures_change_nothing(world: payments.World) -> None:
    made = await world.created(1)
    await world.faults(autoCapture=True)
    await world.pay(made["razorpayOrderId"])
    (captured,) = await world.webhooks("payment.captured")
    raw = json.dumps(captured["body"]).encode()
    for answer in (
        await world.deliver_raw(raw, event_id="e1", secret="forged"),
        await world.deliver_raw(raw, event_id="e1", secret=""),
        await world.deliver_raw(raw, event_id="e1", secret=payments.KEY_SECRET),
        await world.api.post("/api/payments/webhook", content=raw),
        await world.api.post("/api/payments/webhook", content=raw, headers={b"X-Razorpay-Signature": "ü".encode()}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "payment.signature-mismatch")
    assert (await world.payment(1))["status"] == "PENDING"
    # the same bytes under the secret that was in use before
    assert (await world.deliver_raw(raw, event_id="e1", secret="the-one-before")).json() == {"status": "ok"}
    assert (await world.payment(1))["status"] == "SUCCESS"


async def test_the_signature_covers_the_bytes_as_they_came(world: payments.World) -> None:
    made = await world.created(1)
    await world.faults(autoCapture=True)
    await world.pay(made["razorpayOrderId"])
    (captured,) = await world.webhooks("payment.captured")
    spaced = json.dumps(captured["body"], indent=3).encode() + b"\n"
    assert (await world.deliver_raw(spaced, event_id=None)).json() == {"status": "ok"}
    assert (await world.payment(1))["status"] == "SUCCESS"


async def test_an_authorised_payment_is_captured_on_its_webhook(world: payments.World) -> None:
    made = await world.created(1)
    await world.pay(made["razorpayOrderId"])
    (authorised,) = await world.webhooks("payment.authorized")
    assert (await world.deliver(authorised)).json() == {"status": "ok"}
    payment = await world.payment(1)
    assert payment["status"] == "SUCCESS"
    assert (await world.razorpay("GET", f"/payments/{payment['transactionId']}"))["captured"] is True


async def test_a_webhook_that_failed_half_way_runs_again(world: payments.World) -> None:
    made = await world.created(1)
    await world.pay(made["razorpayOrderId"])
    (authorised,) = await world.webhooks("payment.authorized")
    await world.faults(http500={"path": "/capture"})
    assert (await world.deliver(authorised)).status_code == 200
    assert (await world.payment(1))["status"] == "AUTHORIZED"
    await world.faults()
    world.clock.advance(31)
    await world.until_status(1, "SUCCESS")


async def test_what_is_not_ours_is_ignored(world: payments.World) -> None:
    unknown = {"entity": "event", "event": "subscription.charged", "payload": {"subscription": {"entity": {"id": "s"}}}}
    for _ in range(2):
        assert (await world.deliver({"id": "e1", "body": unknown})).json() == {"status": "ignored"}
    foreign = await world.razorpay("POST", "/orders", json={"amount": 500, "currency": "INR", "payment_capture": 1})
    await world.pay(foreign["id"])
    for webhook in await world.webhooks():
        assert (await world.deliver(webhook)).json() == {"status": "ignored"}


async def test_what_cannot_be_read_is_refused(world: payments.World) -> None:
    for raw in (
        b"",
        b"{",
        b"[]",
        b'{"event":"payment.captured"}',
        b'{"event":"payment.captured","payload":{"payment":1}}',
    ):
        answer = await world.deliver_raw(raw, event_id=None)
        assert (answer.status_code, answer.json()["code"]) == (400, "request.malformed")
    large = await world.deliver_raw(b'{"x":"' + b"a" * 262_144 + b'"}', event_id=None)
    assert large.status_code == 413


async def test_refund_events_before_the_answer_to_the_refund(world: payments.World) -> None:
    await world.paid(1)
    await world.faults(timeoutAfterCommit={"path": "/refund", "count": 1})
    assert (await world.refund(1, key="refund-key-1")).json()["status"] == "PENDING"
    created, processed = await world.webhooks("refund.created", "refund.processed")
    assert (await world.deliver(processed)).json() == {"status": "ok"}
    assert (await world.deliver(created)).json() == {"status": "ok"}
    payment = await world.payment(1)
    assert (payment["status"], payment["refunds"][0]["status"]) == ("REFUNDED", "PROCESSED")
    await world.quiet()
    assert len(world.events("payment.refunded", 1)) == 1


async def test_real_deliveries_settle_a_payment_without_the_browser(tmp_path: Path) -> None:
    async with payments.world(tmp_path, webhooks=True) as world:
        await world.faults(webhookDuplicate=True, webhookReorder=True, webhookNoEventId={"rate": 0.5})
        made = await world.created(1)
        await world.pay(made["razorpayOrderId"])
        await world.until_status(1, "SUCCESS")
        await world.refund(1, key="refund-key-1")
        await world.until_status(1, "REFUNDED")

        async def all_delivered() -> bool:
            return all(webhook["state"] == "delivered" for webhook in await world.webhooks())

        await world.until(all_delivered, seconds=8)
        await world.quiet()
        assert len(world.events("payment.completed", 1)) == 1
        assert len(world.events("payment.refunded", 1)) == 1
