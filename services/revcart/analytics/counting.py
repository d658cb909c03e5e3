"""How facts become numbers. Pure, and always from scratch: nothing is ever added to an earlier result.

A result is a tree: objects whose leaves are integers. Trees of hours are added up to days, those of days to weeks,
months and reports; a set of users is an object with a count per user, a distribution one with a count per value, so
adding merges them, too.

| tree | shape |
|---|---|
| `sales` | method → `all` or `category:<slug>` → placed, …, gross, …, refunds (paise) |
| `products` | method → category → product id → units, revenue (paise), orders |
| `people` | registered · active, ordered, delivered: user → n · buyers: user → orders, gross, refunds (paise) |
| `service` | payments, deliveries, notifications: outcome → n · confirmSeconds, deliveryMinutes: value → n |
| `traffic` | views, cartAdds: product → n · active: user → n · viewed, carted: visitor → n · links: session → user → n · searches: query → count, zero |
"""  # noqa: E501  a table's row is one line

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from revcart.kit import clock

Tree = dict[str, Any]
Fact = Mapping[str, Any]
SHOP = ("sales", "products", "people", "service")  # the trees made of facts; `traffic` is made of raw events

UNKNOWN = "UNKNOWN"  # the method of an order whose own event has not come
UNCATEGORISED = "other"
MAX_QUERIES = 500  # different search texts kept per hour, the most frequent ones


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What happened in a stretch of time, and what is needed to read it: all facts of the orders concerned."""

    orders: Sequence[Fact]
    payments: Sequence[Fact]
    refunds: Sequence[Fact]
    failures: Sequence[Fact]
    deliveries: Sequence[Fact]
    users: Sequence[Fact]
    notifications: Sequence[Fact]


def add(tree: Tree, *path: str, by: int = 1) -> None:
    """Add to one leaf."""
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = tree.get(path[-1], 0) + by


def merge(trees: Iterable[Mapping[str, Any]]) -> Tree:
    """The sum of `trees`, leaf by leaf."""
    result: Tree = {}
    for tree in trees:
        _merge_into(result, tree)
    return result


def _merge_into(result: Tree, tree: Mapping[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            _merge_into(result.setdefault(name, {}), value)
        else:
            result[name] = result.get(name, 0) + value


def split(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """`amount` (paise) in proportion to `weights`; the parts add up to it (largest remainders, ties by name)."""
    total = sum(weights.values())
    if total <= 0:
        return {}
    parts = {name: amount * weight // total for name, weight in weights.items()}
    rest = amount - sum(parts.values())
    by_remainder = sorted(weights, key=lambda name: (-(amount * weights[name] % total), name))
    for name in by_remainder[:rest]:
        parts[name] += 1
    return parts


def shop(facts: Facts, *, start: dt.datetime, end: dt.datetime) -> dict[str, Tree]:
    """The four trees of what happened from `start` until before `end`."""
    counted = _Shop(facts, since=clock.to_text(start), until=clock.to_text(end))
    counted.orders()
    counted.payments()
    counted.refunds()
    counted.deliveries()
    counted.others()
    return counted.trees


class _Shop:
    def __init__(self, facts: Facts, *, since: str, until: str) -> None:
        self.trees: dict[str, Tree] = {name: {} for name in SHOP}
        self._facts = facts
        self._since, self._until = since, until
        self._orders = {fact["_id"]: fact for fact in facts.orders}
        self._payments = {fact["_id"]: fact for fact in facts.payments}
        self._payment_of = {fact["orderId"]: fact for fact in facts.payments}

    def orders(self) -> None:
        for order in self._facts.orders:
            created = order.get("created") or {}
            if self._within(created.get("at")):
                self._count(order, "placed")
                add(self.trees["people"], "ordered", str(order["userId"]))
                add(self.trees["people"], "active", str(order["userId"]))
            for field, name in (("confirmedAt", "confirmed"), ("cancelledAt", "cancelled"), ("expiredAt", "expired")):
                if self._within(order.get(field)):
                    self._count(order, name)
            if self._within(order.get("deliveredAt")):
                self._count(order, "delivered")
                add(self.trees["people"], "delivered", str(order["userId"]))
            if self._within(order.get("confirmedAt")):
                self._confirm_seconds(order)

    def payments(self) -> None:
        for payment in self._facts.payments:
            if not self._within(payment.get("completedAt")):
                continue
            order = self._orders.get(payment["orderId"], {})
            created = order.get("created") or {}
            user = str(payment["userId"])
            self._count(order, "paidOrders", payment=payment)
            for name, amount in (
                ("gross", payment["amountPaise"]),
                ("discounts", created.get("discountPaise", 0)),
                ("tax", created.get("taxPaise", 0)),
                ("deliveryFees", created.get("deliveryFeePaise", 0)),
            ):
                self._amount(order, name, amount, payment=payment)
            add(self.trees["people"], "buyers", user, "orders")
            add(self.trees["people"], "buyers", user, "gross", by=payment["amountPaise"])
            add(self.trees["people"], "active", user)
            if payment["method"] != "COD":
                add(self.trees["service"], "payments", "completed")
            self._products(order, payment)

    def refunds(self) -> None:
        for refund in self._facts.refunds:
            if self._within(refund["at"]):
                payment = self._payments.get(refund["paymentId"])
                self._amount(self._orders.get(refund["orderId"], {}), "refunds", refund["amountPaise"], payment=payment)
                add(self.trees["people"], "buyers", str(refund["userId"]), "refunds", by=refund["amountPaise"])

    def deliveries(self) -> None:
        tree = self.trees["service"]
        for delivery in self._facts.deliveries:
            if self._within(delivery.get("failedAt")):
                add(tree, "deliveries", "failed")
            done = delivery.get("deliveredAt")
            if done is None or not self._within(done):
                continue
            add(tree, "deliveries", "delivered")
            if assigned := delivery.get("assignedAt"):
                add(tree, "deliveryMinutes", str(max(_seconds(assigned, done), 0) // 60))
            created = self._orders.get(delivery["orderId"], {}).get("created")
            if created:
                add(tree, "deliveries", "onTime" if done <= created["windowEndAt"] else "late")

    def others(self) -> None:
        for user in self._facts.users:
            if self._within(user["registeredAt"]):
                add(self.trees["people"], "registered")
                add(self.trees["people"], "active", user["_id"])
        for failure in self._facts.failures:
            if self._within(failure["at"]):
                add(self.trees["service"], "payments", "failed")
        for notification in self._facts.notifications:
            if self._within(notification.get("sentAt")):
                add(self.trees["service"], "notifications", "sent")
            elif self._within(notification.get("failedAt")) and not notification.get("sentAt"):
                add(self.trees["service"], "notifications", "failed")

    def _products(self, order: Fact, payment: Fact) -> None:
        """Units and line amounts of a paid order, less what was refunded: all of it, or a share of each line."""
        lines = (order.get("created") or {}).get("lines", [])
        paid = payment["amountPaise"]
        refunded = sum(r["amountPaise"] for r in self._facts.refunds if r["paymentId"] == payment["_id"])
        kept = max(paid - refunded, 0)
        if not kept:
            return
        weights = {str(line["productId"]): line["linePaise"] for line in lines}
        revenue = split((sum(weights.values()) * kept + paid // 2) // paid, weights)
        for line in lines:
            product = str(line["productId"])
            path = ("products", payment["method"], line["category"] or UNCATEGORISED, product)
            add(self.trees, *path, "units", by=line["quantity"])
            add(self.trees, *path, "revenue", by=revenue.get(product, 0))
            add(self.trees, *path, "orders")

    def _confirm_seconds(self, order: Fact) -> None:
        payment = self._payment_of.get(order["_id"], {})
        if payment.get("completedAt") and payment["method"] != "COD":
            seconds = max(_seconds(payment["completedAt"], order["confirmedAt"]), 0)
            add(self.trees["service"], "confirmSeconds", str(seconds))

    def _count(self, order: Fact, name: str, *, payment: Fact | None = None) -> None:
        method = self._method(order, payment)
        for cell in ("all", *(f"category:{category}" for category in _weights(order))):
            add(self.trees["sales"], method, cell, name)

    def _amount(self, order: Fact, name: str, amount: int, *, payment: Fact | None) -> None:
        method = self._method(order, payment)
        add(self.trees["sales"], method, "all", name, by=amount)
        for category, part in split(amount, _weights(order)).items():
            add(self.trees["sales"], method, f"category:{category}", name, by=part)

    def _method(self, order: Fact, payment: Fact | None) -> str:
        payment = payment or self._payment_of.get(order.get("_id", ""))
        method = payment["method"] if payment else (order.get("created") or {}).get("method")
        return method or UNKNOWN

    def _within(self, instant: str | None) -> bool:
        return instant is not None and self._since <= instant < self._until


def traffic(events: Sequence[Fact]) -> Tree:
    """The tree of raw events (views, searches, cart changes)."""
    tree: Tree = {}
    for event in events:
        user, session = event.get("userId"), event.get("sessionId")
        visitor = f"u{user}" if user is not None else f"s{session}"
        if user is not None:
            add(tree, "active", str(user))
            if session is not None:
                add(tree, "links", f"s{session}", str(user))
        if event["type"] == "product.viewed":
            add(tree, "views", str(event["productId"]))
            add(tree, "viewed", visitor)
        elif event["type"] == "product.searched":
            add(tree, "searches", event["query"], "count")
            add(tree, "searches", event["query"], "zero", by=int(event["results"] == 0))
        elif event["type"] == "cart.updated" and event["action"] == "ADD":
            add(tree, "cartAdds", str(event["productId"]))
            add(tree, "carted", visitor)
    if len(searches := tree.get("searches", {})) > MAX_QUERIES:
        most = sorted(searches, key=lambda query: (-searches[query]["count"], query))[:MAX_QUERIES]
        tree["searches"] = {query: searches[query] for query in most}
    return tree


def _weights(order: Fact) -> dict[str, int]:
    """Line amounts of an order by category."""
    weights: dict[str, int] = {}
    for line in (order.get("created") or {}).get("lines", []):
        category = line["category"] or UNCATEGORISED
        weights[category] = weights.get(category, 0) + line["linePaise"]
    return weights


def _seconds(since: str, until: str) -> int:
    return int((clock.from_text(until) - clock.from_text(since)).total_seconds())
