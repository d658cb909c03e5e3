"""Users: who came, bought and came back; what is kept about them goes when they ask."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from tests import mongodb
from tests.flow import reports
from tests.flow.reports import NOON, Event, Order, rupees

pytestmark = pytest.mark.asyncio


def registered(user: int, at: dt.datetime) -> Event:
    data = {
        "userId": user, "email": f"u{user}@example.com", "name": "Somebody", "phone": "+919876543210",
        "role": "CUSTOMER", "via": "PASSWORD", "registeredAt": reports.text(at),
    }  # fmt: skip
    return "analytics-events", "user.registered", data


def carted(action: str, product: int | None = 1, **who: Any) -> Event:
    data = {
        "action": action, "productId": product, "quantity": 1, "previousQuantity": 0, "lineCount": 1,
        "subtotalPaise": 1, "updatedAt": reports.text(NOON), **who,
    }  # fmt: skip
    return "analytics-events", "cart.updated", data


def viewed(**who: Any) -> Event:
    data = {"productId": 1, "category": "dairy", "pricePaise": 1, "viewedAt": reports.text(NOON), **who}
    return "analytics-events", "product.viewed", data


def everything_in(folder: Path) -> bytes:
    files = b"".join(path.read_bytes() for path in folder.iterdir())
    return files + mongodb.stored(mongodb.url("analytics", folder))


async def test_new_and_returning_buyers() -> None:
    month_ago = NOON - dt.timedelta(days=40)
    told = [
        registered(7, month_ago), registered(8, NOON), registered(9, NOON),
        *Order(id=1, user=7, placed=month_ago, quantities={1: 1}, confirmed=1, paid=1).events(),
        *Order(id=2, user=7, placed=NOON, quantities={1: 1}, confirmed=1, paid=1, delivered=30).events(),
        *Order(id=3, user=8, placed=NOON, quantities={4: 1}, confirmed=1, paid=1).events(),
        *Order(id=4, user=9, placed=NOON, quantities={4: 1}, expired=15).events(),
        viewed(userId=11),
    ]  # fmt: skip
    async with reports.world() as world:
        await world.tell(told)
        users = await world.get("/api/analytics/users")
    assert users["totals"] == {
        "registered": 2, "active": 4, "buyers": 2, "newBuyers": 1, "returningBuyers": 1, "repeatRate": 0.5,
    }  # fmt: skip
    assert users["previous"]["newBuyers"] == users["previous"]["registered"] == 1
    assert users["series"][-1] == {"start": "2026-01-30T18:30:00.000Z", "registered": 2, "active": 4, "buyers": 2}
    assert [row["userId"] for row in users["topCustomers"]] == [8, 7]
    assert users["funnel"] == {"viewed": 1, "carted": 0, "ordered": 3, "paid": 2, "delivered": 1}


async def test_a_session_is_a_visitor_until_it_signs_in() -> None:
    told = [
        viewed(sessionId="s1"), viewed(sessionId="s2"), viewed(userId=7), carted("ADD", sessionId="s1"),
        carted("MERGE", None, userId=7, sessionId="s1"),
    ]  # fmt: skip
    async with reports.world() as world:
        await world.tell(told)
        users = await world.get("/api/analytics/users")
    assert users["funnel"]["viewed"] == 2
    assert users["funnel"]["carted"] == 1
    assert users["totals"]["active"] == 1


async def test_performance() -> None:
    late = Order(id=2, user=7, placed=NOON, quantities={1: 1}, confirmed=3, paid=1, delivered=90)
    on_time = Order(id=1, user=7, placed=NOON, quantities={1: 1}, confirmed=2, paid=1, delivered=33)
    failure = {"paymentId": 1, "orderId": 3, "userId": 7, "method": "RAZORPAY", "attempt": 1}
    notification = {"notificationId": "n1", "userId": 7, "template": "order.confirmed", "provider": "smtp", "tries": 1}
    told: list[Event] = [
        *on_time.events(),
        *late.events(),
        ("payment-events", "payment.failed", {**failure, "failedAt": reports.text(NOON)}),
        ("analytics-events", "delivery.status.updated", {
            "deliveryId": 77, "orderId": 4, "userId": 7, "to": "FAILED", "attempt": 1, "changedAt": reports.text(NOON),
        }),
        ("notification-events", "notification.sent",
         {**notification, "channel": "EMAIL", "sentAt": reports.text(NOON)}),
        ("notification-events", "notification.failed",
         {**notification, "channel": "SMS", "permanent": True, "failedAt": reports.text(NOON)}),
        ("notification-events", "notification.failed",
         {**notification, "channel": "EMAIL", "permanent": True, "failedAt": reports.text(NOON)}),
    ]  # fmt: skip
    async with reports.world() as world:
        await world.tell(told)
        dashboard = await world.get("/api/analytics/dashboard")
    assert dashboard["performance"] == {
        "paymentSuccessRate": 0.6667, "confirmSecondsP95": 120, "deliveryMinutesP50": 30, "deliveryMinutesP95": 86,
        "onTimeRate": 0.5, "failedDeliveryRate": 0.3333, "notificationFailureRate": 0.5,
    }  # fmt: skip
    assert dashboard["today"]["orders"] == 2
    assert dashboard["today"]["averageOrderValue"] == rupees(late.total)


async def test_no_name_or_address_is_kept_and_erasure_leaves_the_numbers(tmp_path: Path) -> None:
    told = [
        registered(7, NOON), viewed(userId=7, sessionId="a-session-of-seven"),
        *Order(id=1, user=7, placed=NOON, quantities={1: 1}, confirmed=1, paid=1).events(),
    ]  # fmt: skip
    async with reports.world(tmp_path) as world:
        await world.tell(told)
        service = world.identity.service_headers("user", callee="analytics")
        exported = (await world.client.get("/internal/export/7", headers=service)).json()
        assert [order["orderNumber"] for order in exported["orders"]] == ["RC1"]
        assert len(exported["registration"]) == len(exported["events"]) == 1
        before = await world.get("/api/analytics/users")
        for _ in range(2):
            answer = await world.client.delete("/internal/personal-data/7", headers=service)
            assert answer.status_code == 204, answer.text
        await world.counted()
        after = await world.get("/api/analytics/users")
        left = (await world.client.get("/internal/export/7", headers=service)).json()
    assert not any(left.values())
    assert after["totals"] == before["totals"]
    assert after["funnel"] == before["funnel"]
    assert before["topCustomers"] == [{"userId": 7, "orders": 1, "net": 103.16}]
    assert after["topCustomers"] == []
    stored = everything_in(tmp_path)
    assert b"RC1" in stored
    for personal in (b"example.com", b"Somebody", b"9876543210", b"a-session-of-seven"):
        assert personal not in stored


async def test_internal_endpoints_are_for_the_services_named() -> None:
    async with reports.world() as world:
        order = world.identity.service_headers("order", callee="analytics")
        assert (await world.client.get("/internal/export/7", headers=order)).status_code == 403
        admin = world.identity.headers(user_id=1, role="ADMIN")
        assert (await world.client.delete("/internal/personal-data/7", headers=admin)).status_code == 401


async def test_a_rebuild_counts_everything_again(tmp_path: Path) -> None:
    order = Order(id=1, user=7, placed=NOON - dt.timedelta(days=150), quantities={1: 1}, confirmed=1, paid=1)
    period = {"from": "2025-08-28", "to": "2025-09-10"}
    async with reports.world(tmp_path) as world:
        await world.tell(order.events())
        before = await world.get("/api/analytics/sales", **period)
        service = world.identity.service_headers("admin", callee="analytics")
        answer = await world.client.post("/internal/rebuild", json=period, headers=service)
        assert answer.status_code == 202, answer.text
        await world.counted()
        after = await world.get("/api/analytics/sales", **period)
        refused = await world.client.post(
            "/internal/rebuild", json={"from": "2026-02-01", "to": "2026-01-01"}, headers=service
        )
    assert refused.status_code == 400
    assert before["totals"]["gross"] == rupees(order.total)
    assert {**after, "asOf": None} == {**before, "asOf": None}
