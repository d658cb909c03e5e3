"""An analytics service on a hub of its own, and orders that tell their story as events."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx2

from revcart.analytics import app as analytics
from revcart.kit import bus, clock, events, hub, ids, testing
from tests import mongodb

ADMIN = 1
NOON = dt.datetime(2026, 1, 31, 6, 30, tzinfo=dt.UTC)  # 12:00 in Asia/Kolkata, a Saturday
CATALOGUE = {  # product id -> name, category, price in paise
    1: ("Milk", "dairy", 6200),
    2: ("Butter", "dairy", 5850),
    3: ("Bread", "bakery", 4500),
    4: ("Apple", "fruits", 18999),
    5: ("Chips", "snacks", 2000),
}
Event = tuple[str, str, dict[str, Any]]  # topic, type, data


@dataclasses.dataclass
class World:
    """Everything a test touches."""

    client: httpx2.AsyncClient
    hub: hub.Hub
    clock: clock.Manual
    identity: testing.Identity

    async def tell(self, told: Iterable[Event]) -> None:
        """Publish events, each as a new envelope."""
        await self.send([message(event) for event in told])

    async def send(self, messages: list[bus.Message]) -> None:
        """Publish, then wait until everything is counted."""
        await self.hub.bus.publish(messages)
        async with asyncio.timeout(20):
            while any((await self.hub.bus.lag("revcart.analytics")).values()):  # noqa: ASYNC110  the bus tells no end
                await asyncio.sleep(0.01)
        await self.counted()

    async def counted(self) -> None:
        """Wait for a round that began after now."""
        self.clock.advance(0.001)
        now = clock.to_text(self.clock.now())
        async with asyncio.timeout(20):
            while (await self.get("/api/analytics/dashboard"))["asOf"] != now:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.ask(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, path: str, *, headers: dict[str, str] | None = None, **params: Any) -> httpx2.Response:
        headers = {**self.identity.headers(user_id=ADMIN, role="ADMIN"), **(headers or {})}
        return await self.client.get(path, params=params, headers=headers)


@contextlib.asynccontextmanager
async def world(
    folder: Path | None = None, *, now: dt.datetime = NOON, documents_url: str | None = None
) -> AsyncIterator[World]:
    time = clock.Manual(now)
    identity = testing.Identity(time)
    embedded = hub.Hub(None, time)
    identity.install(embedded)
    settings = testing.settings(
        analytics.Settings,
        documents_url=documents_url or mongodb.url("analytics", folder),
        analytics_round_seconds=0.02,
    )
    async with embedded:
        application = analytics.create_app(settings, hub=embedded)
        async with application.router.lifespan_context(application):
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url="http://analytics") as client:
                yield World(client, embedded, time, identity)


def message(event: Event) -> bus.Message:
    """The event as it travels."""
    topic, kind, data = event
    envelope = {
        "specversion": "1.0",
        "id": ids.uuid7(),
        "source": "/revcart/test",
        "type": kind,
        "subject": "1",
        "time": clock.to_text(NOON),
        "datacontenttype": "application/json",
        "data": data,
    }
    key = str(data.get("orderId") or data.get("userId") or data.get("sessionId") or data.get("productId"))
    return bus.Message(topic=topic, key=key, value=events.encode(envelope))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """An order and what became of it. `steps`: minutes after placing, by what happened."""

    id: int
    user: int
    placed: dt.datetime
    quantities: dict[int, int]
    method: str = "RAZORPAY"
    confirmed: int | None = None
    paid: int | None = None
    delivered: int | None = None
    cancelled: int | None = None
    expired: int | None = None
    refunds: tuple[tuple[int, int], ...] = ()  # minutes, percent of the total

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [
            {
                "productId": product,
                "name": CATALOGUE[product][0],
                "category": CATALOGUE[product][1],
                "quantity": quantity,
                "unitPricePaise": CATALOGUE[product][2],
                "linePaise": CATALOGUE[product][2] * quantity,
            }
            for product, quantity in sorted(self.quantities.items())
        ]

    @property
    def subtotal(self) -> int:
        return sum(line["linePaise"] for line in self.lines)

    @property
    def tax(self) -> int:
        return self.subtotal * 18 // 100

    @property
    def total(self) -> int:
        return self.subtotal + self.tax + 3000

    @property
    def state(self) -> str:
        if self.cancelled is not None or self.expired is not None:
            return "CANCELLED"
        return "DELIVERED" if self.delivered is not None else "CONFIRMED" if self.confirmed is not None else "PENDING"

    def at(self, minutes: int) -> dt.datetime:
        return self.placed + dt.timedelta(minutes=minutes)

    def refunded(self) -> list[tuple[dt.datetime, int]]:
        return [(self.at(minutes), self.total * percent // 100) for minutes, percent in self.refunds]

    def events(self) -> list[Event]:
        """All that services say about it, in the order of happening."""
        who = {"orderId": self.id, "userId": self.user}
        payment = {**who, "paymentId": self.id + 5000, "method": self.method, "amountPaise": self.total}
        delivery = {**who, "deliveryId": self.id + 9000, "attempt": 1, "agentId": 3}
        window = {"slotId": None, "startAt": text(self.placed), "endAt": text(self.at(60))}
        created = {
            **who, "orderNumber": f"RC{self.id}", "status": "PENDING", "paymentMethod": self.method,
            "lines": self.lines, "subtotalPaise": self.subtotal, "discountPaise": 0, "taxPaise": self.tax,
            "deliveryFeePaise": 3000, "totalPaise": self.total, "currency": "INR", "couponCode": None,
            "window": window, "placedAt": text(self.placed), "expiresAt": text(self.at(15)),
        }  # fmt: skip
        told: list[Event] = [("order-events", "order.created", created)]
        told.append(("payment-events", "payment.created", {**payment, "createdAt": text(self.placed)}))
        if self.paid is not None:
            told.append(("payment-events", "payment.completed", {**payment, "completedAt": text(self.at(self.paid))}))
        if self.confirmed is not None:
            told.append(self._moved("CONFIRMED", self.confirmed))
            assigned = {**delivery, "assignedAt": text(self.at(self.confirmed + 1))}
            told.append(("analytics-events", "delivery.assigned", assigned))
        if self.delivered is not None:
            done = {**delivery, "to": "DELIVERED", "changedAt": text(self.at(self.delivered))}
            told.append(("analytics-events", "delivery.status.updated", done))
            told.append(self._moved("DELIVERED", self.delivered))
        if self.cancelled is not None:
            told.append(self._moved("CANCELLED", self.cancelled))
            told.append(("order-events", "order.cancelled", {**who, "cancelledAt": text(self.at(self.cancelled))}))
        if self.expired is not None:
            told.append(self._moved("CANCELLED", self.expired))
            told.append(("order-events", "order.expired", {**who, "expiredAt": text(self.at(self.expired))}))
        for number, (at, amount) in enumerate(self.refunded()):
            refund = {**payment, "refundId": self.id * 10 + number, "amountPaise": amount, "refundedAt": text(at)}
            told.append(("payment-events", "payment.refunded", refund))
        return told

    def _moved(self, to: str, minutes: int) -> Event:
        data = {
            "orderId": self.id, "orderNumber": f"RC{self.id}", "userId": self.user, "from": "PENDING", "to": to,
            "changedAt": text(self.at(minutes)),
        }  # fmt: skip
        return "order-events", "order.status.updated", data


def text(instant: dt.datetime) -> str:
    return clock.to_text(instant)


def rupees(paise: int) -> float:
    return paise / 100
