"""Coupons and slots: what the shop may set, what a customer is told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flow import orders

COUPON = {
    "code": "mango20",
    "description": "Mango week",
    "discountType": "PERCENTAGE",
    "discountValue": 20,
    "minOrderAmount": 100,
    "maxDiscountAmount": 50,
    "validFrom": "2026-01-01T00:00:00Z",
    "validUntil": "2026-03-01T00:00:00+05:30",
}


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world() as made:
        yield made


async def create(world: orders.World, **changes: Any) -> dict[str, Any]:
    body = COUPON | changes
    return dict(await world.call("POST", "/api/coupons", body, user=orders.ADMIN, status=201))


async def verdict(world: orders.World, code: str, amount: float) -> tuple[bool, float, str | None]:
    answer = await world.call("POST", "/api/coupons/validate", {"code": code, "orderAmount": amount})
    assert answer["finalAmount"] == pytest.approx(amount - answer["discount"])
    return answer["valid"], answer["discount"], answer["code"]


async def test_a_coupons_life(world: orders.World) -> None:
    made = await create(world)
    assert (made["code"], made["discountValue"], made["usageLimit"], made["perUserLimit"]) == ("MANGO20", 20, None, 1)
    assert made["validUntil"] == "2026-02-28T18:30:00.000Z"
    path = f"/api/coupons/{made['id']}"
    taken = await world.call("POST", "/api/coupons", COUPON, user=orders.ADMIN, status=409)
    assert taken["code"] == "coupon.code-taken"
    await world.call("PUT", path, COUPON, user=orders.ADMIN, status=428)
    await world.call("PUT", path, COUPON, user=orders.ADMIN, headers={"If-Match": '"9"'}, status=412)
    changed = await world.call(
        "PUT", path, COUPON | {"discountValue": 10.5}, user=orders.ADMIN, headers={"If-Match": '"1"'}
    )
    assert (changed["discountValue"], changed["version"]) == (10.5, 2)
    await world.call("DELETE", path, user=orders.ADMIN, headers={"If-Match": '"2"'}, status=204)
    await world.call("GET", path, user=orders.ADMIN, status=404)


async def test_a_used_coupon_is_only_switched_off(world: orders.World) -> None:
    made = await create(world)
    await world.place(couponCode="MANGO20")
    await world.call("DELETE", f"/api/coupons/{made['id']}", user=orders.ADMIN, headers={"If-Match": '"1"'}, status=204)
    left = await world.call("GET", f"/api/coupons/{made['id']}", user=orders.ADMIN)
    assert (left["active"], left["usedCount"]) == (False, 1)


async def test_what_a_coupon_takes_off(world: orders.World) -> None:
    await create(world)
    await create(world, code="FLAT30", discountType="FIXED", discountValue=30, minOrderAmount=0, maxDiscountAmount=None)
    assert await verdict(world, "MANGO20", 180) == (True, 36, None)
    assert await verdict(world, "mango20", 1_000) == (True, 50, None)
    assert await verdict(world, "MANGO20", 99.99) == (False, 0, "coupon.minimum-not-met")
    assert await verdict(world, "FLAT30", 20) == (True, 20, None)
    assert await verdict(world, "NOSUCH", 20) == (False, 0, "coupon.unknown")
    world.clock.advance(60 * 86_400)
    assert await verdict(world, "MANGO20", 180) == (False, 0, "coupon.expired")


async def test_validating_as_a_guest_and_by_query(world: orders.World) -> None:
    await create(world)
    answer = await world.client.post("/api/coupons/validate?code=MANGO20&orderAmount=180")
    assert (answer.status_code, answer.json()["discount"]) == (200, 36)
    assert (await world.client.post("/api/coupons/validate")).status_code == 400


async def test_the_terms_that_cart_asks_for(world: orders.World) -> None:
    made = await create(world)
    headers = world.identity.service_headers("cart", callee="order")
    body = {"code": "MANGO20", "userId": orders.CUSTOMER, "subtotalPaise": 18_000}
    answer = await world.client.post("/internal/coupons/check", json=body, headers=headers)
    assert answer.json() == {
        "couponId": made["id"],
        "code": "MANGO20",
        "description": "Mango week",
        "discountType": "PERCENTAGE",
        "discountValue": 2_000,
        "minOrderPaise": 10_000,
        "maxDiscountPaise": 5_000,
        "validUntil": "2026-02-28T18:30:00.000Z",
        "discountPaise": 3_600,
    }
    answer = await world.client.post("/internal/coupons/check", json=body | {"code": "NO"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "coupon.unknown")


async def test_customers_see_what_is_valid_now(world: orders.World) -> None:
    await create(world)
    await create(world, code="LATER", validFrom="2026-02-20T00:00:00Z")
    await create(world, code="OFF", active=False)
    seen = {one["code"] for one in (await world.call("GET", "/api/coupons"))["content"]}
    assert seen == {"MANGO20", "WELCOME10", "FRESH50", "FAMILY15"}
    everything = await world.call("GET", "/api/coupons?sort=code,asc", user=orders.ADMIN)
    assert [one["code"] for one in everything["content"]] == sorted(seen | {"LATER", "OFF"})
    inactive = await world.call("GET", "/api/coupons?active=false", user=orders.ADMIN)
    assert [one["code"] for one in inactive["content"]] == ["OFF"]
    await world.call("POST", "/api/coupons", COUPON, status=403)


@pytest.mark.parametrize(
    "change",
    [
        {"code": "A"},
        {"code": "MÄNGO"},
        {"code": "WITH SPACE"},
        {"discountType": "FREE"},
        {"discountValue": 0},
        {"discountValue": 101},
        {"discountValue": 0.5},
        {"discountValue": "20"},
        {"minOrderAmount": -1},
        {"validUntil": "2025-01-01T00:00:00Z"},
        {"validFrom": "2026-01-01T00:00:00"},
        {"usageLimit": 0},
        {"perUserLimit": 0},
    ],
)
async def test_terms_that_make_no_sense(world: orders.World, change: dict[str, Any]) -> None:
    problem = await world.call("POST", "/api/coupons", COUPON | change, user=orders.ADMIN, status=400)
    assert problem["code"] == "request.invalid"


async def test_slots_are_offered_seven_days_ahead(world: orders.World) -> None:
    found = await world.call("GET", "/api/slots?days=7")
    assert {slot["date"] for slot in found} == {f"2026-{day}" for day in
        ("01-31", "02-01", "02-02", "02-03", "02-04", "02-05", "02-06")}  # fmt: skip
    today = [slot for slot in found if slot["date"] == "2026-01-31"]
    assert [slot["startAt"] for slot in today] == ["2026-01-31T11:30:00.000Z", "2026-01-31T13:30:00.000Z"]
    assert today[0] | {"id": 0} == {
        "id": 0,
        "date": "2026-01-31",
        "startAt": "2026-01-31T11:30:00.000Z",
        "endAt": "2026-01-31T13:30:00.000Z",
        "cutoffAt": "2026-01-31T10:30:00.000Z",
        "remaining": 20,
        "available": True,
        "reason": None,
    }
    assert len(await world.call("GET", "/api/slots?date=2026-02-01&days=1")) == 4
    assert (await world.client.get("/api/slots")).status_code == 200
    for query in ("days=8", "days=0", "date=tomorrow"):
        await world.call("GET", f"/api/slots?{query}", status=400)


async def test_a_slots_life(world: orders.World) -> None:
    body = {"startAt": "2026-02-01T06:30:00Z", "endAt": "2026-02-01T07:30:00Z", "capacity": 2}
    made = await world.call("POST", "/api/slots", body, user=orders.ADMIN, status=201)
    path, seen = f"/api/slots/{made['id']}", {"If-Match": '"1"'}
    problem = await world.call("POST", "/api/slots", body, user=orders.ADMIN, status=409)
    assert problem["code"] == "slot.overlap"
    await world.call("POST", "/api/slots", body, status=403)
    await world.place(slotId=made["id"])
    problem = await world.call("DELETE", path, user=orders.ADMIN, headers=seen, status=409)
    assert problem["code"] == "slot.in-use"
    problem = await world.call("PUT", path, body | {"capacity": 0}, user=orders.ADMIN, headers=seen, status=409)
    assert problem["code"] == "slot.in-use"
    shut = await world.call(
        "PUT", path, body | {"blackout": True, "reason": "Holiday"}, user=orders.ADMIN, headers=seen
    )
    assert (shut["version"], shut["available"], shut["reason"], shut["booked"]) == (2, False, "BLACKOUT", 1)
    answer = await world.try_place(slotId=made["id"])
    assert answer.json()["code"] == "slot.closed"
    for change in ({"capacity": 1001}, {"endAt": body["startAt"]}, {"cutoffMinutes": -1}):
        await world.call("POST", "/api/slots", body | change, user=orders.ADMIN, status=400)
