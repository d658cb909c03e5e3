"""What order does about the events of payment and delivery (flow 1, steps 6, 10 and 12; flow 5)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flow import orders


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world() as made:
        yield made


async def test_money_confirms_once_and_tells_delivery_where_to(world: orders.World) -> None:
    order = await world.place(addressId=5, address=None)
    await world.pay(order["id"], event_id="0198-the-same")
    confirmed = await world.becomes(order["id"], status="CONFIRMED")
    assert confirmed["paymentStatus"] == "PAID"
    assert confirmed["invoiceNumber"] == "INV-2526-000001"
    assert confirmed["expiresAt"] is None
    assert world.around.reservations[1]["state"] == "COMMITTED"
    await world.pay(order["id"], event_id="0198-the-same")
    await world.pay(order["id"])
    await world.settled()
    (told,) = world.heard("order.status.updated", order["id"])
    assert (told["from"], told["to"], told["actor"]) == ("PENDING", "CONFIRMED", {"kind": "SYSTEM", "id": None})
    assert told["delivery"] == {
        "place": {
            "name": "Asha",
            "phone": "+919876543210",
            "line1": "12 MG Road",
            "line2": None,
            "city": "Bengaluru",
            "state": "Karnataka",
            "postalCode": "560001",
            "country": "IN",
            "lat": 12.97,
            "lng": 77.59,
            "instructions": None,
        },
        "window": {"slotId": None, "startAt": "2026-01-31T04:00:00.000Z", "endAt": "2026-01-31T04:45:00.000Z"},
        "codAmountPaise": 0,
        "itemCount": 2,
        "weightGrams": 1000,
    }


async def test_invoice_numbers_have_no_gap(world: orders.World) -> None:
    numbers = []
    for _ in range(3):
        order = await world.paid_order()
        numbers.append(order["invoiceNumber"])
        await world.call("POST", f"/api/orders/{(await world.place())['id']}/cancel", {"reason": "OTHER"})
    assert numbers == [f"INV-2526-{number:06d}" for number in (1, 2, 3)]


async def test_paid_but_sold_out_goes_back(world: orders.World) -> None:
    order = await world.place()
    world.around.reservations[1]["state"] = "EXPIRED"
    await world.pay(order["id"])
    await world.becomes(order["id"], status="CANCELLED", cancelReason="OUT_OF_STOCK", refundAmount=242.4)
    (cancelled,) = await world.hears("order.cancelled", order["id"])
    assert (cancelled["paid"], cancelled["refundPaise"], cancelled["reason"]) == (True, 24_240, "OUT_OF_STOCK")
    assert await world.history(order["id"]) == ["PLACE", "CANCEL"]


async def test_product_away_delays_the_confirmation(world: orders.World) -> None:
    order = await world.place()
    world.around.away = {"product"}
    await world.pay(order["id"])
    await world.becomes(order["id"], status="PENDING")
    world.around.away = set()
    world.clock.advance(11)  # the breaker's pause
    await world.becomes(order["id"], status="CONFIRMED")


async def cod(world: orders.World) -> dict[str, Any]:
    order = await world.place(method="COD")
    await world.tell("payment-events", "payment.created", order["id"], orderId=order["id"], method="COD")
    return await world.becomes(order["id"], status="CONFIRMED")


async def test_cash_is_confirmed_by_the_promise_and_paid_at_the_door(world: orders.World) -> None:
    order = await cod(world)
    (told,) = await world.hears("order.status.updated", order["id"])
    assert told["delivery"]["codAmountPaise"] == 24_240
    assert order["expiresAt"] is None
    await world.deliver(order["id"], "DELIVERED")
    await world.becomes(order["id"], status="DELIVERED", paymentStatus="PENDING", codDue=242.4)
    await world.pay(order["id"])
    await world.becomes(order["id"], status="DELIVERED", paymentStatus="PAID", codDue=0)


async def test_an_admin_does_not_deliver_unpaid_cash_orders(world: orders.World) -> None:
    order = await cod(world)
    path = f"/api/orders/{order['id']}/status"
    for status in ("PREPARING", "OUT_FOR_DELIVERY"):
        await world.call("PUT", path, {"status": status}, user=orders.ADMIN)
    problem = await world.call("PUT", path, {"status": "DELIVERED"}, user=orders.ADMIN, status=409)
    assert problem["code"] == "order.unpaid"


async def test_an_online_payment_that_opens_confirms_nothing(world: orders.World) -> None:
    order = await world.place()
    await world.tell("payment-events", "payment.created", order["id"], orderId=order["id"], method="RAZORPAY")
    await world.settled()
    assert (await world.order(order["id"]))["status"] == "PENDING"


async def test_the_delivery_takes_the_order_along(world: orders.World) -> None:
    order = await world.paid_order()
    eta = "2026-01-31T04:40:00.000Z"
    await world.tell(
        "analytics-events", "delivery.assigned", order["id"], orderId=order["id"], agentName="Ravi", etaAt=eta
    )
    await world.becomes(order["id"], agentName="Ravi", estimatedDeliveryAt=eta, status="CONFIRMED")
    await world.deliver(order["id"], "PICKED_UP")  # two steps ahead
    await world.becomes(order["id"], status="OUT_FOR_DELIVERY")
    assert await world.history(order["id"]) == ["PLACE", "CONFIRM", "PREPARE", "DISPATCH"]
    await world.deliver(order["id"], "IN_TRANSIT", etaAt="2026-01-31T04:30:00.000Z")
    await world.becomes(order["id"], estimatedDeliveryAt="2026-01-31T04:30:00.000Z", status="OUT_FOR_DELIVERY")
    await world.deliver(order["id"], "DELIVERED")
    delivered = await world.becomes(order["id"], status="DELIVERED")
    assert delivered["deliveryDate"] == "2026-01-31T04:00:00.000Z"
    assert delivered["estimatedDeliveryAt"] is None
    await world.deliver(order["id"], "PICKED_UP")  # behind
    await world.settled()
    assert [update["to"] for update in world.heard("order.status.updated", order["id"])] == [
        "CONFIRMED",
        "PREPARING",
        "OUT_FOR_DELIVERY",
        "DELIVERED",
    ]


async def test_a_delivery_that_failed_for_good_cancels_and_refunds(world: orders.World) -> None:
    order = await world.paid_order()
    await world.deliver(order["id"], "PICKED_UP")
    await world.deliver(order["id"], "FAILED", reason="NOBODY_HOME")
    await world.deliver(order["id"], "CANCELLED", reason="DELIVERY_FAILED")
    await world.becomes(order["id"], status="CANCELLED", cancelReason="DELIVERY_FAILED")
    (cancelled,) = await world.hears("order.cancelled", order["id"])
    assert (cancelled["previousStatus"], cancelled["refundPaise"]) == ("OUT_FOR_DELIVERY", 24_240)
    assert world.around.reservations[1]["state"] == "COMMITTED"


async def test_a_delivery_withdrawn_by_the_cancellation_changes_nothing(world: orders.World) -> None:
    order = await world.paid_order()
    await world.deliver(order["id"], "CANCELLED", reason="ORDER_CANCELLED")
    await world.settled()
    assert (await world.order(order["id"]))["status"] == "CONFIRMED"


async def test_partial_refunds_only_grow(world: orders.World) -> None:
    order = await world.paid_order()
    for total in (5_000, 9_000, 5_000):
        await world.tell(
            "payment-events", "payment.refunded", order["id"], orderId=order["id"], totalRefundedPaise=total
        )
    await world.settled()
    found = await world.order(order["id"])
    assert (found["refundedAmount"], found["paymentStatus"], found["status"]) == (90, "PARTIALLY_REFUNDED", "CONFIRMED")


async def test_events_of_unknown_orders_do_no_harm(world: orders.World) -> None:
    await world.pay(999)
    await world.deliver(999, "DELIVERED")
    order = await world.paid_order()
    assert order["status"] == "CONFIRMED"
