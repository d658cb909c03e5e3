"""Products: what sold, what was looked at, what was looked for."""

import datetime as dt
from typing import Any

import pytest

from tests.flow import reports
from tests.flow.reports import NOON, Event, Order

pytestmark = pytest.mark.asyncio


def viewed(product: int, **who: Any) -> Event:
    data = {"productId": product, "category": "dairy", "pricePaise": 1, "viewedAt": reports.text(NOON), **who}
    return "analytics-events", "product.viewed", data


def searched(query: str, *, results: int = 3, page: int = 0) -> Event:
    data = {"query": query, "page": page, "results": results, "sessionId": "s1", "searchedAt": reports.text(NOON)}
    return "analytics-events", "product.searched", data


@pytest.mark.regression("R17")
async def test_r17_top_is_by_units_sold() -> None:
    told = [
        *Order(id=1, user=7, placed=NOON, quantities={5: 6}, confirmed=1, paid=1).events(),
        *Order(id=2, user=8, placed=NOON, quantities={4: 2, 1: 3}, confirmed=1, paid=1).events(),
        *Order(id=3, user=8, placed=NOON, quantities={3: 50}, expired=15).events(),  # never paid
        *Order(
            id=4, user=8, placed=NOON, quantities={2: 40}, confirmed=1, paid=1, cancelled=5, refunds=((6, 100),)
        ).events(),
        *Order(id=5, user=8, placed=NOON - dt.timedelta(days=60), quantities={1: 99}, confirmed=1, paid=1).events(),
        ("analytics-events", "stock.low", {
            "productId": 2, "name": "Butter", "category": "dairy", "available": 90, "threshold": 100,
            "at": reports.text(NOON),
        }),
    ]  # fmt: skip
    async with reports.world() as world:
        await world.tell(told)
        report = await world.get("/api/analytics/products")
        by_revenue = await world.get("/api/analytics/products", sort="revenue", limit=1)
        fruits = await world.get("/api/analytics/products", category="fruits")
    assert [(row["productId"], row["name"], row["units"]) for row in report["top"]] == [
        (5, "Chips", 6),
        (1, "Milk", 3),
        (4, "Apple", 2),
    ]
    assert report["totals"] == {"units": 11, "revenue": 120 + 186 + 379.98, "productsSold": 3}
    assert [row["productId"] for row in by_revenue["top"]] == [4]
    assert [row["productId"] for row in fruits["top"]] == [4]
    assert [(row["category"], row["share"]) for row in report["categories"]] == [
        ("fruits", 0.5539), ("dairy", 0.2711), ("snacks", 0.1749),
    ]  # fmt: skip
    assert [row["productId"] for row in report["lowStock"]] == [2]


async def test_a_part_refund_lessens_every_line() -> None:
    order = Order(id=1, user=7, placed=NOON, quantities={1: 1, 3: 1}, confirmed=1, paid=1, refunds=((60, 50),))
    async with reports.world() as world:
        await world.tell(order.events())
        report = await world.get("/api/analytics/products")
    revenue = {row["productId"]: row["revenue"] for row in report["top"]}
    assert sum(revenue.values()) == pytest.approx(53.5, abs=0.01)
    assert revenue[1] == pytest.approx(31, abs=0.01)


async def test_views_carts_and_searches() -> None:
    added = {
        "userId": None, "sessionId": "s1", "action": "ADD", "productId": 1, "quantity": 1, "previousQuantity": 0,
        "lineCount": 1, "subtotalPaise": 1, "updatedAt": reports.text(NOON),
    }  # fmt: skip
    told = [
        viewed(1, sessionId="s1"), viewed(1, userId=7), viewed(1, userId=8), viewed(2, userId=7),
        ("analytics-events", "cart.updated", added),
        *Order(id=1, user=7, placed=NOON, quantities={1: 2}, confirmed=1, paid=1).events(),
        searched("Milk "), searched("milk"), searched("caviar", results=0), searched("milk", page=1),
        searched("call 9876543210", results=0),
    ]  # fmt: skip
    async with reports.world() as world:
        await world.tell(told)
        report = await world.get("/api/analytics/products", sort="views")
    milk, butter = report["top"]
    assert (milk["productId"], milk["views"], milk["cartAdds"], milk["conversion"]) == (1, 3, 1, 0.3333)
    assert (butter["productId"], butter["units"], butter["conversion"]) == (2, 0, 0)
    assert report["searches"] == {
        "total": 4,
        "zeroResultRate": 0.5,
        "top": [{"query": "milk", "count": 2}, {"query": "call ***10", "count": 1}, {"query": "caviar", "count": 1}],
        "zeroResults": [{"query": "call ***10", "count": 1}, {"query": "caviar", "count": 1}],
    }
