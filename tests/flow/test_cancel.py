"""Cancelling (flow 3): until when, what goes back, and that it acts once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.flow import orders


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world() as made:
        yield made


async def cancel(world: orders.World, order_id: int, *, user: int = orders.CUSTOMER, status: int = 200) -> dict:  # type: ignore[type-arg]
    body = {"reason": "CHANGED_MIND", "comment": "two minds"}
    return dict(await world.call("POST", f"/api/orders/{order_id}/cancel", body, user=user, status=status))


async def go_to(world: orders.World, order_id: int, *states: str) -> None:
    for state in states:
        await world.call("PUT", f"/api/orders/{order_id}/status", {"status": state}, user=orders.ADMIN)


@pytest.mark.regression("R29")
async def test_r29_too_late_to_cancel(world: orders.World) -> None:
    order = await world.paid_order()
    await go_to(world, order["id"], "PREPARING")
    refusal = await cancel(world, order["id"], status=409)
    assert refusal["code"] == "order.not-cancellable"
    await go_to(world, order["id"], "OUT_FOR_DELIVERY")
    await cancel(world, order["id"], status=409)
    await go_to(world, order["id"], "DELIVERED")
    for user in (orders.CUSTOMER, orders.ADMIN):
        refusal = await cancel(world, order["id"], user=user, status=409)
        assert refusal["code"] == "order.not-cancellable"
    body = {"status": "CANCELLED", "reason": "please"}
    path = f"/api/orders/{order['id']}/status"
    refusal = await world.call("PUT", path, body, user=orders.ADMIN, status=409)
    assert refusal["code"] == "order.transition-not-allowed"
    assert refusal["allowed"] == []
    await world.settled()
    assert (await world.order(order["id"]))["status"] == "DELIVERED"
    assert world.heard("order.cancelled", order["id"]) == []
    assert world.around.reservations[1]["state"] == "COMMITTED"


@pytest.mark.regression("R41")
async def test_r41_cancel_refunds(world: orders.World) -> None:
    # Order's half of the rule: it names the full amount once, and records what payment sends back.
    order = await world.paid_order()
    answers = await asyncio.gather(*(cancel(world, order["id"]) for _ in range(5)))
    assert {(answer["status"], answer["refundAmount"]) for answer in answers} == {("CANCELLED", 242.4)}
    await world.settled()
    (cancelled,) = await world.hears("order.cancelled", order["id"])
    assert cancelled["paid"] is True
    assert cancelled["refundPaise"] == 24_240
    assert cancelled["previousStatus"] == "CONFIRMED"
    for _ in range(2):
        await world.tell(
            "payment-events", "payment.refunded", order["id"], orderId=order["id"], totalRefundedPaise=24_240
        )
    refunded = await world.becomes(order["id"], refundedAmount=242.4)
    assert refunded["paymentStatus"] == "REFUNDED"

    # Late money of a closed order does not open it again.
    unpaid = await world.place()
    await cancel(world, unpaid["id"])
    (cancelled,) = await world.hears("order.cancelled", unpaid["id"])
    assert (cancelled["paid"], cancelled["refundPaise"]) == (False, 0)
    await world.pay(unpaid["id"])
    await world.settled()
    assert (await world.order(unpaid["id"]))["status"] == "CANCELLED"
    assert world.around.held(3) == 0


async def test_a_pending_order_gives_everything_back(world: orders.World) -> None:
    slot = next(slot for slot in await world.call("GET", "/api/slots") if slot["available"])
    order = await world.place(slotId=slot["id"], couponCode="WELCOME10")
    assert world.around.held(3) == 2
    answer = await cancel(world, order["id"])
    assert answer["cancelReason"] == "CHANGED_MIND"
    assert answer["refundAmount"] is None
    assert answer["cancellable"] is False
    assert world.around.held(3) == 0
    after = next(one for one in await world.call("GET", "/api/slots") if one["id"] == slot["id"])
    assert after["remaining"] == slot["remaining"]
    await world.place(couponCode="WELCOME10")


async def test_both_events_in_order_with_the_customers_words(world: orders.World) -> None:
    order = await world.place()
    await cancel(world, order["id"])
    await world.hears("order.cancelled", order["id"])
    mine = [event for event in world.published if event.data["orderId"] == order["id"]]
    assert [event.type for event in mine] == ["order.created", "order.status.updated", "order.cancelled"]
    updated, cancelled = mine[1].data, mine[2].data
    assert (updated["from"], updated["to"], updated["delivery"]) == ("PENDING", "CANCELLED", None)
    assert updated["actor"] == {"kind": "USER", "id": orders.CUSTOMER}
    assert cancelled["comment"] == "two minds"
    assert cancelled["lines"][0]["linePaise"] == 18_000
    assert cancelled["reservationId"] == 1


async def test_the_owner_may_until_an_hour_before_the_slot(world: orders.World) -> None:
    slot = next(slot for slot in await world.call("GET", "/api/slots") if slot["available"])
    order = await world.paid_order(slotId=slot["id"])
    assert order["cancellableUntil"] == slot["cutoffAt"]
    world.clock.advance(7 * 3_600)
    assert (await world.order(order["id"]))["cancellable"] is False
    refusal = await cancel(world, order["id"], status=409)
    assert refusal["code"] == "order.not-cancellable"
    assert (await cancel(world, order["id"], user=orders.ADMIN))["status"] == "CANCELLED"


async def test_what_is_on_the_road_is_not_restocked(world: orders.World) -> None:
    order = await world.paid_order()
    await go_to(world, order["id"], "PREPARING", "OUT_FOR_DELIVERY")
    await cancel(world, order["id"], user=orders.ADMIN)
    assert world.around.reservations[1]["state"] == "COMMITTED"
    (cancelled,) = await world.hears("order.cancelled", order["id"])
    assert cancelled["previousStatus"] == "OUT_FOR_DELIVERY"
    assert cancelled["refundPaise"] == 24_240


async def test_product_away_does_not_stop_a_cancellation(world: orders.World) -> None:
    order = await world.place()
    world.around.away = {"product"}
    assert (await cancel(world, order["id"]))["status"] == "CANCELLED"
    await world.hears("order.cancelled", order["id"])


async def test_delete_cancels_too(world: orders.World) -> None:
    order = await world.place()
    answer = await world.call("DELETE", f"/api/orders/{order['id']}")
    assert (answer["status"], answer["cancelReason"]) == ("CANCELLED", "OTHER")


async def test_cancelling_against_paying_and_preparing(world: orders.World) -> None:
    """One of them wins; the history replays without a refused step, and money of a cancelled order goes back."""
    for _ in range(5):
        order = await world.place()
        await asyncio.gather(
            world.pay(order["id"]),
            world.client.post(f"/api/orders/{order['id']}/cancel", json={"reason": "OTHER"}, headers=world.headers()),
            world.client.put(
                f"/api/orders/{order['id']}/status",
                json={"status": "PREPARING"},
                headers=world.headers(orders.ADMIN),
            ),
        )
        await world.settled()
        history = await world.history(order["id"])
        assert history in (
            ["PLACE", "CANCEL"],
            ["PLACE", "CONFIRM", "CANCEL"],
            ["PLACE", "CONFIRM", "PREPARE"],
            ["PLACE", "CONFIRM"],
        )
        if history[-1] == "CANCEL":
            assert world.around.reservations[order["id"]]["state"] in ("RELEASED", "RETURNED")
        else:
            await world.call(
                "PUT",
                f"/api/orders/{order['id']}/status",
                {"status": "CANCELLED", "reason": "next round"},
                user=orders.ADMIN,
            )


async def test_a_reason_of_the_list_is_needed(world: orders.World) -> None:
    order = await world.place()
    for body in ({}, {"reason": "BECAUSE"}, {"reason": "OTHER", "comment": "x" * 301}):
        problem = await world.call("POST", f"/api/orders/{order['id']}/cancel", body, status=400)
        assert problem["code"] == "request.invalid"


async def test_somebody_elses_order_cannot_be_cancelled(world: orders.World) -> None:
    order = await world.place()
    await cancel(world, order["id"], user=orders.STRANGER, status=404)
    assert (await world.order(order["id"]))["status"] == "PENDING"
