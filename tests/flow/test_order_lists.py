"""Looking at orders: who sees which, how lists narrow, and what other services may ask."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flow import orders


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world() as made:
        yield made


async def test_only_the_owner_and_the_shop_see_an_order(world: orders.World) -> None:
    order = await world.place()
    for key in (order["id"], order["orderNumber"], order["orderNumber"].lower()):
        for user in (orders.CUSTOMER, orders.ADMIN):
            assert (await world.call("GET", f"/api/orders/{key}", user=user))["id"] == order["id"]
        foreign = await world.call("GET", f"/api/orders/{key}", user=orders.STRANGER, status=404)
        unknown = await world.call("GET", "/api/orders/987654", user=orders.STRANGER, status=404)
        for problem in (foreign, unknown):
            del problem["instance"], problem["requestId"]
        assert foreign == unknown
    await world.call("GET", f"/api/orders/{order['id']}/history", user=orders.STRANGER, status=404)


@pytest.mark.parametrize(
    "key", ["0", "-1", "1e3", "٣", "RC", "RC260131!!!!!!", "99999999999999999999", "%00", "x" * 500]
)
async def test_odd_ids_are_just_unknown(world: orders.World, key: str) -> None:
    await world.call("GET", f"/api/orders/{key}", status=404)


async def test_etag(world: orders.World) -> None:
    order = await world.place()
    path = f"/api/orders/{order['id']}"
    first = await world.client.get(path, headers=world.headers())
    again = await world.client.get(path, headers=world.headers() | {"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    await world.call("POST", f"{path}/cancel", {"reason": "OTHER"})
    changed = await world.client.get(path, headers=world.headers() | {"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


async def test_my_orders(world: orders.World) -> None:
    mine = [await world.place() for _ in range(3)]
    world.fill_cart((4, 5), user=orders.STRANGER)
    await world.place(user=orders.STRANGER)
    page = await world.call("GET", "/api/orders/user?size=2")
    assert [order["id"] for order in page["content"]] == [mine[2]["id"], mine[1]["id"]]
    assert (page["totalElements"], page["totalPages"], page["last"]) == (3, 2, False)
    assert (await world.call("GET", "/api/orders/user?status=DELIVERED"))["content"] == []
    assert (await world.call("GET", "/api/orders/user?from=2026-02-01"))["content"] == []
    assert len((await world.call("GET", "/api/orders/user?from=2026-01-31&to=2026-01-31"))["content"]) == 3
    for query in (
        "sort=price",
        "size=0",
        "size=101",
        "page=-1",
        "status=SHIPPED",
        "from=31.1.2026",
        "from=2026-02-02&to=2026-02-01",
    ):
        assert (await world.call("GET", f"/api/orders/user?{query}", status=400))["code"] == "request.invalid"


async def test_the_shops_list(world: orders.World) -> None:
    order = await world.paid_order()
    world.fill_cart((4, 5), user=orders.STRANGER)
    other = await world.place(user=orders.STRANGER, method="COD")
    expected: dict[str, list[int]] = {
        "": [other["id"], order["id"]],
        "sort=total,asc": [other["id"], order["id"]],
        "status=CONFIRMED": [order["id"]],
        f"userId={orders.STRANGER}": [other["id"]],
        "paymentMethod=COD": [other["id"]],
        f"q={order['orderNumber'][:14].lower()}": [order["id"]],
        "q=user8@": [other["id"]],
        "q=%2B9198765": [other["id"], order["id"]],
        "q=%25": [],
        "q=_____": [],
        "slotId=4": [],
    }
    for query, ids in expected.items():
        page = await world.call("GET", f"/api/orders?{query}", user=orders.ADMIN)
        assert [one["id"] for one in page["content"]] == ids, query
    count = await world.call("GET", "/api/orders/count", user=orders.ADMIN)
    assert count["count"] == 2
    assert count["byStatus"] == {
        "PENDING": 1,
        "CONFIRMED": 1,
        "PREPARING": 0,
        "OUT_FOR_DELIVERY": 0,
        "DELIVERED": 0,
        "CANCELLED": 0,
    }
    for path in ("/api/orders", "/api/orders/count"):
        await world.call("GET", path, status=403)


async def test_changing_the_status(world: orders.World) -> None:
    order = await world.paid_order()
    path = f"/api/orders/{order['id']}/status"
    await world.call("PUT", path, {"status": "PREPARING"}, status=403)
    preparing = await world.call("PATCH", f"{path}?status=PREPARING", user=orders.ADMIN)
    assert preparing["status"] == "PREPARING"
    again = await world.call("PUT", f"{path}?status=CANCELLED", {"status": "PREPARING"}, user=orders.ADMIN)
    assert again["version"] == preparing["version"]
    problem = await world.call("PUT", path, {"status": "DELIVERED"}, user=orders.ADMIN, status=409)
    assert problem["code"] == "order.transition-not-allowed"
    assert (problem["from"], problem["to"]) == ("PREPARING", "DELIVERED")
    assert problem["allowed"] == ["OUT_FOR_DELIVERY", "CANCELLED"]
    for body in ({"status": "SHIPPED"}, {"status": "CANCELLED"}, {}, {"status": 1}):
        await world.call("PUT", path, body, user=orders.ADMIN, status=400)
    cancelled = await world.call("PUT", path, {"status": "CANCELLED", "reason": "spoiled"}, user=orders.ADMIN)
    assert cancelled["cancelReason"] == "spoiled"
    (told,) = await world.hears("order.cancelled", order["id"])
    assert told["actor"] == {"kind": "ADMIN", "id": orders.ADMIN}
    history = await world.call("GET", f"/api/orders/{order['id']}/history")
    assert history[-1] == {
        "from": "PREPARING",
        "to": "CANCELLED",
        "action": "CANCEL",
        "actor": {"kind": "ADMIN", "id": orders.ADMIN},
        "reason": "spoiled",
        "at": "2026-01-31T04:00:00.000Z",
    }
    assert history[0]["from"] is None


async def internal(
    world: orders.World, service: str, method: str, path: str, body: Any = None, status: int = 200
) -> Any:
    headers = world.identity.service_headers(service, callee="order")
    answer = await world.client.request(method, path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def test_what_services_ask(world: orders.World) -> None:
    order = await world.place(method="COD", couponCode="WELCOME10")
    facts = await internal(world, "payment", "GET", f"/internal/orders/{order['id']}")
    assert facts == {
        "id": order["id"],
        "orderNumber": order["orderNumber"],
        "userId": orders.CUSTOMER,
        "status": "PENDING",
        "paymentMethod": "COD",
        "totalPaise": 22_116,
        "codDuePaise": 22_116,
        "expiresAt": "2026-01-31T04:15:00.000Z",
        "itemCount": 2,
        "dispatchable": False,
    }
    await internal(world, "payment", "GET", "/internal/orders/999", status=404)
    await internal(world, "cart", "GET", f"/internal/orders/{order['id']}", status=403)
    await world.call("GET", f"/internal/orders/{order['id']}", user=orders.ADMIN, status=401)

    item = order["items"][0]["id"]
    path = f"/internal/orders/{order['id']}/refund-quote"
    half = await internal(world, "payment", "POST", path, {"lines": [{"itemId": item, "quantity": 1}]})
    whole = await internal(world, "payment", "POST", path, {"lines": [{"itemId": item, "quantity": 2}]})
    assert (half["amountPaise"], whole["amountPaise"]) == (9_558, 19_116)  # the fee of 3000 stays
    await internal(world, "payment", "POST", path, {"lines": [{"itemId": item, "quantity": 3}]}, status=422)
    await internal(world, "payment", "POST", path, {"lines": [{"itemId": item + 9, "quantity": 1}]}, status=422)


async def test_personal_data(world: orders.World) -> None:
    order = await world.place()
    exported = await internal(world, "user", "GET", f"/internal/export/{orders.CUSTOMER}")
    assert [one["id"] for one in exported["orders"]] == [order["id"]]
    path = f"/internal/personal-data/{orders.CUSTOMER}"
    problem = await internal(world, "user", "DELETE", path, status=409)
    assert problem["code"] == "account.open-orders"
    assert (await world.order(order["id"]))["customerName"] == "Asha Rao"
    await world.call("POST", f"/api/orders/{order['id']}/cancel", {"reason": "OTHER"})
    for _ in range(2):
        await internal(world, "user", "DELETE", path, status=204)
    left = await world.order(order["id"])
    assert (left["customerName"], left["customerEmail"], left["address"]["line1"]) == ("", "", "")
    assert left["totalAmount"] == 242.4
