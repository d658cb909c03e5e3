"""The world of the product tests: the product service alone on a hub, a clock that the test moves, events recorded."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import redis.asyncio as redis
from redis.asyncio import retry
from redis.backoff import NoBackoff

from revcart.kit import bus, clock, events, hub, testing
from revcart.product import app as product_app
from tests import databases


@dataclasses.dataclass
class Groceries:
    """A client of product, and who may call it."""

    clock: clock.Manual
    hub: hub.Hub
    client: httpx2.AsyncClient
    recorder: testing.Recorder
    identity: testing.Identity
    app: Any

    @property
    def admin(self) -> dict[str, str]:
        return self.identity.headers(user_id=1, role="ADMIN")

    @property
    def order(self) -> dict[str, str]:
        return self.identity.service_headers("order", callee="product")

    async def add(self, name: str, *, sku: str | None = None, **fields: Any) -> dict[str, Any]:
        """A new product, ten in stock unless said otherwise; the Product."""
        body = {
            "sku": sku or f"SKU-{name.replace(' ', '-')}"[:40],
            "name": name,
            "category": "dairy",
            "price": 50,
            "stock": 10,
            **fields,
        }
        answer = await self.client.post("/api/products", json=body, headers=self.admin)
        assert answer.status_code == 201, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def stock(self, product_id: int) -> int:
        """What may be bought of a product."""
        answer = await self.client.get(f"/api/products/{product_id}/stock")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["stock"])

    async def counted(self, product_id: int) -> tuple[int, int]:
        """On hand and reserved."""
        body = {"delta": 0, "reason": "COUNT"}
        answer = await self.client.post(f"/api/products/{product_id}/stock", json=body, headers=self.admin)
        assert answer.status_code == 200, answer.text
        return answer.json()["onHand"], answer.json()["reserved"]

    async def ledger(self, product_id: int) -> list[dict[str, Any]]:
        """All movements of a product, oldest first."""
        answer = await self.client.get(f"/api/products/{product_id}/stock/ledger?size=100", headers=self.admin)
        assert answer.status_code == 200, answer.text
        return list(reversed(answer.json()["content"]))

    async def check_ledger(self, product_id: int) -> None:
        """The ledger's sums are the columns."""
        on_hand, reserved = await self.counted(product_id)
        rows = await self.ledger(product_id)
        assert sum(row["onHandDelta"] for row in rows) == on_hand
        assert sum(row["reservedDelta"] for row in rows) == reserved
        assert 0 <= reserved <= on_hand

    async def reserve(self, *lines: tuple[int, int], reference: str = "ref-1", **fields: Any) -> httpx2.Response:
        """Hold (product id, quantity)."""
        wanted = [{"productId": number, "quantity": quantity} for number, quantity in lines]
        body = {"reference": reference, "userId": 7, "lines": wanted, **fields}
        return await self.client.post("/internal/stock/reservations", json=body, headers=self.order)

    async def decide(self, reservation_id: int, verb: str, **body: Any) -> httpx2.Response:
        """`commit` or `release`."""
        path = f"/internal/stock/reservations/{reservation_id}/{verb}"
        return await self.client.post(path, json=body, headers=self.order)

    async def state(self, reservation_id: int) -> str:
        answer = await self.client.get(f"/internal/stock/reservations/{reservation_id}", headers=self.order)
        return str(answer.json()["state"])

    async def hear(self, payload: events.Payload) -> None:
        """Publish an event of another service."""
        envelope = events.envelope(payload, service="order", time=self.clock.now())
        message = bus.Message(
            topic=payload.fact.topic,
            key=payload.message_key(),
            value=events.encode(envelope),
            headers=events.HEADERS,
        )
        await self.hub.bus.publish([message])


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what workers and consumers do in the background."""
    for _ in range(250):
        if await reached():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen within 5 s")


class _Away:
    """A cache that is not there."""

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def client(self) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=1, retry=retry.Retry(NoBackoff(), 0))


@contextlib.asynccontextmanager
async def opened(
    *, cache_is_away: bool = False, database_url: str | None = None, **values: Any
) -> AsyncIterator[Groceries]:
    """The service running; `values` are its settings."""
    time = clock.Manual()
    identity = testing.Identity(time)
    shared = hub.Hub(None, time)
    identity.install(shared)
    if cache_is_away:
        shared.cache = _Away()  # type: ignore[assignment]
    settings = testing.settings(
        product_app.Settings,
        **{
            "database_url": database_url or databases.url("product"),
            "product_sweep_seconds": 0.05,
            **values,
        },
    )
    async with shared:
        app = product_app.create_app(settings, hub=shared)
        async with testing.serving(app) as client, testing.Recorder(shared.bus) as recorder:
            yield Groceries(clock=time, hub=shared, client=client, recorder=recorder, identity=identity, app=app)
