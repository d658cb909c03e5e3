"""Counting the uses of coupons, with many customers at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests import databases
from tests.flow import orders


@pytest.fixture(params=databases.KINDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[orders.World]:
    async with orders.world(databases.url("order", kind=request.param)) as made:
        made.around.products[3].stock = 1_000
        yield made


async def create(world: orders.World, **limits: Any) -> int:
    body = {
        "code": "RUSH",
        "discountType": "FIXED",
        "discountValue": 10,
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2026-03-01T00:00:00Z",
        **limits,
    }
    return int((await world.call("POST", "/api/coupons", body, user=orders.ADMIN, status=201))["id"])


async def used(world: orders.World, coupon_id: int) -> int:
    return int((await world.call("GET", f"/api/coupons/{coupon_id}", user=orders.ADMIN))["usedCount"])


@pytest.mark.regression("R26")
async def test_r26_uses_are_counted(world: orders.World) -> None:
    coupon_id = await create(world, usageLimit=10)
    users = range(100, 150)
    for user in users:
        world.fill_cart((3, 1), user=user)
    answers = await asyncio.gather(*(world.try_place(user=user, couponCode="RUSH") for user in users))
    outcome = Counter(answer.json().get("code", "placed") for answer in answers)
    assert outcome == {"placed": 10, "coupon.used-up": 40}
    assert await used(world, coupon_id) == 10
    assert world.around.held(3) == 10

    placed = [answer.json() for answer in answers if answer.status_code == 201]
    cancel = f"/api/orders/{placed[0]['id']}/cancel"
    for _ in range(2):
        await world.call("POST", cancel, {"reason": "OTHER"}, user=placed[0]["userId"])
    assert await used(world, coupon_id) == 9
    again = await world.try_place(user=placed[0]["userId"], couponCode="RUSH")
    assert again.status_code == 201
    assert await used(world, coupon_id) == 10

    world.clock.advance(15 * 60)
    for order in [*placed[1:], again.json()]:
        await world.becomes(order["id"], status="CANCELLED")
    assert await used(world, coupon_id) == 0


async def test_one_customer_many_tabs(world: orders.World) -> None:
    coupon_id = await create(world, perUserLimit=2)
    world.fill_cart((3, 1))
    answers = await asyncio.gather(*(world.try_place(couponCode="RUSH") for _ in range(10)))
    outcome = Counter(answer.json().get("code", "placed") for answer in answers)
    assert outcome == {"placed": 2, "coupon.user-limit": 8}
    assert await used(world, coupon_id) == 2


async def test_the_carts_coupon_counts_too(world: orders.World) -> None:
    coupon_id = await create(world)
    world.around.cart_coupons[orders.CUSTOMER] = "RUSH"
    placed = await world.place()
    assert (placed["couponCode"], placed["discountAmount"]) == ("RUSH", 10)
    assert await used(world, coupon_id) == 1
