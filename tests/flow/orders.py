"""The order service on a hub of its own; the five services it calls are small doubles that a test can bend."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from revcart.kit import bus, clock, events, hub, registry, testing
from revcart.order import app as order
from tests import databases

CUSTOMER, STRANGER, ADMIN = 7, 8, 1
START = dt.datetime(2026, 1, 31, 4, 0, tzinfo=dt.UTC)  # 09:30 in the shop

ADDRESS = {
    "label": "HOME",
    "name": "Asha",
    "phone": "+919876543210",
    "line1": "12 MG Road",
    "city": "Bengaluru",
    "state": "Karnataka",
    "postalCode": "560001",
    "lat": 12.97,
    "lng": 77.59,
}

Hook = Callable[[], Awaitable[None]]


async def nothing() -> None:
    pass


@dataclasses.dataclass
class Product:
    name: str
    price: float  # rupees
    stock: int
    active: bool = True


@dataclasses.dataclass
class Around:
    """The services around order. `away` names those that do not answer; `on_reserve`, `on_begin` run inside a call."""

    products: dict[int, Product] = dataclasses.field(default_factory=dict)
    reservations: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    carts: dict[int, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    cart_coupons: dict[int, str] = dataclasses.field(default_factory=dict)
    addresses: dict[tuple[int, int], dict[str, Any]] = dataclasses.field(default_factory=dict)
    payments: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    paid: set[int] = dataclasses.field(default_factory=set)  # orders that payment calls PAID when it closes them
    serves: bool = True
    away: set[str] = dataclasses.field(default_factory=set)
    calls: list[str] = dataclasses.field(default_factory=list)
    on_reserve: Hook = nothing
    on_begin: Hook = nothing

    def held(self, product_id: int) -> int:
        """Units of a product in reservations that count."""
        return sum(
            line["quantity"]
            for hold in self.reservations.values()
            for line in hold["lines"]
            if line["productId"] == product_id and hold["state"] in ("HELD", "COMMITTED")
        )


class World:
    """Everything a test touches. Time stands still until `clock.advance`."""

    def __init__(self, *, shared: hub.Hub, time: clock.Manual, around: Around, identity: testing.Identity) -> None:
        self.hub = shared
        self.clock = time
        self.around = around
        self.identity = identity
        self.published: list[events.Envelope] = []
        self.app: FastAPI
        self.client: httpx2.AsyncClient

    # --- people

    def headers(self, user_id: int = CUSTOMER, *, key: str | None = None) -> dict[str, str]:
        role: Any = "ADMIN" if user_id == ADMIN else "CUSTOMER"
        headers = self.identity.headers(user_id=user_id, role=role)
        return headers | ({"Idempotency-Key": key} if key else {})

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: int = CUSTOMER,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The JSON of an answer that must have `status`."""
        sent = self.headers(user) | (headers or {})
        answer = await self.client.request(method, path, json=body, headers=sent)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def fill_cart(self, *lines: tuple[int, int], user: int = CUSTOMER) -> None:
        self.around.carts[user] = [
            {"productId": product_id, "quantity": quantity, "substitution": "REFUND_ITEM"}
            for product_id, quantity in lines
        ]

    async def try_place(
        self, *, method: str = "RAZORPAY", key: str | None = None, user: int = CUSTOMER, **body: Any
    ) -> httpx2.Response:
        sent = {"paymentMethod": method, "address": ADDRESS, **body}
        sent = {name: value for name, value in sent.items() if value is not None}
        return await self.client.post(
            "/api/orders", json=sent, headers=self.headers(user, key=key or str(uuid.uuid4()))
        )

    async def place(self, *, method: str = "RAZORPAY", user: int = CUSTOMER, **body: Any) -> dict[str, Any]:
        answer = await self.try_place(method=method, user=user, **body)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    async def order(self, order_id: int) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", f"/api/orders/{order_id}", user=ADMIN)
        return found

    # --- what the other services publish

    async def tell(self, topic: str, type_: str, key: int, *, event_id: str | None = None, **data: Any) -> None:
        envelope = {
            "specversion": "1.0",
            "id": event_id or str(uuid.uuid4()),
            "source": "/revcart/test",
            "type": type_,
            "subject": str(key),
            "time": clock.to_text(self.clock.now()),
            "datacontenttype": "application/json",
            "data": data,
        }
        await self.hub.bus.publish([bus.Message(topic=topic, key=str(key), value=events.encode(envelope))])

    async def pay(self, order_id: int, *, event_id: str | None = None) -> None:
        await self.tell("payment-events", "payment.completed", order_id, event_id=event_id, orderId=order_id)

    async def deliver(self, order_id: int, to: str, **data: Any) -> None:
        await self.tell("analytics-events", "delivery.status.updated", order_id, orderId=order_id, to=to, **data)

    async def paid_order(self, **body: Any) -> dict[str, Any]:
        placed = await self.place(**body)
        await self.pay(placed["id"])
        return await self.becomes(placed["id"], status="CONFIRMED")

    # --- what comes of it

    async def becomes(self, order_id: int, **fields: Any) -> dict[str, Any]:
        """The order, once it has these fields."""
        found: dict[str, Any] = {}
        for _ in range(400):
            found = await self.order(order_id)
            if all(found[name] == value for name, value in fields.items()):
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"{fields} did not come about: {found}")

    async def settled(self) -> None:
        """Wait until order has handled all events, and sent all of its own."""
        for _ in range(1_000):
            if not any((await self.hub.bus.lag("revcart.order")).values()):
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

    def heard(self, type_: str, order_id: int) -> list[dict[str, Any]]:
        """The data of the events of `type_` about an order, so far."""
        return [
            dict(event.data) for event in self.published if event.type == type_ and event.data["orderId"] == order_id
        ]

    async def hears(self, type_: str, order_id: int, count: int = 1) -> list[dict[str, Any]]:
        for _ in range(400):
            if len(found := self.heard(type_, order_id)) >= count:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"no {count} {type_} of order {order_id}")

    async def history(self, order_id: int) -> list[str]:
        return [step["action"] for step in await self.call("GET", f"/api/orders/{order_id}/history", user=ADMIN)]


def settings(database_url: str | None, **values: Any) -> order.Settings:
    url = database_url or databases.url("order")
    quick = {"order_sweep_seconds": 0.05}
    return testing.settings(order.Settings, database_url=url, demo_data=True, **{**quick, **values})


@contextlib.asynccontextmanager
async def world(database_url: str | None = None, **values: Any) -> AsyncIterator[World]:
    """Order alone, among doubles. The cart of CUSTOMER holds two butters (₹90) of ten."""
    time = clock.Manual(START)
    identity = testing.Identity(time)
    shared = hub.Hub(None, time)
    identity.install(shared)
    around = Around(products={3: Product("Butter", 90, 10), 4: Product("Milk", 29.5, 100)})
    made = World(shared=shared, time=time, around=around, identity=identity)
    made.fill_cart((3, 2))
    around.addresses[CUSTOMER, 5] = {**ADDRESS, "id": 5, "isDefault": True}

    async def listen(delivery: bus.Delivery) -> None:
        made.published.append(events.decode(delivery.message.value))

    async with shared:
        for name, application in _doubles(around, time).items():
            instance = registry.Instance(service=name, id=name, address=f"asgi://{name}", app=application)
            await shared.registry.register(instance)
        await shared.bus.subscribe("test", topics=["order-events"], handler=listen)
        async with running(settings(database_url, **values), shared) as (made.app, made.client):
            yield made


@contextlib.asynccontextmanager
async def running(with_: order.Settings, shared: hub.Hub) -> AsyncIterator[tuple[FastAPI, httpx2.AsyncClient]]:
    """One instance of the order service, and a client of it."""
    application = order.create_app(with_, hub=shared)
    async with application.router.lifespan_context(application):
        transport = httpx2.ASGITransport(application)
        async with httpx2.AsyncClient(transport=transport, base_url="http://order", timeout=30) as client:
            yield application, client


def _doubles(around: Around, time: clock.Manual) -> dict[str, Starlette]:
    numbers = itertools.count(1)

    def endpoint(service: str, handle: Callable[[Request], Awaitable[JSONResponse]]) -> Any:
        async def answer(request: Request) -> JSONResponse:
            around.calls.append(f"{request.method} {request.url.path}")
            if service in around.away:
                return JSONResponse({}, status_code=503)
            return await handle(request)

        return answer

    async def cart(request: Request) -> JSONResponse:
        user_id = int(request.path_params["user_id"])
        lines = around.carts.get(user_id, [])
        return JSONResponse({"lines": lines, "couponCode": around.cart_coupons.get(user_id), "version": 1})

    async def contact(request: Request) -> JSONResponse:
        user_id = int(request.path_params["user_id"])
        return JSONResponse(
            {
                "userId": user_id,
                "name": "Asha Rao",
                "email": f"user{user_id}@example.com",
                "emailVerified": True,
                "phone": "+919876500000",
                "locale": "en",
                "role": "CUSTOMER",
            }
        )

    async def address(request: Request) -> JSONResponse:
        found = around.addresses.get((int(request.path_params["user_id"]), int(request.path_params["id"])))
        return JSONResponse(found) if found else _problem(404, "resource.not-found", "Not found.")

    async def serviceability(_: Request) -> JSONResponse:
        return JSONResponse({"serviceable": around.serves})

    async def products(request: Request) -> JSONResponse:
        ids = [int(text) for text in request.query_params["ids"].split(",")]
        return JSONResponse(
            [
                {
                    "id": number,
                    "name": one.name,
                    "price": one.price,
                    "stock": one.stock - around.held(number),
                    "maxPerOrder": 20,
                    "active": one.active,
                }
                for number, one in around.products.items()
                if number in ids
            ]
        )

    async def reserve(request: Request) -> JSONResponse:
        await around.on_reserve()
        body = await request.json()
        for hold in around.reservations.values():
            if hold["reference"] == body["reference"] and hold["state"] == "HELD":
                return JSONResponse(hold)
        for line in body["lines"]:
            known = around.products[line["productId"]]
            if known.stock - around.held(line["productId"]) < line["quantity"]:
                return _problem(409, "stock.insufficient", f"{known.name} is out of stock.")
        number = next(numbers)
        lines = [{**line, **_snapshot(around.products[line["productId"]])} for line in body["lines"]]
        expires = clock.to_text(time.now() + dt.timedelta(seconds=body["ttlSeconds"]))
        around.reservations[number] = {
            "id": number,
            "reference": body["reference"],
            "state": "HELD",
            "expiresAt": expires,
            "lines": lines,
        }
        return JSONResponse(around.reservations[number], status_code=201)

    async def decide(request: Request) -> JSONResponse:
        hold = around.reservations[int(request.path_params["id"])]
        if request.url.path.endswith("/release"):
            hold["state"] = {"HELD": "RELEASED", "COMMITTED": "RETURNED"}.get(hold["state"], hold["state"])
        elif hold["state"] in ("HELD", "COMMITTED"):
            hold["state"] = "COMMITTED"
        else:
            return _problem(409, "stock.insufficient", "The hold has lapsed, and the goods are gone.")
        return JSONResponse(hold)

    async def begin(request: Request) -> JSONResponse:
        await around.on_begin()
        body = await request.json()
        if body["orderId"] in around.payments:
            return JSONResponse(around.payments[body["orderId"]])
        online = body["method"] == "RAZORPAY"
        around.payments[body["orderId"]] = {
            "paymentId": 1000 + body["orderId"],
            "orderId": body["orderId"],
            "method": body["method"],
            "status": "PENDING",
            "amount": body["amountPaise"] / 100,
            "amountInPaise": body["amountPaise"],
            "currency": "INR",
            "razorpayOrderId": f"order_{body['orderId']}" if online else None,
            "razorpayKeyId": "rzp_test" if online else None,
            "checkoutScript": None,
            "expiresAt": body["expiresAt"],
        }
        return JSONResponse(around.payments[body["orderId"]], status_code=201)

    async def close(request: Request) -> JSONResponse:
        is_paid = int(request.path_params["id"]) in around.paid
        return JSONResponse({"result": "PAID" if is_paid else "CLOSED"})

    tables: dict[str, list[tuple[str, str, Any]]] = {
        "cart": [("GET", "/internal/carts/{user_id:int}", cart)],
        "user": [
            ("GET", "/internal/users/{user_id:int}/contact", contact),
            ("GET", "/internal/users/{user_id:int}/addresses/{id:int}", address),
        ],
        "delivery": [("GET", "/internal/serviceability", serviceability)],
        "product": [
            ("GET", "/internal/products", products),
            ("POST", "/internal/stock/reservations", reserve),
            ("POST", "/internal/stock/reservations/{id:int}/commit", decide),
            ("POST", "/internal/stock/reservations/{id:int}/release", decide),
        ],
        "payment": [
            ("POST", "/internal/payments", begin),
            ("POST", "/internal/payments/{id:int}/close", close),
        ],
    }
    return {
        service: Starlette(
            routes=[Route(path, endpoint(service, handle), methods=[method]) for method, path, handle in rows]
        )
        for service, rows in tables.items()
    }


def _snapshot(product: Product) -> dict[str, Any]:
    return {
        "name": product.name,
        "category": "dairy",
        "price": product.price,
        "weightGrams": 500,
        "imageUrl": None,
        "maxPerOrder": 20,
    }


def _problem(status: int, code: str, detail: str) -> JSONResponse:
    body = {"code": code, "status": status, "detail": detail, "message": detail, "title": detail, "errors": []}
    return JSONResponse(body, status_code=status)
