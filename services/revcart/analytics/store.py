"""Every document of analytics: facts as they came, the buckets that wait to be counted, and the counted rollups.

| collection | `_id` |
|---|---|
| `order_facts`, `payment_facts`, `refund_facts`, `user_facts`, `product_facts`, `low_stock` | the thing's own id |
| `payment_failures`, `delivery_facts` | `<id>:<attempt>` |
| `notification_facts` | `<notificationId>:<channel>` |
| `events` | event id: views, searches and cart changes |
| `dirty` | `family:interval:start`, what must be counted again |
| `rollups` | `kind:interval:start` |
| `checkpoints` | `rollups`: when the last round ended |

Ids are texts; so is every user id inside a fact (after an erasure it is a random one).
"""

import asyncio
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from revcart.analytics import calendar, counting, domain
from revcart.kit import clock, documents, ids

_CHUNK = 400  # values of one `$in`
_LEASE = dt.timedelta(seconds=60)
_BATCH = 200
Fact = documents.Document


class Store:
    """See the table above. Instants are stored as texts that sort."""

    def __init__(self, store: documents.Documents) -> None:
        self._orders = store.collection("order_facts")
        self._payments = store.collection("payment_facts")
        self._refunds = store.collection("refund_facts")
        self._failures = store.collection("payment_failures")
        self._deliveries = store.collection("delivery_facts")
        self._users = store.collection("user_facts")
        self._products = store.collection("product_facts")
        self._notifications = store.collection("notification_facts")
        self._events = store.collection("events")
        self._low_stock = store.collection("low_stock")
        self._dirty = store.collection("dirty")
        self._rollups = store.collection("rollups")
        self._checkpoints = store.collection("checkpoints")
        self._index()

    def _index(self) -> None:
        dated = {
            self._orders: ["created.at", "confirmedAt", "deliveredAt", "cancelledAt", "expiredAt"],
            self._payments: ["completedAt"],
            self._refunds: ["at"],
            self._failures: ["at"],
            self._deliveries: ["deliveredAt", "failedAt"],
            self._users: ["registeredAt"],
            self._notifications: ["sentAt", "failedAt"],
            self._events: ["at"],
        }
        self._dated = dated
        for collection, fields in dated.items():
            for field in fields:
                collection.index([field])
        for collection in (self._payments, self._refunds, self._failures, self._deliveries):
            collection.index(["orderId"])
        for collection in self._personal:
            collection.index(["userId"])
        self._refunds.index(["paymentId"])
        self._orders.index(["status"])
        self._rollups.index(["kind", "interval", "start"])
        self._dirty.index(["interval", "start"])
        for collection in (self._events, self._notifications):
            for field in dated[collection]:
                collection.expire(field, after=domain.EVENTS_KEPT)
        self._low_stock.expire("since", after=domain.LOW_STOCK_KEPT)  # of the rollups only hours go: `forget` does it

    @property
    def _personal(self) -> tuple[documents.Collection, ...]:
        return (
            self._orders, self._payments, self._refunds, self._failures, self._deliveries, self._notifications,
            self._events,
        )  # fmt: skip

    # Facts: each event sets its own fields, so that repeats and any order of arrival end in the same document.

    async def order(self, order_id: str, fields: Mapping[str, Any]) -> None:
        await self._orders.update({"_id": order_id}, {"$set": fields}, upsert=True)

    async def order_status(self, order_id: str, status: str, *, at: str) -> None:
        """The status, unless a later one is known; of two at one instant the further one counts."""
        rank = domain.ORDER_STATES.index(status) if status in domain.ORDER_STATES else 0
        mark = f"{at}/{rank}"
        newer = {"_id": order_id, "$or": [{"statusAt": None}, {"statusAt": {"$lt": mark}}]}
        await self._orders.update(newer, {"$set": {"status": status, "statusAt": mark}}, upsert=True)

    async def payment(self, payment_id: str, fields: Mapping[str, Any]) -> None:
        await self._payments.update({"_id": payment_id}, {"$set": fields}, upsert=True)

    async def payment_failure(self, failure: Fact) -> None:
        await self._failures.put(failure)

    async def refund(self, refund: Fact) -> None:
        await self._refunds.put(refund)

    async def delivery(self, delivery_id: str, fields: Mapping[str, Any], *, assigned_at: str | None = None) -> None:
        """One attempt of a delivery; of several assignments the first counts."""
        await self._deliveries.update({"_id": delivery_id}, {"$set": fields}, upsert=True)
        if assigned_at is not None:
            earlier = {"_id": delivery_id, "$or": [{"assignedAt": None}, {"assignedAt": {"$gt": assigned_at}}]}
            await self._deliveries.update(earlier, {"$set": {"assignedAt": assigned_at}})

    async def user(self, user: Fact) -> None:
        await self._users.put(user)

    async def product(self, product_id: str, *, name: str, category: str | None, at: str) -> None:
        """How a product is called, as last heard."""
        newer = {"_id": product_id, "$or": [{"at": None}, {"at": {"$lt": at}}]}
        await self._products.update(newer, {"$set": {"name": name, "category": category, "at": at}}, upsert=True)

    async def notification(self, notification_id: str, fields: Mapping[str, Any]) -> list[str]:
        """A message on one channel. Gives every instant at which it is counted."""
        fact = await self._notifications.update({"_id": notification_id}, {"$set": fields}, upsert=True)
        return self._instants(fact or {})

    async def event(self, event: Fact) -> None:
        await self._events.put(event, if_absent=True)

    async def low_stock(self, product_id: str, fields: Mapping[str, Any], *, since: str) -> None:
        newer = {"_id": product_id, "$or": [{"since": None}, {"since": {"$lt": since}}]}
        await self._low_stock.update(newer, {"$set": {**fields, "since": since}}, upsert=True)

    async def instants_of(self, order_id: str) -> list[str]:
        """Every instant at which something of an order is counted."""
        by_order = {"orderId": order_id}
        order, payments, refunds, deliveries = await asyncio.gather(
            self._orders.get(order_id), self._payments.find(by_order), self._refunds.find(by_order),
            self._deliveries.find(by_order),
        )  # fmt: skip
        facts = [*payments, *refunds, *deliveries, *([order] if order else [])]
        return sorted({instant for fact in facts for instant in self._instants(fact)})

    def _instants(self, fact: Fact) -> list[str]:
        fields = {field for fields in self._dated.values() for field in fields if field != "created.at"}
        found = [fact.get(field) for field in fields] + [(fact.get("created") or {}).get("at")]
        return [instant for instant in found if instant]

    # What must be counted again

    async def mark(self, family: str, interval: str, start: str) -> None:
        """Note that a bucket is out of date. The fresh token tells a count that began before from one that knows."""
        bucket = {"family": family, "interval": interval, "start": start}
        await self._dirty.update(
            {"_id": f"{family}:{interval}:{start}"},
            {"$set": {**bucket, "token": ids.uuid7()}},
            upsert=True,
        )

    async def lease(self, interval: str, *, now: dt.datetime) -> list[Fact]:
        """Up to 200 buckets that are out of date and that nobody else is counting, oldest first; ours for a minute."""
        free = {"interval": interval, "$or": [{"leasedUntil": None}, {"leasedUntil": {"$lt": clock.to_text(now)}}]}
        until = {"$set": {"leasedUntil": clock.to_text(now + _LEASE)}}
        waiting = await self._dirty.find(free, sort=[("start", False)], limit=_BATCH)
        leased = [await self._dirty.update({"_id": bucket["_id"], **free}, until) for bucket in waiting]
        return [bucket for bucket in leased if bucket is not None]

    async def done(self, bucket: Fact) -> None:
        """A leased bucket is counted; when it was marked meanwhile it stays, free for the next round."""
        if not await self._dirty.delete({"_id": bucket["_id"], "token": bucket["token"]}):
            await self._dirty.update({"_id": bucket["_id"]}, {"$unset": {"leasedUntil": ""}})

    # Rollups

    async def put_rollup(self, kind: str, interval: str, *, start: str, tree: counting.Tree, at: dt.datetime) -> None:
        await self._rollups.put(
            {
                "_id": f"{kind}:{interval}:{start}",
                "kind": kind,
                "interval": interval,
                "start": start,
                "numbers": tree,
                "computedAt": clock.to_text(at),
            }
        )

    async def rollups(self, kind: str, interval: str, *, since: str = "", until: str = "9") -> dict[str, counting.Tree]:
        """Start -> tree of the buckets from `since` until before `until`."""
        found = await self._rollups.find(
            {"kind": kind, "interval": interval, "start": {"$gte": since, "$lt": until}}, sort=[("start", False)]
        )
        return {rollup["start"]: rollup["numbers"] for rollup in found}

    async def as_of(self) -> dt.datetime | None:
        """Up to when everything heard has been counted."""
        checkpoint = await self._checkpoints.get("rollups")
        return clock.from_text(checkpoint["asOf"]) if checkpoint else None

    async def set_as_of(self, instant: dt.datetime) -> None:
        await self._checkpoints.put({"_id": "rollups", "asOf": clock.to_text(instant)})

    async def facts(self, since: str, until: str) -> counting.Facts:
        """What happened from `since` until before `until`, with all there is about the orders concerned."""
        orders, payments, refunds, failures, deliveries, users, notifications = await asyncio.gather(
            *(
                self._between(collection, since, until)
                for collection in (
                    self._orders, self._payments, self._refunds, self._failures, self._deliveries, self._users,
                    self._notifications,
                )
            )
        )  # fmt: skip
        concerned = sorted(
            {*orders, *(f["orderId"] for part in (payments, refunds, deliveries) for f in part.values())}
        )
        orders |= await self._in(self._orders, "_id", concerned)
        payments |= await self._in(self._payments, "orderId", concerned)
        refunds |= await self._in(self._refunds, "paymentId", sorted(payments))
        return counting.Facts(
            orders=list(orders.values()),
            payments=list(payments.values()),
            refunds=list(refunds.values()),
            failures=list(failures.values()),
            deliveries=list(deliveries.values()),
            users=list(users.values()),
            notifications=list(notifications.values()),
        )

    async def events(self, since: str, until: str) -> list[Fact]:
        """The raw events from `since` until before `until`."""
        return list((await self._between(self._events, since, until)).values())

    async def instants_between(self, family: str, since: str, until: str) -> list[str]:
        """Instants at which something is counted, or was: from `since` until before `until`."""
        collections = (self._events,) if family == "traffic" else tuple(c for c in self._dated if c is not self._events)
        found: set[str] = set()
        for collection in collections:
            facts = (await self._between(collection, since, until)).values()
            found |= {instant for fact in facts for instant in self._instants(fact)}
        for kind in ("traffic",) if family == "traffic" else counting.SHOP:
            found |= (await self.rollups(kind, "hour", since=since, until=until)).keys()
        return sorted(instant for instant in found if since <= instant < until)

    async def _between(self, collection: documents.Collection, since: str, until: str) -> dict[str, Fact]:
        found: dict[str, Fact] = {}
        for field in self._dated[collection]:
            part = await collection.find({field: {"$gte": since, "$lt": until}})
            found |= {fact["_id"]: fact for fact in part}
        return found

    @staticmethod
    async def _in(collection: documents.Collection, field: str, values: Sequence[str]) -> dict[str, Fact]:
        found: dict[str, Fact] = {}
        for chunk in _batched(values):
            found |= {fact["_id"]: fact for fact in await collection.find({field: {"$in": list(chunk)}})}
        return found

    # What reports ask beside rollups

    async def paid_orders_of(self, users: Iterable[str]) -> dict[str, list[str]]:
        """User -> instants of all paid orders ever, earliest first."""
        paid: dict[str, list[str]] = {}
        for payment in (await self._in(self._payments, "userId", sorted(users))).values():
            if completed := payment.get("completedAt"):
                paid.setdefault(payment["userId"], []).append(completed)
        return {user: sorted(instants) for user, instants in paid.items()}

    async def names_of(self, products: Iterable[str]) -> dict[str, Fact]:
        return await self._in(self._products, "_id", sorted(products))

    async def low_stock_since(self, since: str) -> list[Fact]:
        return await self._low_stock.find({"since": {"$gte": since}}, sort=[("available", False)])

    async def totals(self) -> tuple[int, int, dict[str, int]]:
        """Orders ever placed, users ever registered, orders by status."""
        counts = await asyncio.gather(
            self._orders.count({"created": {"$exists": True}}),
            self._users.count(),
            *(self._orders.count({"status": status}) for status in domain.ORDER_STATES),
        )
        return counts[0], counts[1], dict(zip(domain.ORDER_STATES, counts[2:], strict=True))

    # Personal data and age

    async def export(self, user: str) -> dict[str, list[Fact]]:
        """All that is kept under a user id."""
        names = ("orders", "payments", "refunds", "failures", "deliveries", "notifications", "events")
        parts = await asyncio.gather(*(collection.find({"userId": user}) for collection in self._personal))
        registered = await self._users.get(user)
        return {**dict(zip(names, parts, strict=True)), "registration": [registered] if registered else []}

    async def replace_user(self, user: str, other: str) -> list[tuple[str, str]]:
        """Put another id in place of a user's. Gives (family, instant) of what must be counted again."""
        changed: list[tuple[str, str]] = []
        for collection in self._personal:
            family = "traffic" if collection is self._events else "shop"
            while fact := await collection.update({"userId": user}, {"$set": {"userId": other}}):
                changed.extend((family, instant) for instant in self._instants(fact))
        if registered := await self._users.get(user):
            await self._users.put({**registered, "_id": other})
            await self._users.delete({"_id": user})
            changed.extend(("shop", instant) for instant in self._instants(registered))
        return changed

    async def forget(self, now: dt.datetime) -> None:
        """Drop what is past its time."""
        events_since = clock.to_text(now - domain.EVENTS_KEPT)
        await self._events.delete({"at": {"$lt": events_since}})
        for field in self._dated[self._notifications]:
            await self._notifications.delete({field: {"$lt": events_since}})
        hours_since = clock.to_text(now - domain.HOURS_KEPT - calendar.DAY)
        await self._rollups.delete({"interval": "hour", "start": {"$lt": hours_since}})
        await self._low_stock.delete({"since": {"$lt": clock.to_text(now - domain.LOW_STOCK_KEPT)}})


def _batched(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
