"""The deadline of unpaid orders (flow 4), and cash orders whose payment did not begin."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from revcart.order import expiry
from tests import polling
from tests.flow import orders


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world() as made:
        yield made


@pytest.mark.regression("R30")
async def test_r30_unpaid_expires_never_delivers(world: orders.World) -> None:
    slot = next(slot for slot in await world.call("GET", "/api/slots") if slot["available"])
    order = await world.place(slotId=slot["id"], couponCode="WELCOME10")
    paid = await world.paid_order()
    world.clock.advance(5 * 60)
    await asyncio.sleep(0.3)
    assert (await world.order(order["id"]))["status"] == "PENDING"
    assert world.around.held(3) == 4

    world.clock.advance(10 * 60)
    expired = await world.becomes(order["id"], status="CANCELLED")
    assert expired["cancelReason"] == "PAYMENT_TIMEOUT"
    await polling.until(lambda: world.around.held(3) == 2)
    assert world.around.reservations[1]["state"] == "RELEASED"
    (told,) = await world.hears("order.expired", order["id"])
    assert (told["reservationId"], told["couponCode"], told["totalPaise"]) == (1, "WELCOME10", 22_116)
    assert world.heard("order.cancelled", order["id"]) == []
    assert await world.history(order["id"]) == ["PLACE", "EXPIRE"]
    after = next(one for one in await world.call("GET", "/api/slots") if one["id"] == slot["id"])
    assert after["remaining"] == slot["remaining"]
    coupon = next(
        one
        for one in (await world.call("GET", "/api/coupons", user=orders.ADMIN))["content"]
        if one["code"] == "WELCOME10"
    )
    assert coupon["usedCount"] == 0

    # No clock moves any other order, however long it takes.
    world.clock.advance(20 * 3_600)
    await asyncio.sleep(0.3)
    assert (await world.order(paid["id"]))["status"] == "CONFIRMED"
    assert await world.history(paid["id"]) == ["PLACE", "CONFIRM"]


async def test_paid_at_the_last_moment(world: orders.World) -> None:
    order = await world.place()
    world.around.paid.add(order["id"])
    world.clock.advance(16 * 60)
    confirmed = await world.becomes(order["id"], status="CONFIRMED")
    assert confirmed["paymentStatus"] == "PAID"
    await world.pay(order["id"])  # the event comes too
    await world.settled()
    assert await world.history(order["id"]) == ["PLACE", "CONFIRM"]
    assert len(world.heard("order.status.updated", order["id"])) == 1


async def test_payment_away_does_not_keep_the_goods(world: orders.World) -> None:
    order = await world.place()
    world.around.away = {"payment"}
    world.clock.advance(15 * 60)
    await world.becomes(order["id"], status="CANCELLED")


async def test_money_after_the_deadline_opens_nothing(world: orders.World) -> None:
    order = await world.place()
    world.clock.advance(15 * 60)
    await world.becomes(order["id"], status="CANCELLED")
    await world.pay(order["id"])
    await world.settled()
    assert (await world.order(order["id"]))["status"] == "CANCELLED"
    assert len(await world.hears("order.expired", order["id"])) == 1


async def test_a_failed_payment_waits_for_another_try(world: orders.World) -> None:
    order = await world.place()
    await world.tell(
        "payment-events", "payment.failed", order["id"], orderId=order["id"], description="Insufficient funds"
    )
    failed = await world.becomes(order["id"], paymentStatus="FAILED")
    assert (failed["status"], failed["paymentFailure"]) == ("PENDING", "Insufficient funds")
    await world.pay(order["id"])
    paid = await world.becomes(order["id"], status="CONFIRMED")
    assert (paid["paymentStatus"], paid["paymentFailure"]) == ("PAID", None)


async def test_two_sweepers_expire_once(world: orders.World) -> None:
    order = await world.place()
    ports = world.app.state.ports
    world.clock.advance(15 * 60)
    await asyncio.gather(*(expiry.expire_unpaid(ports=ports) for _ in range(3)))
    await world.settled()
    assert len(await world.hears("order.expired", order["id"])) == 1
    assert await world.history(order["id"]) == ["PLACE", "EXPIRE"]


async def test_cash_is_begun_again_until_the_deadline(world: orders.World) -> None:
    world.around.away = {"payment"}
    order = await world.place(method="COD")
    assert order["payment"] is None
    world.clock.advance(30)
    world.around.away = set()
    await expiry.begin_cod_again(ports=world.app.state.ports)
    assert world.around.payments[order["id"]]["method"] == "COD"
    await world.tell("payment-events", "payment.created", order["id"], orderId=order["id"], method="COD")
    confirmed = await world.becomes(order["id"], status="CONFIRMED")
    assert (confirmed["paymentStatus"], confirmed["codDue"]) == ("PENDING", 242.4)


async def test_cash_that_never_begins_expires(world: orders.World) -> None:
    world.around.away = {"payment"}
    order = await world.place(method="COD")
    world.clock.advance(15 * 60)
    await world.becomes(order["id"], status="CANCELLED")
    await expiry.begin_cod_again(ports=world.app.state.ports)
    assert world.around.payments == {}
