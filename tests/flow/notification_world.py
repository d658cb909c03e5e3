"""A notification service on a hub of its own, served by uvicorn; user and order answer what a test wants."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from cryptography import fernet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from websockets.asyncio import client

from revcart.kit import bus, clock, events, hub, ids, registry, testing, tokens
from revcart.notification import app as notification
from revcart.notification import store
from revcart.stomp import frames, parser
from tests import mongodb

CUSTOMER, OTHER, AGENT, OTHER_AGENT, ADMIN = 7, 8, 21, 22, 1
ORDER = 900
LINE = {
    "productId": 3,
    "name": "Butter",
    "category": "Dairy",
    "quantity": 2,
    "unitPricePaise": 9000,
    "linePaise": 18000,
}
WINDOW = {"slotId": None, "startAt": "2026-01-31T09:00:00.000Z", "endAt": "2026-01-31T11:00:00.000Z"}
ACTOR = {"kind": "SYSTEM", "id": None}
AT = "2026-01-31T09:05:00.000Z"
TOPICS = {"order": "order-events", "payment": "payment-events", "notification": "notification-events"}

# One example of every type that notification reads, as the contract lists the fields.
EXAMPLES: dict[str, dict[str, Any]] = {
    "order.created": {
        "orderId": ORDER, "orderNumber": "RC-900", "userId": CUSTOMER, "status": "PENDING",
        "paymentMethod": "RAZORPAY", "lines": [LINE], "subtotalPaise": 18000, "discountPaise": 0, "taxPaise": 3240,
        "deliveryFeePaise": 3000, "totalPaise": 24240, "currency": "INR", "couponCode": None, "reservationId": "r1",
        "window": WINDOW, "placedAt": AT, "expiresAt": AT,
    },
    "order.status.updated": {
        "orderId": ORDER, "orderNumber": "RC-900", "userId": CUSTOMER, "from": "PENDING", "to": "CONFIRMED",
        "reason": None, "actor": ACTOR, "changedAt": AT, "delivery": None,
    },
    "order.cancelled": {
        "orderId": ORDER, "orderNumber": "RC-900", "userId": CUSTOMER, "previousStatus": "CONFIRMED",
        "reason": "CUSTOMER_REQUEST", "comment": None, "actor": ACTOR, "paymentMethod": "RAZORPAY", "paid": True,
        "refundPaise": 24240, "lines": [LINE], "reservationId": "r1", "couponCode": None, "window": WINDOW,
        "cancelledAt": AT,
    },
    "order.expired": {
        "orderId": ORDER, "orderNumber": "RC-900", "userId": CUSTOMER, "lines": [LINE], "reservationId": "r1",
        "couponCode": None, "window": WINDOW, "totalPaise": 24240, "expiredAt": AT,
    },
    "payment.completed": {
        "paymentId": 5, "orderId": ORDER, "userId": CUSTOMER, "method": "RAZORPAY", "instrument": "upi",
        "amountPaise": 24240, "currency": "INR", "razorpayPaymentId": "pay_1", "via": "VERIFY", "late": False,
        "completedAt": AT,
    },
    "payment.failed": {
        "paymentId": 5, "orderId": ORDER, "userId": CUSTOMER, "method": "RAZORPAY", "amountPaise": 24240,
        "attempt": 1, "code": "BAD_REQUEST_ERROR", "description": "declined", "retryable": True, "failedAt": AT,
    },
    "payment.refunded": {
        "paymentId": 5, "refundId": 2, "orderId": ORDER, "userId": CUSTOMER, "amountPaise": 9000,
        "totalRefundedPaise": 9000, "full": False, "reason": "ITEM_MISSING", "razorpayRefundId": "rfnd_1",
        "refundedAt": AT,
    },
    "delivery.assigned": {
        "deliveryId": 40, "orderId": ORDER, "userId": CUSTOMER, "agentId": 4, "agentUserId": AGENT,
        "agentName": "Ravi", "vehicleType": "SCOOTER", "batchId": None, "sequence": None, "attempt": 1, "etaAt": AT,
        "previousAgentId": None, "assignedAt": AT,
    },
    "delivery.status.updated": {
        "deliveryId": 40, "orderId": ORDER, "userId": CUSTOMER, "agentId": 4, "from": "IN_TRANSIT", "to": "FAILED",
        "reason": "CUSTOMER_UNAVAILABLE", "attempt": 1, "etaAt": None, "proof": None, "codCollectedPaise": None,
        "actor": ACTOR, "changedAt": AT,
    },
    "delivery.location.updated": {
        "deliveryId": 40, "orderId": ORDER, "userId": CUSTOMER, "agentId": 4, "lat": 12.97, "lng": 77.59,
        "accuracyMetres": 12, "heading": None, "speedKmph": 18.0, "etaAt": AT, "remainingMetres": 900,
        "recordedAt": AT,
    },
    "user.registered": {
        "userId": CUSTOMER, "email": "asha@example.org", "name": "Asha Rao", "phone": "+919876543210",
        "role": "CUSTOMER", "via": "PASSWORD", "locale": None, "registeredAt": AT,
    },
    "stock.low": {
        "productId": 3, "name": "Butter", "category": "Dairy", "available": 2, "threshold": 5, "at": AT,
    },
}  # fmt: skip


def secret(**content: str) -> str:
    """A `secret` as auth and delivery make it."""
    return fernet.Fernet(testing.EVENTS_KEY).encrypt(json.dumps(content).encode()).decode()


def request(template: str, dedupe_key: str, **fields: Any) -> dict[str, Any]:
    """The data of a `notification.requested`."""
    empty = ("userId", "recipient", "audience", "channels", "locale", "secret", "expiresAt")
    return {**dict.fromkeys(empty), "template": template, "dedupeKey": dedupe_key, "data": {}, **fields}


def envelope(type: str, data: dict[str, Any], *, at: str = AT) -> dict[str, Any]:
    """A CloudEvents envelope as every service makes it."""
    return {
        "specversion": "1.0",
        "id": ids.uuid7(),
        "source": "/revcart/test",
        "type": type,
        "subject": "1",
        "time": at,
        "datacontenttype": "application/json",
        "traceparent": "",
        "data": data,
    }


class Screen:
    """A browser's STOMP connection."""

    def __init__(self, socket: client.ClientConnection) -> None:
        self.socket = socket
        self._parser = parser.Parser()

    async def send(self, command: str, *headers: str, body: str = "") -> None:
        await self.socket.send("\n".join([command, *headers, "", body]) + "\0")

    async def next(self, command: str) -> frames.Frame:
        """The next frame, which has to be of this command."""
        while (frame := self._parser.next_frame()) is None:
            self._parser.feed(str(await asyncio.wait_for(self.socket.recv(), 10)).encode())
        if frame.command == "CONNECTED":
            self._parser.version = "1.2"
        assert frame.command == command, frame
        return frame

    async def subscribe(self, destination: str, id: str = "1") -> None:
        await self.send("SUBSCRIBE", f"id:{id}", f"destination:{destination}", f"receipt:{id}")
        await self.next("RECEIPT")

    async def message(self) -> dict[str, Any]:
        frame = await self.next("MESSAGE")
        body: dict[str, Any] = json.loads(frame.body)
        return body

    async def refusal(self, destination: str) -> str:
        """Subscribe to what is not allowed: the ERROR's message; the connection is then closed with 1008."""
        await self.send("SUBSCRIBE", "id:1", f"destination:{destination}")
        error = await self.next("ERROR")
        await asyncio.wait_for(self.socket.wait_closed(), 10)
        assert self.socket.close_code == 1008
        return error.get("message") or ""


@dataclasses.dataclass
class World:
    """Everything a test touches. `contacts`: what user answers, None = user is away; `orders`: what order answers."""

    client: httpx2.AsyncClient
    url: str
    hub: hub.Hub
    clock: clock.Manual
    identity: testing.Identity
    contacts: dict[int, dict[str, Any]]
    orders: dict[int, dict[str, Any]]
    asked: list[int]
    published: list[dict[str, Any]]
    store: store.Store
    settings: notification.Settings

    def headers(self, user_id: int = CUSTOMER, role: tokens.Role = "CUSTOMER") -> dict[str, str]:
        return self.identity.headers(user_id=user_id, role=role)

    @property
    def admin(self) -> dict[str, str]:
        return self.headers(ADMIN, "ADMIN")

    async def happens(self, type: str, *, at: str | None = None, **changes: Any) -> dict[str, Any]:
        """Publish the example of `type` with some fields changed; the envelope."""
        made = envelope(type, {**EXAMPLES.get(type, {}), **changes}, at=at or clock.to_text(self.clock.now()))
        await self.publish(made)
        return made

    async def requested(self, template: str, dedupe_key: str, **fields: Any) -> dict[str, Any]:
        return await self.happens("notification.requested", **request(template, dedupe_key, **fields))

    async def publish(self, made: dict[str, Any]) -> None:
        await publish(self.hub, made)

    async def notifications(
        self, user_id: int = CUSTOMER, role: tokens.Role = "CUSTOMER", query: str = ""
    ) -> list[Any]:
        answer = await self.client.get(f"/api/notifications{query}", headers=self.headers(user_id, role))
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["content"]
        return found

    async def listed(self, type: str, user_id: int = CUSTOMER, role: tokens.Role = "CUSTOMER") -> dict[str, Any]:
        """The newest notification of `type`, once it is there."""

        async def find() -> Any:
            return await self.notifications(user_id, role, f"?type={type}")

        found: dict[str, Any] = (await eventually(find, bool))[0]
        return found

    async def mail(self, template: str, channel: str = "EMAIL", count: int = 1) -> list[dict[str, Any]]:
        """The messages of `template` in the mailbox, once there are `count`."""

        async def find() -> list[dict[str, Any]]:
            answer = await self.client.get(f"/api/notifications/dev/mailbox?channel={channel}", headers=self.admin)
            assert answer.status_code == 200, answer.text
            return [each for each in answer.json() if each["template"] == template]

        found: list[dict[str, Any]] = await eventually(find, lambda found: len(found) >= count)
        return found

    async def heard(self, type: str, count: int = 1) -> list[dict[str, Any]]:
        """The data of what notification published, once there are `count`."""

        async def find() -> list[dict[str, Any]]:
            return [event["data"] for event in self.published if event["type"] == type]

        found: list[dict[str, Any]] = await eventually(find, lambda found: len(found) >= count)
        return found

    async def settled(self) -> None:
        """Wait until every event so far is handled."""

        async def lag() -> int:
            return sum((await self.hub.bus.lag("revcart.notification")).values())

        await eventually(lag, lambda count: count == 0)

    @contextlib.asynccontextmanager
    async def screen(
        self, user_id: int = CUSTOMER, role: tokens.Role = "CUSTOMER", **token: Any
    ) -> AsyncIterator[Screen]:
        """A connected STOMP client of a user."""
        signed = self.identity.token(user_id=user_id, role=role, **token)
        async with self.socket() as opened:
            await opened.send("CONNECT", "accept-version:1.2", f"Authorization:Bearer {signed}")
            assert (await opened.next("CONNECTED")).get("user-name") == str(user_id)
            yield opened

    @contextlib.asynccontextmanager
    async def socket(self) -> AsyncIterator[Screen]:
        """A STOMP client that has not connected yet."""
        address = self.url.replace("http", "ws") + "/ws/websocket"
        async with client.connect(address, subprotocols=["v12.stomp"]) as opened:  # type: ignore[list-item]
            yield Screen(opened)


async def publish(shared: hub.Hub, made: dict[str, Any]) -> None:
    """Put an envelope on its topic."""
    topic = TOPICS.get(made["type"].split(".")[0], "analytics-events")
    key = str(made["data"].get("orderId") or made["data"].get("userId") or 0)
    await shared.bus.publish([bus.Message(topic=topic, key=key, value=events.encode(made))])


async def eventually(find: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
    """What `find` gives, once it is `good`."""
    found = None
    for _ in range(300):
        found = await find()
        if good(found):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {found!r}")


@contextlib.asynccontextmanager
async def world(folder: Path | None = None, **settings: Any) -> AsyncIterator[World]:
    """`folder`: keep the documents there (or in a database that goes with it); `documents_url` overrules it."""
    time = clock.Manual()
    identity = testing.Identity(time)
    embedded = hub.Hub(None, time)
    identity.install(embedded)
    contacts: dict[int, dict[str, Any]] = {}
    orders: dict[int, dict[str, Any]] = {}
    asked: list[int] = []
    published: list[dict[str, Any]] = []

    async def contact(request: Request) -> JSONResponse:
        asked.append(int(request.path_params["id"]))
        return _found(contacts, request)

    async def order(request: Request) -> JSONResponse:
        return _found(orders, request)

    async def listen(delivery: bus.Delivery) -> None:
        heard = events.decode(delivery.message.value)
        if heard.source == "/revcart/notification":
            published.append({"type": heard.type, "data": dict(heard.data)})

    fakes = {
        "user": Route("/internal/users/{id:int}/contact", contact),
        "order": Route("/internal/orders/{id:int}", order),
    }
    quick = {"notification_dispatch_seconds": 0.05, "notification_relay_seconds": 0.05}
    made = testing.settings(
        notification.Settings,
        **{"documents_url": mongodb.url("notification", folder), **quick, **settings},
    )
    async with embedded:
        for name, route in fakes.items():
            app = Starlette(routes=[route])
            await embedded.registry.register(
                registry.Instance(service=name, id=name, address=f"asgi://{name}", app=app)
            )
        listening = await embedded.bus.subscribe("test", topics=["notification-events"], handler=listen)
        application = notification.create_app(made, hub=embedded)
        async with _served(application) as url, httpx2.AsyncClient(base_url=url) as http:
            kept: store.Store = application.state.ports.store
            yield World(http, url, embedded, time, identity, contacts, orders, asked, published, kept, made)
        await listening.close()


@contextlib.asynccontextmanager
async def replica(first: World) -> AsyncIterator[World]:
    """A second notification service on the same hub and documents."""
    async with _served(notification.create_app(first.settings, hub=first.hub)) as url:
        yield dataclasses.replace(first, url=url)


@contextlib.asynccontextmanager
async def _served(app: Any) -> AsyncIterator[str]:
    """The address of a running uvicorn."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve())

    async def started() -> bool:
        assert not running.done(), "uvicorn did not start"
        return server.started

    try:
        await eventually(started, bool)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


def _found(known: dict[int, dict[str, Any]], request: Request) -> JSONResponse:
    found = known.get(int(request.path_params["id"]))
    if found is None:
        return JSONResponse({"code": "resource.not-found", "detail": "Not found."}, 404)
    return JSONResponse(found, found.get("status_code", 200))


def contact(user_id: int = CUSTOMER, **changes: Any) -> dict[str, Any]:
    """What user answers about a verified customer."""
    return {
        "userId": user_id,
        "name": "Asha Rao",
        "email": "asha@example.org",
        "emailVerified": True,
        "phone": "+919876543210",
        "locale": "en",
        "role": "CUSTOMER",
        **changes,
    }
