"""The dashboard and the original's figures come from their owners; a silent one costs its part and nothing else."""

from typing import Any

import pytest

from tests.flow import backoffice
from tests.flow.backoffice import page

pytestmark = pytest.mark.asyncio
FIGURES = {
    "totalRevenue": 1234.5,
    "today": {"orders": 3, "revenue": 99.5, "newUsers": 1, "averageOrderValue": 49.75},
    "pendingDeliveries": 2,
}
BY_STATUS = {
    "PENDING": 1, "CONFIRMED": 2, "PREPARING": 3, "OUT_FOR_DELIVERY": 4, "DELIVERED": 30, "CANCELLED": 2,
}  # fmt: skip


def furnish(world: backoffice.World) -> None:
    owners = world.owners
    owners["product"].on("GET /api/products/count", {"count": 40})
    owners["product"].on("GET /api/products/low-stock", page({"id": 4, "name": "Apple", "stock": 2}))
    owners["order"].on("GET /api/orders/count", {"count": 42, "byStatus": BY_STATUS})
    owners["order"].on("GET /api/orders", page({"id": 9}, {"id": 8}))
    owners["user"].on("GET /api/users/count", {"count": 17})
    owners["analytics"].on("GET /api/analytics/dashboard", FIGURES)
    owners["analytics"].on("GET /api/analytics/sales", {"today": 1.5, "week": 2, "month": 3})
    owners["analytics"].on("GET /api/analytics/products", {"top": [{"productId": 5, "units": 6}]})
    owners["delivery"].on("GET /api/delivery/requests", page({}, total=5))


async def test_the_dashboard_gathers_from_the_owners() -> None:
    async with backoffice.world() as world:
        furnish(world)
        dashboard = await world.get("/dashboard")
        asked = world.owners["order"].asked
    assert dashboard == {
        "totalProducts": 40, "totalOrders": 42, "totalUsers": 17, "totalRevenue": 1234.5, "today": FIGURES["today"],
        "ordersByStatus": BY_STATUS, "recentOrders": [{"id": 9}, {"id": 8}],
        "lowStock": [{"id": 4, "name": "Apple", "stock": 2}], "waitingDeliveries": 5,
        "services": {"up": 7, "total": 11}, "unavailable": [],
    }  # fmt: skip
    recent = next(question for question in asked if question.path == "/api/orders")
    assert sorted(recent.query) == [("size", "10"), ("sort", "createdAt,desc")]


async def test_the_callers_own_token_is_passed_on() -> None:
    async with backoffice.world() as world:
        furnish(world)
        headers = world.identity.headers(user_id=1, role="ADMIN")
        await world.client.get("/api/admin/dashboard", headers=headers)
        for owner in world.owners.values():
            for question in owner.asked:
                assert question.headers["authorization"] == headers["Authorization"]
                assert len(question.headers["x-request-id"]) >= 8


@pytest.mark.parametrize(
    ("silent", "lost"),
    [
        ("product", {"totalProducts", "lowStock"}),
        ("order", {"totalOrders", "ordersByStatus", "recentOrders"}),
        ("user", {"totalUsers"}),
        ("analytics", {"totalRevenue", "today"}),
        ("delivery", {"waitingDeliveries"}),
    ],
)
async def test_a_silent_owner_costs_its_part_only(silent: str, lost: set[str]) -> None:
    async with backoffice.world() as world:
        furnish(world)
        whole = await world.get("/dashboard")
        await world.silence(silent)
        partial = await world.get("/dashboard")
    assert partial.pop("unavailable") == [silent]
    assert partial.pop("services")["up"] == whole.pop("services")["up"] - 1
    assert {name for name, value in partial.items() if value is None} == lost
    for name in lost:
        del whole[name], partial[name]
    assert whole == partial | {"unavailable": []}


async def test_an_owner_that_breaks_is_unavailable_too() -> None:
    async with backoffice.world() as world:
        furnish(world)
        world.owners["analytics"].on("GET /api/analytics/dashboard", {"oops": 1}, status=500)
        dashboard = await world.get("/dashboard")
    assert dashboard["unavailable"] == ["analytics"]


async def test_the_originals_figures() -> None:
    async with backoffice.world() as world:
        furnish(world)
        assert await world.get("/stats/real") == {
            "totalProducts": 40, "totalOrders": 42, "totalUsers": 17, "totalRevenue": 1234.5, "unavailable": [],
        }  # fmt: skip
        assert await world.get("/metrics/today") == {"todayOrders": 3, "todayRevenue": 99.5, "pendingDeliveries": 2}
        assert await world.get("/analytics/sales") == {"today": 1.5, "week": 2, "month": 3}
        assert await world.get("/analytics/top-products", limit=5) == [{"productId": 5, "units": 6}]
        assert await world.get("/analytics/order-stats") == {
            "pending": 1, "processing": 9, "delivered": 30, "cancelled": 2,
        }  # fmt: skip
        assert await world.get("/orders/recent") == [{"id": 9}, {"id": 8}]
        await world.silence("analytics")
        away = await world.ask("GET", "/metrics/today")
    assert away.status_code == 503
    assert away.json()["service"] == "analytics"
    assert away.headers["retry-after"]


async def test_an_order_with_all_that_others_know() -> None:
    async with backoffice.world() as world:
        owners = world.owners
        owners["order"].on("GET /api/orders/RC1", {"id": 7, "orderNumber": "RC1", "userId": 3})
        owners["order"].on("GET /api/orders/7/history", [{"to": "PENDING"}])
        owners["payment"].on("GET /api/payments/7", {"id": 70, "status": "SUCCESS"})
        owners["user"].on("GET /api/users/3", {"id": 3, "name": "Asha"})
        view = await world.get("/orders/RC1")
        await world.silence("payment")
        without = await world.get("/orders/RC1")
        unknown = await world.ask("GET", "/orders/RC2")
    assert view == {
        "order": {"id": 7, "orderNumber": "RC1", "userId": 3}, "payments": [{"id": 70, "status": "SUCCESS"}],
        "delivery": None, "customer": {"id": 3, "name": "Asha"}, "history": [{"to": "PENDING"}], "unavailable": [],
    }  # fmt: skip
    assert without["payments"] is None
    assert without["unavailable"] == ["payment"]
    assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("path", "owner", "there"),
    [
        ("/orders", "order", "/api/orders"),
        ("/products", "product", "/api/products"),
        ("/users", "user", "/api/users"),
        ("/deliveries", "delivery", "/api/delivery/all"),
        ("/agents", "delivery", "/api/delivery/agents"),
    ],
)
async def test_lists_pass_on_what_the_owner_takes(path: str, owner: str, there: str) -> None:
    params: list[tuple[str, Any]] = [
        ("status", "PENDING"), ("q", "a b&c"), ("page", 2), ("sort", "id,desc"), ("sort", "name,asc"), ("evil", "1"),
    ]  # fmt: skip
    async with backoffice.world() as world:
        world.owners[owner].on(f"GET {there}", page({"id": 1}))
        answer = await world.ask("GET", path, params=params)
        [question] = world.owners[owner].asked
    assert answer.status_code == 200
    assert answer.json() == page({"id": 1})
    if path != "/deliveries":
        assert ("q", "a b&c") in question.query
    assert [value for name, value in question.query if name == "sort"] == ["id,desc", "name,asc"]
    assert "evil" not in dict(question.query)


@pytest.mark.parametrize("path", ["/dashboard", "/orders", "/users", "/audit", "/audit/verify", "/monitoring/services"])
async def test_all_of_it_is_for_admins(path: str) -> None:
    async with backoffice.world() as world:
        assert (await world.client.get(f"/api/admin{path}")).status_code == 401
        customer = world.identity.headers(user_id=7)
        assert (await world.client.get(f"/api/admin{path}", headers=customer)).status_code == 403
        assert not any(owner.asked for owner in world.owners.values())


async def test_monitoring_lists_every_service() -> None:
    async with backoffice.world() as world:
        product = world.owners["product"]
        product.on("GET /actuator/health", {"status": "UP", "components": {"db": {"status": "UP"}}})
        product.on("GET /actuator/health/readiness", {"status": "UP"})
        product.on("GET /actuator/info", {"app": {"name": "product", "version": "1.2.3"}})
        order = world.owners["order"]
        order.on("GET /actuator/health", {"status": "DOWN", "components": {"kafka": {"status": "DOWN"}}}, status=503)
        order.on("GET /actuator/health/readiness", {"status": "UP"})
        user = world.owners["user"]
        user.on("GET /actuator/health", {"status": "DOWN", "components": {}}, status=503)
        user.on("GET /actuator/health/readiness", {"status": "DOWN"}, status=503)
        services = {service["name"]: service for service in await world.get("/monitoring/services")}
        one = await world.get("/monitoring/services/admin")
        unknown = await world.ask("GET", "/monitoring/services/nothing")
        asked = len(product.asked)
        await world.get("/monitoring/services/product")
        assert len(product.asked) == asked  # known for five seconds
        world.clock.advance(5)
        await world.get("/monitoring/services/product")
        assert len(product.asked) > asked
    assert list(services) == [
        "gateway", "auth", "user", "product", "cart", "order", "payment", "notification", "delivery", "analytics",
        "admin",
    ]  # fmt: skip
    states = {name: service["status"] for name, service in services.items()}
    assert (states["product"], states["order"], states["user"], states["cart"]) == ("UP", "DEGRADED", "DOWN", "UNKNOWN")
    [instance] = services["product"]["instances"]
    assert (instance["id"], instance["version"], instance["components"]) == ("product-1", "1.2.3", {"db": "UP"})
    assert one["status"] == "UP"
    assert "requests" in one["instances"][0]  # null until a second look, a minute later at most
    assert unknown.status_code == 404
