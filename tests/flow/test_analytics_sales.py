"""Sales: only money that came in counts, and the numbers are those of a recount whatever way the events came."""

import datetime as dt
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.flow import reports
from tests.flow.reports import NOON, Order, rupees

pytestmark = pytest.mark.asyncio
KOLKATA = dt.timezone(dt.timedelta(hours=5, minutes=30))
FAR: dict[str, Any] = {"from": "2026-01-20", "to": "2026-01-31"}


@pytest.mark.regression("R31")
async def test_r31_only_paid_money_counts() -> None:
    early = NOON - dt.timedelta(hours=3)
    paid = Order(id=1, user=7, placed=early, quantities={1: 2}, confirmed=1, paid=1, delivered=40)
    unpaid = Order(id=2, user=7, placed=early, quantities={4: 1}, expired=15)
    cancelled = Order(id=3, user=8, placed=early, quantities={4: 2}, cancelled=5)
    refunded = Order(
        id=4, user=8, placed=early, quantities={3: 1}, confirmed=1, paid=1, cancelled=9, refunds=((10, 100),)
    )
    on_its_way = Order(id=5, user=9, placed=early, quantities={2: 1}, method="COD", confirmed=1)
    async with reports.world() as world:
        for order in (paid, unpaid, cancelled, refunded, on_its_way):
            await world.tell(order.events())
        sales = await world.get("/api/analytics/sales", to="2026-01-31")
        dashboard = await world.get("/api/analytics/dashboard")
    totals = sales["totals"]
    assert totals["gross"] == rupees(paid.total + refunded.total)
    assert totals["refunds"] == rupees(refunded.total)
    assert totals["net"] == rupees(paid.total) == sales["today"] == sales["week"] == sales["month"]
    assert (totals["placed"], totals["paidOrders"], totals["cancelled"], totals["expired"]) == (5, 2, 2, 1)
    assert dashboard["totalRevenue"] == rupees(paid.total)
    assert dashboard["ordersByStatus"] == {
        "PENDING": 0, "CONFIRMED": 1, "PREPARING": 0, "OUT_FOR_DELIVERY": 0, "DELIVERED": 1, "CANCELLED": 3,
    }  # fmt: skip
    assert dashboard["pendingDeliveries"] == 1


@st.composite
def orders(draw: st.DrawFn) -> list[Order]:
    made = []
    for number in range(draw(st.integers(1, 8))):
        minutes = draw(st.integers(0, 10 * 24 * 60))
        outcome = draw(st.sampled_from(["expired", "cancelled", "paid", "refunded", "partly", "delivered", "cod"]))
        online: dict[str, Any] = {"confirmed": 2, "paid": draw(st.integers(1, 90))}
        fields = {
            "expired": dict[str, Any](expired=15),
            "cancelled": {"cancelled": draw(st.integers(1, 14))},
            "paid": online,
            "refunded": {**online, "cancelled": 95, "refunds": ((draw(st.integers(96, 3000)), 100),)},
            "partly": {**online, "delivered": 100, "refunds": ((200, 30), (draw(st.integers(201, 4000)), 21))},
            "delivered": {**online, "delivered": draw(st.integers(95, 300))},
            "cod": {"method": "COD", "confirmed": 1, "delivered": 50, "paid": 50},
        }[outcome]
        made.append(
            Order(
                id=number + 1,
                user=draw(st.integers(7, 9)),
                placed=NOON - dt.timedelta(minutes=minutes),
                quantities=draw(st.dictionaries(st.integers(1, 5), st.integers(1, 3), min_size=1, max_size=3)),
                **fields,
            )
        )
    return made


def recount(made: list[Order], *, first: dt.date, last: dt.date, method: str | None = None) -> dict[str, Any]:
    """The totals, straight from the orders."""

    def counts(instant: dt.datetime | None) -> bool:
        return instant is not None and first <= instant.astimezone(KOLKATA).date() <= last

    def step(order: Order, name: str) -> bool:
        minutes = getattr(order, name)
        return minutes is not None and counts(order.at(minutes))

    chosen = [order for order in made if method in (None, order.method)]
    paid = [order for order in chosen if step(order, "paid")]
    refunds = sum(amount for order in chosen for at, amount in order.refunded() if counts(at))
    gross = sum(order.total for order in paid)
    return {
        "placed": sum(counts(order.placed) for order in chosen),
        **{name: sum(step(order, name) for order in chosen)
           for name in ("confirmed", "delivered", "cancelled", "expired")},
        "paidOrders": len(paid),
        "gross": rupees(gross),
        "discounts": 0,
        "tax": rupees(sum(order.tax for order in paid)),
        "deliveryFees": rupees(3000 * len(paid)),
        "refunds": rupees(refunds),
        "net": rupees(gross - refunds),
        "averageOrderValue": rupees(int(gross / len(paid) + 0.5) if paid else 0),
    }  # fmt: skip


@pytest.mark.regression("R54")
# Without shrinking: an example runs a whole service, and a failing one is small enough to read.
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(made=orders(), seed=st.integers(0, 2**32))
async def test_r54_numbers_match_a_recount(made: list[Order], seed: int) -> None:
    shuffle = random.Random(seed)
    messages = [reports.message(event) for order in made for event in order.events()]
    messages += shuffle.sample(messages, k=len(messages) // 2)  # at least once: some come twice
    shuffle.shuffle(messages)
    half = len(messages) // 2
    last = NOON.date() + dt.timedelta(days=4)  # refunds may be dated after the orders
    first = last - dt.timedelta(days=20)
    period = {"from": first.isoformat(), "to": last.isoformat()}
    async with reports.world() as world:
        await world.send(messages[:half])
        await world.send(messages[half:])  # what comes late mends what was counted
        sales = await world.get("/api/analytics/sales", **period, interval="day")
        cod = await world.get("/api/analytics/sales", **period, method="COD")
        products = await world.get("/api/analytics/products", **period, limit=100)
        users = await world.get("/api/analytics/users", **period, limit=100)
        dashboard = await world.get("/api/analytics/dashboard", to=last.isoformat())
    assert sales["totals"] == recount(made, first=first, last=last)
    assert cod["totals"] == recount(made, first=first, last=last, method="COD")
    days = [first + dt.timedelta(days=number) for number in range(21)]
    for day, point in zip(days, sales["series"], strict=True):
        assert point.pop("start") == reports.text(dt.datetime.combine(day, dt.time(), KOLKATA))
        assert point == recount(made, first=day, last=day)
    sold = [order for order in made if order.paid is not None and sum(p for _, p in order.refunds) < 100]
    units: dict[int, int] = {}
    for order in sold:
        for product, quantity in order.quantities.items():
            units[product] = units.get(product, 0) + quantity
    assert {row["productId"]: row["units"] for row in products["top"]} == units
    paid = [order for order in made if order.paid is not None]
    assert users["totals"]["buyers"] == len({order.user for order in paid})
    assert users["funnel"]["ordered"] == len({order.user for order in made})
    net: dict[int, int] = {}
    for order in paid:
        net[order.user] = net.get(order.user, 0) + order.total - sum(amount for _, amount in order.refunded())
    assert {row["userId"]: row["net"] for row in users["topCustomers"]} == {u: rupees(n) for u, n in net.items()}
    assert dashboard["totalOrders"] == len(made)
    states = [order.state for order in made]
    assert dashboard["ordersByStatus"] == {state: states.count(state) for state in dashboard["ordersByStatus"]}
    assert dashboard["totalRevenue"] == sales["totals"]["net"]


async def test_a_category_counts_its_share_of_an_order() -> None:
    mixed = Order(id=1, user=7, placed=NOON, quantities={1: 1, 3: 1}, confirmed=1, paid=1)
    async with reports.world() as world:
        await world.tell(mixed.events())
        both = await world.get("/api/analytics/sales")
        dairy = (await world.get("/api/analytics/sales", category="dairy"))["totals"]
        bakery = (await world.get("/api/analytics/sales", category="bakery"))["totals"]
        none = (await world.get("/api/analytics/sales", category="snacks"))["totals"]
    assert dairy["placed"] == bakery["placed"] == 1
    for name in ("gross", "tax", "deliveryFees", "net"):
        assert round(dairy[name] + bakery[name], 2) == both["totals"][name]
    assert dairy["gross"] > bakery["gross"] > 0
    assert none["placed"] == none["gross"] == 0
    assert both["byCategory"] == [
        {"category": "dairy", "units": 1, "revenue": 62},
        {"category": "bakery", "units": 1, "revenue": 45},
    ]
    assert both["byMethod"] == [{"method": "RAZORPAY", "orders": 1, "gross": rupees(mixed.total)}]


async def test_series_are_complete_and_in_the_shops_time() -> None:
    late = Order(id=1, user=7, placed=dt.datetime(2026, 1, 30, 18, 40, tzinfo=dt.UTC), quantities={1: 1})  # 00:10 there
    async with reports.world() as world:
        await world.tell(late.events())
        hours = await world.get("/api/analytics/sales", **{"from": "2026-01-31", "to": "2026-01-31"})
        weeks = await world.get("/api/analytics/sales", **{"from": "2026-01-01", "to": "2026-01-31"}, interval="week")
        months = await world.get("/api/analytics/sales", **{"from": "2025-06-15", "to": "2026-01-31"})
    assert hours["interval"] == "hour"
    assert hours["timezone"] == "Asia/Kolkata"
    assert [point["placed"] for point in hours["series"]] == [1] + [0] * 23
    assert hours["series"][0]["start"] == "2026-01-30T18:30:00.000Z"
    assert [point["start"][:10] for point in weeks["series"]] == [
        "2025-12-28", "2026-01-04", "2026-01-11", "2026-01-18", "2026-01-25",
    ]  # fmt: skip
    assert [point["placed"] for point in weeks["series"]] == [0, 0, 0, 0, 1]
    assert months["interval"] == "month"
    assert len(months["series"]) == 8


async def test_compare_takes_the_equally_long_period_before() -> None:
    before = Order(id=1, user=7, placed=NOON - dt.timedelta(days=8), quantities={1: 1}, confirmed=1, paid=1)
    now = Order(id=2, user=7, placed=NOON, quantities={1: 2}, confirmed=1, paid=1)
    week = {"from": "2026-01-25", "to": "2026-01-31"}
    async with reports.world() as world:
        await world.tell([*before.events(), *now.events()])
        with_before = await world.get("/api/analytics/sales", **week)
        without = await world.get("/api/analytics/sales", **week, compare="false")
    assert with_before["totals"]["gross"] == rupees(now.total)
    assert with_before["previous"]["gross"] == rupees(before.total)
    assert without["previous"] is None


async def test_csv() -> None:
    async with reports.world() as world:
        await world.tell(Order(id=1, user=7, placed=NOON, quantities={1: 1}, confirmed=1, paid=1).events())
        by_query = await world.ask("/api/analytics/sales", **FAR, format="csv")
        by_header = await world.ask("/api/analytics/sales", headers={"Accept": "text/csv"}, **FAR)
    assert by_query.headers["content-type"] == "text/csv; charset=utf-8"
    assert by_query.headers["content-disposition"] == 'attachment; filename="sales-2026-01-20-2026-01-31.csv"'
    assert by_query.content == by_header.content
    lines = by_query.content.decode("utf-8-sig").split("\r\n")
    assert lines[0].split(",")[:3] == ["start", "placed", "confirmed"]
    assert len(lines) == 1 + 12 + 1
    assert lines[12].startswith("2026-01-30T18:30:00.000Z,1,1,0,0,0,1,103.16,")


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"from": "2026-02-01", "to": "2026-01-31"}, "query:from"),
        ({"from": "2024-01-01", "to": "2026-01-31"}, "query:to"),
        ({"from": "2026-01-01T00:00:00Z"}, "query:from"),
        ({"to": "yesterday"}, "query:to"),
        ({"interval": "year"}, "query:interval"),
        ({"from": "2025-12-01", "interval": "hour"}, "query:interval"),
        ({"method": "CASH"}, "query:method"),
        ({"format": "xml"}, "query:format"),
    ],
)
async def test_what_cannot_be_asked(params: dict[str, Any], pointer: str) -> None:
    async with reports.world() as world:
        answer = await world.ask("/api/analytics/sales", **params)
    assert answer.status_code == 400
    assert answer.json()["code"] == "request.invalid"
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_reports_are_for_admins() -> None:
    async with reports.world() as world:
        for path in ("sales", "products", "users", "dashboard"):
            assert (await world.client.get(f"/api/analytics/{path}")).status_code == 401
            customer = world.identity.headers(user_id=7)
            assert (await world.client.get(f"/api/analytics/{path}", headers=customer)).status_code == 403
