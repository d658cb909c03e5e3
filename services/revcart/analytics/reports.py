"""From counted trees to the figures of a report. Pure; amounts are integer paise until the answer is written."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from revcart.analytics import counting, schemas
from revcart.kit import clock

Tree = Mapping[str, Any]
_COUNTS = ("placed", "confirmed", "delivered", "cancelled", "expired", "paidOrders")
_AMOUNTS = ("gross", "discounts", "tax", "deliveryFees", "refunds")


def totals(tree: Tree, *, method: str | None = None, category: str | None = None) -> schemas.Totals:
    """The figures of a `sales` tree, of one payment method or category where given."""
    cell = f"category:{category}" if category else "all"
    sums = counting.merge(cells.get(cell, {}) for name, cells in tree.items() if method in (None, name))
    figures = {name: sums.get(name, 0) for name in (*_COUNTS, *_AMOUNTS)}
    paid, gross = figures["paidOrders"], figures["gross"]
    return schemas.Totals(
        **figures,
        net=gross - figures["refunds"],
        averageOrderValue=(gross + paid // 2) // paid if paid else 0,
    )


def by_method(tree: Tree, *, method: str | None, category: str | None) -> list[schemas.MethodFigures]:
    """Paid orders and their money by payment method."""
    found = {name: totals(tree, method=name, category=category) for name in sorted(tree) if method in (None, name)}
    return [
        schemas.MethodFigures(method=name, orders=part.paid_orders, gross=part.gross) for name, part in found.items()
    ]


def by_category(tree: Tree, *, method: str | None, category: str | None) -> list[schemas.CategoryFigures]:
    """Units and line amounts of paid orders by category, the largest first."""
    sums = _categories(tree, method=method, category=category)
    found = [
        schemas.CategoryFigures(category=name, units=part["units"], revenue=part["revenue"])
        for name, part in sums.items()
    ]
    return sorted(found, key=lambda part: (-part.revenue, part.category))


def categories(tree: Tree, *, category: str | None) -> list[schemas.CategoryShare]:
    """`by_category` with each one's share of the whole."""
    found = by_category(tree, method=None, category=category)
    whole = sum(part["revenue"] for part in _categories(tree, method=None, category=None).values())
    return [schemas.CategoryShare(**dict(part), share=rate(part.revenue, whole)) for part in found]


def sold(tree: Tree) -> dict[str, dict[str, Any]]:
    """Product id -> units, revenue, orders, category."""
    found: dict[str, dict[str, Any]] = {}
    for cells in tree.values():
        for category, products in cells.items():
            for product, part in products.items():
                row = found.setdefault(product, {"units": 0, "revenue": 0, "orders": 0, "category": category})
                for name in ("units", "revenue", "orders"):
                    row[name] += part[name]
    return found


def ranked(
    sold: Mapping[str, Mapping[str, Any]],
    *,
    traffic: Tree,
    names: Mapping[str, Mapping[str, Any]],
    category: str | None,
    sort: schemas.ProductSort,
) -> list[schemas.ProductFigures]:
    """Every product that was sold, looked at or put into a cart; the highest `sort` first, ties by units, then id."""
    views, cart_adds = traffic.get("views", {}), traffic.get("cartAdds", {})
    rows = []
    for product in {*sold, *views, *cart_adds}:
        part, name = sold.get(product, {}), names.get(product, {})
        row = schemas.ProductFigures(
            product_id=int(product),
            name=name.get("name"),
            category=name.get("category") or part.get("category"),
            units=part.get("units", 0),
            revenue=part.get("revenue", 0),
            orders=part.get("orders", 0),
            views=views.get(product, 0),
            cart_adds=cart_adds.get(product, 0),
            conversion=rate(part.get("orders", 0), views.get(product, 0)),
        )
        if category in (None, row.category):
            rows.append(row)
    return sorted(rows, key=lambda row: (-(getattr(row, sort) or 0), -row.units, row.product_id))


def product_totals(rows: Sequence[schemas.ProductFigures]) -> schemas.ProductTotals:
    return schemas.ProductTotals(
        units=sum(row.units for row in rows),
        revenue=sum(row.revenue for row in rows),
        products_sold=sum(1 for row in rows if row.units),
    )


def low_stock(fact: Mapping[str, Any]) -> schemas.LowStock:
    return schemas.LowStock(
        product_id=int(fact["_id"]),
        name=fact["name"],
        available=fact["available"],
        threshold=fact["threshold"],
        since=clock.from_text(fact["since"]),
    )


def searches(traffic: Tree, *, limit: int) -> schemas.Searches:
    """What was looked for, and in vain."""
    found: Mapping[str, Mapping[str, int]] = traffic.get("searches", {})
    total = sum(part["count"] for part in found.values())

    def most(name: str) -> list[schemas.SearchCount]:
        counted = sorted(((part[name], query) for query, part in found.items() if part[name]), key=_most_first)
        return [schemas.SearchCount(query=query, count=count) for count, query in counted[:limit]]

    return schemas.Searches(
        total=total,
        zero_result_rate=rate(sum(part["zero"] for part in found.values()), total),
        top=most("count"),
        zero_results=most("zero"),
    )


def buyers(people: Tree) -> set[str]:
    """Users with a paid order."""
    return {user for user, part in people.get("buyers", {}).items() if part.get("orders", 0)}


def user_totals(people: Tree, traffic: Tree, *, paid: Mapping[str, Sequence[str]], since: str) -> schemas.UserTotals:
    """`paid`: user -> instants of all paid orders ever; `since`: when the period begins."""
    bought = buyers(people)
    new = sum(1 for user in bought if paid.get(user, [since])[0] >= since)
    return schemas.UserTotals(
        registered=people.get("registered", 0),
        active=len({*people.get("active", {}), *traffic.get("active", {})}),
        buyers=len(bought),
        new_buyers=new,
        returning_buyers=len(bought) - new,
        repeat_rate=rate(sum(1 for user in bought if len(paid.get(user, [])) >= 2), len(bought)),
    )


def user_point(start: dt.datetime, people: Tree, traffic: Tree) -> schemas.UserPoint:
    return schemas.UserPoint(
        start=start,
        registered=people.get("registered", 0),
        active=len({*people.get("active", {}), *traffic.get("active", {})}),
        buyers=len(buyers(people)),
    )


def funnel(people: Tree, traffic: Tree) -> schemas.Funnel:
    """Distinct visitors per step; a session counts as a visitor of its own until it is known whose it was."""
    links = {session: min(users) for session, users in traffic.get("links", {}).items()}

    def visitors(name: str) -> int:
        return len({f"u{links[visitor]}" if visitor in links else visitor for visitor in traffic.get(name, {})})

    return schemas.Funnel(
        viewed=visitors("viewed"),
        carted=visitors("carted"),
        ordered=len(people.get("ordered", {})),
        paid=len(buyers(people)),
        delivered=len(people.get("delivered", {})),
    )


def top_customers(people: Tree, *, limit: int) -> list[schemas.Customer]:
    """Who brought in most, less refunds. Those who asked to be forgotten are nobody's customers."""
    rows = [
        schemas.Customer(user_id=int(user), orders=part["orders"], net=part.get("gross", 0) - part.get("refunds", 0))
        for user, part in people.get("buyers", {}).items()
        if part.get("orders", 0) and user.isdigit()
    ]
    return sorted(rows, key=lambda row: (-row.net, row.user_id))[:limit]


def performance(service: Tree) -> schemas.Performance:
    """How well the shop works, from a `service` tree."""
    payments, deliveries = service.get("payments", {}), service.get("deliveries", {})
    notifications = service.get("notifications", {})
    minutes = service.get("deliveryMinutes", {})
    failed, done = deliveries.get("failed", 0), deliveries.get("delivered", 0)
    timed = deliveries.get("onTime", 0) + deliveries.get("late", 0)
    return schemas.Performance(
        payment_success_rate=rate(payments.get("completed", 0), sum(payments.values())),
        confirm_seconds_p95=percentile(service.get("confirmSeconds", {}), 95),
        delivery_minutes_p50=percentile(minutes, 50),
        delivery_minutes_p95=percentile(minutes, 95),
        on_time_rate=rate(deliveries.get("onTime", 0), timed),
        failed_delivery_rate=rate(failed, failed + done),
        notification_failure_rate=rate(notifications.get("failed", 0), sum(notifications.values())),
    )


def rate(part: int, whole: int) -> float | None:
    """`part / whole` with four decimals; None when there is nothing to divide by."""
    return round(part / whole, 4) if whole else None


def percentile(counts: Mapping[str, int], percent: int) -> int | None:
    """The nearest-rank percentile of a distribution (value -> how often)."""
    rank = -(-sum(counts.values()) * percent // 100)
    for value in sorted(counts, key=int):
        rank -= counts[value]
        if rank <= 0:
            return int(value)
    return None


def _categories(tree: Tree, *, method: str | None, category: str | None) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for name, cells in tree.items():
        for slug, products in cells.items():
            if method not in (None, name) or category not in (None, slug):
                continue
            row = sums.setdefault(slug, {"units": 0, "revenue": 0})
            for part in products.values():
                row["units"] += part["units"]
                row["revenue"] += part["revenue"]
    return sums


def _most_first(counted: tuple[int, str]) -> tuple[int, str]:
    count, query = counted
    return -count, query
