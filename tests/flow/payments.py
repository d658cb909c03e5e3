"""The world of payment's tests: payment alone on a hub, order as a stub beside it, the real double over TCP."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from revcart.kit import bus, clock, events, hub, ids, registry, testing
from revcart.payment import app
from revcart.paysim import app as paysim
from revcart.paysim import testing as paysim_testing
from tests import databases

KEY_ID, KEY_SECRET, WEBHOOK_SECRET = "rzp_test_world", "key-secret-of-the-tests", "webhook-secret-of-the-tests"
CUSTOMER, STRANGER, ADMIN = 7, 8, 1
TOTAL_PAISE = 22_116


class World:
    """Everything a test touches. Amounts in paise; time stands still until `clock.advance`."""

    def __init__(self, *, api: httpx2.AsyncClient, double: httpx2.AsyncClient, shared: hub.Hub) -> None:
        self.api = api
        self.double = double
        self.hub = shared
        self.identity = testing.Identity(shared.clock)
        self.orders: dict[int, dict[str, Any]] = {}
        self.published: list[dict[str, Any]] = []

    @property
    def clock(self) -> clock.Manual:
        assert isinstance(self.hub.clock, clock.Manual)
        return self.hub.clock

    # --- what order knows

    def order(
        self, order_id: int, *, method: str = "RAZORPAY", user_id: int = CUSTOMER, total: int = TOTAL_PAISE
    ) -> int:
        self.orders[order_id] = {
            "id": order_id,
            "orderNumber": f"RC261124{order_id:06d}",
            "userId": user_id,
            "status": "PENDING",
            "paymentMethod": method,
            "totalPaise": total,
            "codDuePaise": total if method == "COD" else None,
            "expiresAt": None,
            "itemCount": 2,
        }
        return order_id

    # --- who calls

    async def post(self, path: str, body: Any, *, user_id: int = CUSTOMER, key: str | None = None) -> httpx2.Response:
        headers = self.identity.headers(user_id=user_id, role="ADMIN" if user_id == ADMIN else "CUSTOMER")
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self.api.post(f"/api/payments{path}", json=body, headers=headers)

    async def get(self, path: str, *, user_id: int = CUSTOMER, **params: Any) -> httpx2.Response:
        headers = self.identity.headers(user_id=user_id, role="ADMIN" if user_id == ADMIN else "CUSTOMER")
        return await self.api.get(f"/api/payments{path}", params=params, headers=headers)

    async def internal(self, path: str, body: Any = None, *, service: str = "order") -> httpx2.Response:
        headers = self.identity.service_headers(service, callee="payment")
        return await self.api.post(f"/internal/payments{path}", json=body, headers=headers)

    # --- steps that many tests take

    async def created(self, order_id: int, **options: Any) -> dict[str, Any]:
        """A begun payment of a new order."""
        self.order(order_id, **options)
        answer = await self.post("/create", {"orderId": order_id})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def pay(self, razorpay_order_id: str, **instrument: str) -> dict[str, Any]:
        """Pay at the double; what Checkout hands over, in our names."""
        answer = await self.double.post(f"/_sim/orders/{razorpay_order_id}/pay", json=instrument)
        assert answer.status_code == 200, answer.text
        paid = answer.json()
        return {
            "razorpayOrderId": paid["razorpay_order_id"],
            "razorpayPaymentId": paid["razorpay_payment_id"],
            "razorpaySignature": paid["razorpay_signature"],
        }

    async def paid(self, order_id: int, **options: Any) -> dict[str, Any]:
        """A paid and verified order; the Payment."""
        made = await self.created(order_id, **options)
        handed = await self.pay(made["razorpayOrderId"])
        answer = await self.post("/verify", {"orderId": order_id, **handed})
        assert answer.json() == {"verified": True, "status": "SUCCESS", "orderId": order_id}, answer.text
        return await self.payment(order_id)

    async def payment(self, order_id: int) -> dict[str, Any]:
        answer = await self.get(f"/{order_id}", user_id=ADMIN)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def refund(self, order_id: int, *, key: str, **body: Any) -> httpx2.Response:
        return await self.post("/refund", {"orderId": order_id, "reason": "test", **body}, user_id=ADMIN, key=key)

    # --- the double

    async def faults(self, **switches: Any) -> None:
        (await self.double.put("/_sim/faults", json=switches)).raise_for_status()

    async def razorpay(self, method: str, path: str, **options: Any) -> Any:
        answer = await self.double.request(method, f"/v1{path}", auth=(KEY_ID, KEY_SECRET), **options)
        answer.raise_for_status()
        return answer.json()

    async def webhooks(self, *names: str) -> list[dict[str, Any]]:
        """The double's webhooks of these events, oldest first: `{id, body}` as they would have been sent."""
        log = (await self.double.get("/_sim/webhooks")).json()
        return [row for row in reversed(log) if not names or row["event"] in names]

    async def deliver(self, webhook: dict[str, Any], *, event_id: str | None = "given") -> httpx2.Response:
        """Hand a webhook over, signed. `event_id`: None leaves the header out."""
        raw = json.dumps(webhook["body"]).encode()
        return await self.deliver_raw(raw, event_id=webhook["id"] if event_id == "given" else event_id)

    async def deliver_raw(self, raw: bytes, *, event_id: str | None, secret: str = WEBHOOK_SECRET) -> httpx2.Response:
        headers = {"X-Razorpay-Signature": hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}
        headers |= {"x-razorpay-event-id": event_id} if event_id else {}
        return await self.api.post("/api/payments/webhook", content=raw, headers=headers)

    # --- events

    async def tell(self, topic: str, type_: str, data: dict[str, Any], *, event_id: str | None = None) -> str:
        """Publish another service's event; gives its id."""
        made = {
            "specversion": "1.0",
            "id": event_id or ids.uuid7(),
            "source": "/revcart/test",
            "type": type_,
            "subject": str(data["orderId"]),
            "time": clock.to_text(self.clock.now()),
            "datacontenttype": "application/json",
            "traceparent": "",
            "data": data,
        }
        await self.hub.bus.publish([bus.Message(topic=topic, key=str(data["orderId"]), value=events.encode(made))])
        return str(made["id"])

    async def cancel(self, order_id: int, *, event_id: str | None = None) -> str:
        at = clock.to_text(self.clock.now())
        return await self.tell(
            "order-events", "order.cancelled", {"orderId": order_id, "cancelledAt": at}, event_id=event_id
        )

    async def expire(self, order_id: int) -> str:
        at = clock.to_text(self.clock.now())
        return await self.tell("order-events", "order.expired", {"orderId": order_id, "expiredAt": at})

    def events(self, type_: str, order_id: int) -> list[dict[str, Any]]:
        """The data of the events of this type that payment published about the order."""
        return [
            event["data"] for event in self.published if event["type"] == type_ and event["data"]["orderId"] == order_id
        ]

    async def until(self, condition: Callable[[], Any], *, seconds: float = 5) -> None:
        """Wait until `condition` (plain or awaitable) holds."""
        async with asyncio.timeout(seconds):
            while True:
                result = condition()
                if await result if asyncio.iscoroutine(result) else result:
                    return
                await asyncio.sleep(0.02)

    async def until_status(self, order_id: int, status: str) -> dict[str, Any]:
        async def reached() -> bool:
            return bool((await self.payment(order_id))["status"] == status)

        await self.until(reached)
        return await self.payment(order_id)

    async def until_asked(self) -> None:
        """Wait until payment has asked the double, which uses up the `latencyMs` that the test set for once."""

        async def used_up() -> bool:
            return "latencyMs" not in (await self.double.get("/_sim/faults")).json()

        await self.until(used_up)

    async def quiet(self) -> None:
        """Give events that should not exist the time they would have needed."""
        await self.settled()
        await asyncio.sleep(0.3)

    async def settled(self) -> None:
        """Wait until payment has read all that was told to it."""

        async def read() -> bool:
            return not any((await self.hub.bus.lag("revcart.payment")).values())

        await self.until(read)


def _stub_of_order(world: World) -> FastAPI:
    stub = FastAPI()

    @stub.get("/internal/orders/{order_id}")
    async def order(order_id: int) -> Any:
        found = world.orders.get(order_id)
        if found is None:
            return JSONResponse({"code": "resource.not-found", "status": 404, "detail": "Not found"}, status_code=404)
        return found

    @stub.post("/internal/orders/{order_id}/refund-quote")
    async def refund_quote(order_id: int, body: dict[str, Any]) -> Any:
        return {"amountPaise": sum(1_000 * line["quantity"] for line in body["lines"])}

    return stub


@contextlib.asynccontextmanager
async def world(folder: Path, *, webhooks: bool = False, **settings: Any) -> AsyncIterator[World]:
    """A world whose files lie in `folder`. With `webhooks` the double delivers its webhooks by itself."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    double = paysim.Settings(
        database_url=f"sqlite:///{folder}/paysim.db",
        key_id=KEY_ID,
        key_secret=KEY_SECRET,
        webhook_url=f"{address}/api/payments/webhook" if webhooks else "",
        webhook_secret=WEBHOOK_SECRET,
        webhook_retry_seconds=0.2,
        advance_seconds=0.05,
    )
    async with contextlib.AsyncExitStack() as stack:
        double_url = await asyncio.to_thread(stack.enter_context, paysim_testing.served(paysim.create_app(double)))
        shared = await stack.enter_async_context(hub.Hub(None, clock.Manual()))
        identity = testing.Identity(shared.clock)
        identity.install(shared)
        configured = testing.settings(
            app.Settings,
            **{
                "database_url": databases.url("payment", folder),
                "payment_razorpay_url": double_url,
                "payment_razorpay_seconds": 1.0,
                "payment_key_id": KEY_ID,
                "payment_key_secret": KEY_SECRET,
                "payment_webhook_secrets": [WEBHOOK_SECRET, "the-one-before"],
                "payment_reconcile_seconds": 0.2,
                **settings,
            },
        )
        await stack.enter_async_context(_served(app.create_app(configured, hub=shared), listening))
        made = World(
            api=await stack.enter_async_context(httpx2.AsyncClient(base_url=address, timeout=15)),
            double=await stack.enter_async_context(httpx2.AsyncClient(base_url=double_url, timeout=15)),
            shared=shared,
        )
        stub = registry.Instance(service="order", id="order-stub", address="asgi://order", app=_stub_of_order(made))
        await shared.registry.register(stub)

        async def collect(delivery: bus.Delivery) -> None:
            made.published.append(json.loads(delivery.message.value))

        subscription = await shared.bus.subscribe("test", topics=["payment-events"], handler=collect)
        try:
            yield made
        finally:
            await subscription.close()


@contextlib.asynccontextmanager
async def _served(application: FastAPI, listening: socket.socket) -> AsyncIterator[None]:
    """Payment over TCP in this event loop, so that it shares the test's hub."""
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=2))
    running = asyncio.create_task(server._serve(sockets=[listening]))
    while not server.started:
        assert not running.done(), "payment did not start"
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await running
        listening.close()
