"""The API's documentation at the door: one document of all services, and a page that needs no other host."""

import re
from typing import Any

import fastapi
import pydantic

from revcart.gateway import domain
from revcart.kit import clock
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]


class Part(pydantic.BaseModel):
    name: str


class Thing(pydantic.BaseModel):
    parts: list[Part]


def _service(prefix: str, note: str) -> fastapi.FastAPI:
    app = fastapi.FastAPI(generate_unique_id_function=lambda route: route.name)

    @app.get(prefix, summary=note, tags=["whatever"])
    async def list_things(size: int = 20) -> list[Thing]:
        return []

    @app.post(prefix)
    async def add_thing(body: Thing) -> Thing:
        return body

    @app.get("/internal/things")
    async def internal_things() -> list[Thing]:
        return []

    return app


async def test_all_services_are_merged_into_one_document() -> None:
    async with gateway.world(TABLE, public_url="http://localhost:8080") as world:
        await world.register("order", _service("/api/orders", "Orders"))
        await world.register("product", _service("/api/products", "Products"))
        answer = await world.client.get("/api/openapi.json")
        document = answer.json()
        assert document["openapi"].startswith("3.1")
        assert document["servers"] == [{"url": "http://localhost:8080"}]
        assert set(document["paths"]) == {"/api/orders", "/api/products"}, "what the gateway does not pass is not there"
        assert document["paths"]["/api/orders"]["get"]["tags"] == ["order"]
        assert set(document["components"]["schemas"]) >= {"Order_Thing", "Product_Thing"}
        assert document["components"]["securitySchemes"]["bearerAuth"]["scheme"] == "bearer"
        assert _broken_references(document) == set()
        ids = [it["operationId"] for item in document["paths"].values() for it in item.values()]
        assert len(ids) == len(set(ids)) == 4

        repeated = await world.client.get("/api/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
        assert repeated.status_code == 304
        assert set((await world.client.get("/api/docs/order.json")).json()["paths"]) == {"/api/orders"}
        assert (await world.client.get("/api/docs/nobody.json")).status_code == 404


def _broken_references(document: dict[str, Any]) -> set[str]:
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    return set(re.findall(r"'\$ref': '([^']+)'", str(document))) - named


async def test_a_silent_service_keeps_its_last_copy_and_changes_come_within_a_minute() -> None:
    time = clock.Manual()
    table = [route for route in TABLE if route.service in ("order", "gateway")]
    async with gateway.world(table, clock=time) as world:
        await world.register("order", _service("/api/orders", "Orders"))
        first = (await world.client.get("/api/openapi.json")).json()
        for instance in world.hub.registry.instances("order"):
            await world.hub.registry.deregister(instance)
        time.advance(61)
        assert (await world.client.get("/api/openapi.json")).json() == first
        await world.register("order", _service("/api/orders/new", "New"))
        time.advance(61)
        assert set((await world.client.get("/api/openapi.json")).json()["paths"]) == {"/api/orders/new"}


async def test_the_page_lists_every_operation_and_loads_nothing() -> None:
    async with gateway.world(TABLE) as world:
        await world.register("order", _service("/api/orders", "<script>alert(1)</script>"))
        page = await world.client.get("/api/docs", headers={"Accept": "text/html,application/xhtml+xml"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "<code>/api/orders</code>" in page.text
        assert "<script" not in page.text
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert page.headers["x-frame-options"] == "DENY"


async def test_the_documentation_can_be_for_admins_or_off() -> None:
    async with gateway.world(TABLE, gateway_docs="Admin") as world:
        assert (await world.client.get("/api/docs")).status_code == 401
        assert (await world.client.get("/api/docs", headers=world.identity.headers())).status_code == 403
        assert (await world.client.get("/api/docs", headers=world.identity.headers(role="ADMIN"))).status_code == 200
    async with gateway.world(TABLE, gateway_docs="Off") as world:
        for path in ("/api/docs", "/api/openapi.json", "/api/docs/order.json"):
            assert (await world.client.get(path, headers=world.identity.headers(role="ADMIN"))).status_code == 404
