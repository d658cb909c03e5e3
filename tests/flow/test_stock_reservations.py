"""Stock as product keeps it: holds, sales, returns, deadlines, counts by hand, and the ledger of it all."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from revcart.product import events
from tests.flow import groceries


@pytest.fixture
async def shop() -> AsyncIterator[groceries.Groceries]:
    async with groceries.opened() as opened:
        yield opened


async def test_reservation_moves_stock(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=10))["id"]
    sold = (await shop.reserve((number, 3), reference="sold")).json()
    dropped = (await shop.reserve((number, 2), reference="dropped")).json()
    returned = (await shop.reserve((number, 1), reference="returned")).json()
    assert (await shop.counted(number), await shop.stock(number)) == ((10, 6), 4)

    await shop.decide(sold["id"], "commit")
    await shop.decide(returned["id"], "commit")
    assert await shop.counted(number) == (6, 2)
    await shop.decide(dropped["id"], "release")
    await shop.decide(returned["id"], "release")
    assert (await shop.counted(number), await shop.stock(number)) == ((7, 0), 7)

    lapsing = (await shop.reserve((number, 7), reference="lapsing", ttlSeconds=60)).json()
    assert await shop.stock(number) == 0
    shop.clock.advance(119)
    await asyncio.sleep(0.2)
    assert await shop.state(lapsing["id"]) == "HELD"
    shop.clock.advance(2)
    await _until(shop, lapsing["id"], "EXPIRED")
    assert (await shop.counted(number), await shop.stock(number)) == ((7, 0), 7)

    await shop.check_ledger(number)
    kinds = [row["kind"] for row in await shop.ledger(number) if row["kind"] != "COUNT"]
    assert kinds == [
        "INITIAL", "RESERVE", "RESERVE", "RESERVE", "COMMIT", "COMMIT", "RELEASE", "RETURN", "RESERVE", "EXPIRE",
    ]  # fmt: skip


async def _until(shop: groceries.Groceries, reservation_id: int, state: str) -> None:
    async def reached() -> bool:
        return await shop.state(reservation_id) == state

    await groceries.until(reached)


async def test_events_finish_what_calls_did_not(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=10))["id"]
    holds = {}
    for order_id, name in enumerate(("confirmed", "cancelled", "expired", "spoilt"), start=1):
        hold = (await shop.reserve((number, 1), reference=name)).json()["id"]
        holds[name] = hold
        await shop.hear(events.OrderCreated(order_id=order_id, reservation_id=hold))
    for order_id in (1, 4):
        await shop.hear(events.OrderStatusUpdated(order_id=order_id, to="CONFIRMED"))
    await shop.hear(events.OrderCancelled(order_id=2, reservation_id=holds["cancelled"], previous_status="PENDING"))
    await shop.hear(events.OrderExpired(order_id=3, reservation_id=holds["expired"]))
    await _until(shop, holds["spoilt"], "COMMITTED")
    await shop.hear(
        events.OrderCancelled(order_id=4, reservation_id=holds["spoilt"], previous_status="OUT_FOR_DELIVERY")
    )
    for name, state in (
        ("confirmed", "COMMITTED"),
        ("cancelled", "RELEASED"),
        ("expired", "RELEASED"),
        ("spoilt", "RETURNED"),
    ):
        await _until(shop, holds[name], state)
    assert await shop.counted(number) == (8, 0)  # one sold, one spoilt
    assert "WASTE" in {row["kind"] for row in await shop.ledger(number)}
    await shop.check_ledger(number)


async def test_low_stock_is_told_once_until_it_was_refilled(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=10, lowStockThreshold=5))["id"]
    await shop.reserve((number, 6), reference="one")
    await shop.reserve((number, 1), reference="two")
    (event,) = await shop.recorder.wait("stock.low")
    assert {**event.data, "at": None} == {
        "productId": number,
        "name": "Milk",
        "category": "dairy",
        "available": 4,
        "threshold": 5,
        "at": None,
    }
    body = {"delta": 20, "reason": "RECEIPT"}
    await shop.client.post(f"/api/products/{number}/stock", json=body, headers=shop.admin)
    await shop.reserve((number, 20), reference="three")
    assert len(await shop.recorder.wait("stock.low", count=2)) == 2

    low = (await shop.client.get("/api/products/low-stock", headers=shop.admin)).json()
    assert [card["id"] for card in low["content"]] == [number]


async def test_counting_sets_what_is_on_hand_but_never_below_what_is_reserved(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=10))["id"]
    await shop.reserve((number, 4))
    path = f"/api/products/{number}/stock"
    answer = await shop.client.put(path, json={"onHand": 3, "reason": "COUNT"}, headers=shop.admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "stock.below-reserved")
    answer = await shop.client.post(path, json={"delta": -7, "reason": "WASTE"}, headers=shop.admin)
    assert (answer.status_code, answer.json()["code"]) == (409, "stock.below-reserved")
    answer = await shop.client.put(path, json={"onHand": 4, "reason": "COUNT", "note": "shelf"}, headers=shop.admin)
    assert answer.json() == {
        "productId": number,
        "stock": 0,
        "inStock": False,
        "lowStock": True,
        "maxPerOrder": 20,
        "onHand": 4,
        "reserved": 4,
    }
    assert (await shop.ledger(number))[-1]["note"] == "shelf"
    await shop.check_ledger(number)


async def test_a_key_makes_a_receipt_count_once(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=10))["id"]
    headers = {**shop.admin, "Idempotency-Key": "receipt-0001"}
    body = {"delta": 5, "reason": "RECEIPT"}
    path = f"/api/products/{number}/stock"
    answers = [await shop.client.post(path, json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert await shop.counted(number) == (15, 0)


async def test_popularity_is_what_was_sold_in_thirty_days() -> None:
    async with groceries.opened(product_popularity_seconds=0.05) as shop:
        numbers = {name: (await shop.add(name, stock=50))["id"] for name in ("Milk", "Curd", "Ghee")}
        for name, quantity in (("Curd", 5), ("Ghee", 2)):
            hold = (await shop.reserve((numbers[name], quantity), reference=name)).json()
            await shop.decide(hold["id"], "commit")

        async def ordered() -> list[str]:
            answer = await shop.client.get("/api/products", params={"sort": "popularity,desc"})
            shop.clock.advance(70)  # lists may be a minute old
            return [card["name"] for card in answer.json()["content"]]

        async def is_counted() -> bool:
            return await ordered() == ["Curd", "Ghee", "Milk"]

        await groceries.until(is_counted)
        shop.clock.advance(31 * 86_400)

        async def is_forgotten() -> bool:
            return await ordered() == ["Milk", "Curd", "Ghee"]

        await groceries.until(is_forgotten)


async def test_a_user_is_shown_his_holds_and_forgotten(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk"))["id"]
    hold = (await shop.reserve((number, 1))).json()["id"]
    headers = shop.identity.service_headers("user", callee="product")
    exported = (await shop.client.get("/internal/export/7", headers=headers)).json()
    assert [kept["id"] for kept in exported["reservations"]] == [hold]
    for _ in range(2):
        assert (await shop.client.delete("/internal/personal-data/7", headers=headers)).status_code == 204
    assert (await shop.client.get("/internal/export/7", headers=headers)).json() == {"reservations": []}
    assert (await shop.decide(hold, "commit")).status_code == 200
    assert (await shop.client.get("/internal/export/7", headers=shop.order)).status_code == 403


async def test_customers_and_services_cannot_move_stock_by_hand(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk"))["id"]
    body = {"onHand": 1000, "reason": "COUNT"}
    path = f"/api/products/{number}/stock"
    assert (await shop.client.put(path, json=body)).status_code == 401
    assert (await shop.client.put(path, json=body, headers=shop.identity.headers(user_id=5))).status_code == 403
    assert (await shop.client.put(path, json=body, headers=shop.order)).status_code == 401
    cart = shop.identity.service_headers("cart", callee="product")
    hold = {"reference": "r", "userId": 1, "lines": [{"productId": number, "quantity": 1}]}
    assert (await shop.client.post("/internal/stock/reservations", json=hold, headers=cart)).status_code == 403
    assert (await shop.client.get("/internal/products", params={"ids": number}, headers=cart)).status_code == 200
