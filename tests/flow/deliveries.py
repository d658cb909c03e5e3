"""A delivery service on a hub of its own, with an order service that answers what a test wants."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from revcart.delivery import app as delivery
from revcart.kit import bus, clock, hub, ids, registry, testing
from revcart.kit import events as bus_events
from tests import databases

SHOP = (12.9716, 77.5946)
CUSTOMER, AGENT, OTHER_AGENT, ADMIN = 7, 21, 22, 1


@dataclasses.dataclass
class World:
    """Everything a test touches."""

    client: httpx2.AsyncClient
    hub: hub.Hub
    clock: clock.Manual
    identity: testing.Identity
    order: dict[str, Any]
    published: list[dict[str, Any]]

    def headers(self, user_id: int, role: Any) -> dict[str, str]:
        return self.identity.headers(user_id=user_id, role=role)

    async def confirmed(self, order_id: int = 900, *, cod_paise: int = 0) -> None:
        """The event that opens a request, as order sends it."""
        now = clock.to_text(self.clock.now())
        place = {
            "name": "Asha", "phone": "+919876543210", "line1": "4 Church St", "city": "Bengaluru",
            "state": "Karnataka", "postalCode": "560001", "country": "IN", "lat": 12.9750, "lng": 77.6050,
        }  # fmt: skip
        envelope = {
            "specversion": "1.0",
            "id": ids.uuid7(),
            "source": "/revcart/order",
            "type": "order.status.updated",
            "subject": str(order_id),
            "time": now,
            "data": {
                "orderId": order_id,
                "orderNumber": f"RC{order_id}",
                "userId": CUSTOMER,
                "from": "PENDING",
                "to": "CONFIRMED",
                "changedAt": now,
                "delivery": {
                    "place": place,
                    "window": {"slotId": None, "startAt": now, "endAt": now},
                    "codAmountPaise": cod_paise,
                    "itemCount": 2,
                    "weightGrams": 1500,
                },
            },
        }
        message = bus.Message(topic="order-events", key=str(order_id), value=bus_events.encode(envelope))
        await self.hub.bus.publish([message])

    async def eventually(self, path: str, headers: dict[str, str], *, status: int = 200) -> Any:
        """The answer to GET `path`, once it has `status`."""
        for _ in range(200):
            answer = await self.client.get(path, headers=headers)
            if answer.status_code == status:
                return answer.json()
            await asyncio.sleep(0.02)
        raise AssertionError(f"{path} still answers {answer.status_code}: {answer.text}")

    async def heard(self, type: str, count: int = 1) -> list[dict[str, Any]]:
        """The data of the events of `type`, once there are `count`."""
        for _ in range(200):
            found = [event["data"] for event in self.published if event["type"] == type]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"{len(found)} of {count} {type}")


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    time = clock.Manual()
    identity = testing.Identity(time)
    embedded = hub.Hub(None, time)
    identity.install(embedded)
    order: dict[str, Any] = {"status": "CONFIRMED", "codDuePaise": 0}

    async def get_order(request: Request) -> JSONResponse:
        return JSONResponse(order)

    orders = Starlette(routes=[Route("/internal/orders/{id}", get_order)])
    published: list[dict[str, Any]] = []

    async def listen(delivery: bus.Delivery) -> None:
        envelope = bus_events.decode(delivery.message.value)
        published.append({"type": envelope.type, "data": dict(envelope.data)})

    settings = testing.settings(
        delivery.Settings,
        database_url=databases.url("delivery"),
        delivery_otp_key="an-otp-key-for-tests-only",
        delivery_dispatch_seconds=0.05,
    )
    async with embedded:
        await embedded.registry.register(registry.Instance(service="order", id="o", address="asgi://order", app=orders))
        topics = ["analytics-events", "notification-events"]
        listening = await embedded.bus.subscribe("test", topics=topics, handler=listen)
        application = delivery.create_app(settings, hub=embedded)
        async with application.router.lifespan_context(application):
            transport = httpx2.ASGITransport(application)
            async with httpx2.AsyncClient(transport=transport, base_url="http://delivery") as client:
                made = World(client, embedded, time, identity, order, published)
                admin = made.headers(ADMIN, "ADMIN")
                for user_id, name in ((AGENT, "Ravi Kumar"), (OTHER_AGENT, "Meera Nair")):
                    body = {
                        "name": name, "phone": "+919800000011", "email": f"{user_id}@example.com",
                        "vehicleType": "SCOOTER", "userId": user_id,
                        "baseLat": SHOP[0] + 0.001 * (user_id - AGENT), "baseLng": SHOP[1],
                    }  # fmt: skip
                    answer = await client.post("/api/delivery/agents", json=body, headers=admin)
                    assert answer.status_code == 201, answer.text
                yield made
        await listening.close()
