"""Whatever an ADMIN changes is passed to its owner and back unchanged, and written down so that no trace can go."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests import databases
from tests.flow import backoffice
from tests.flow.backoffice import problem

pytestmark = pytest.mark.asyncio
MILK = {"id": 4, "name": "Milk", "price": 62, "version": 3}


async def rows(world: backoffice.World, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.get("/audit", sort="id,asc", **params))["content"]
    return found


async def test_a_change_is_noted_before_and_after_it() -> None:
    async with backoffice.world() as world:
        product = world.owners["product"]
        product.on("GET /api/products/4", MILK)
        product.on("PUT /api/products/4", {**MILK, "price": 65, "version": 4}, headers={"ETag": '"4"'})
        answer = await world.ask(
            "PUT",
            "/products/4",
            json={"name": "Milk", "price": 65, "apiToken": "hush"},
            headers={"If-Match": '"3"', "X-Request-ID": "request-0001", "X-Forwarded-For": "6.6.6.6, 203.0.113.9"},
        )
        [sent] = product.changes()
        pending, done = await rows(world)
        verdict = await world.get("/audit/verify")
    assert answer.status_code == 200
    assert answer.json() == {**MILK, "price": 65, "version": 4}
    assert answer.headers["etag"] == '"4"'
    assert sent.body == {"name": "Milk", "price": 65, "apiToken": "hush"}
    assert sent.headers["if-match"] == '"3"'
    assert (pending["outcome"], pending["status"], pending["before"]) == ("PENDING", None, None)
    assert pending["after"] == {"name": "Milk", "price": 65, "apiToken": "***"}
    assert (done["outcome"], done["status"]) == ("OK", 200)
    assert (done["before"], done["after"]) == ({"price": 62, "version": 3}, {"price": 65, "version": 4})
    for row in (pending, done):
        assert row["action"] == "product.update"
        assert (row["entityType"], row["entityId"]) == ("product", "4")
        assert (row["actorId"], row["actorEmail"], row["actorIp"]) == (1, "user1@example.com", "203.0.113.9")
        assert row["requestId"] == "request-0001"
    assert done["previousHash"] == pending["hash"]
    assert verdict == {"ok": True, "rows": 2, "firstBrokenId": None}


@pytest.mark.parametrize(
    ("method", "path", "body", "owner", "there", "status", "action"),
    [
        ("POST", "/products", {"sku": "X"}, "product", "POST /api/products", 201, "product.create"),
        ("DELETE", "/products/4", None, "product", "DELETE /api/products/4", 204, "product.delete"),
        ("PATCH", "/products/4/status", {"active": False}, "product", "PATCH /api/products/4/status", 200,
         "product.status"),
        ("PATCH", "/products/4/status?active=false", None, "product", "PATCH /api/products/4/status", 200,
         "product.status"),
        ("PUT", "/products/4/stock", {"onHand": 5}, "product", "PUT /api/products/4/stock", 200, "product.set-stock"),
        ("POST", "/products/4/stock", {"delta": 5}, "product", "POST /api/products/4/stock", 200,
         "product.move-stock"),
        ("PUT", "/orders/7/status", {"status": "PREPARING"}, "order", "PUT /api/orders/7/status", 200, "order.status"),
        ("PATCH", "/orders/RC9/status", {"status": "PREPARING"}, "order", "PUT /api/orders/RC9/status", 200,
         "order.status"),
        ("POST", "/orders/7/cancel", {"reason": "OTHER"}, "order", "POST /api/orders/7/cancel", 200, "order.cancel"),
        ("POST", "/orders/7/refund", {"reason": "late"}, "payment", "POST /api/payments/refund", 202,
         "payment.refund"),
        ("POST", "/orders/7/assign-delivery-agent", {"agentId": 3}, "delivery", "POST /api/delivery/assign", 201,
         "delivery.assign"),
    ],
)  # fmt: skip
async def test_every_change_reaches_its_owner_and_is_audited(
    method: str, path: str, body: Any, owner: str, there: str, status: int, action: str
) -> None:
    async with backoffice.world() as world:
        world.owners[owner].on(there, None if status == 204 else {"id": 1}, status=status)
        options = {} if body is None else {"json": body}
        answer = await world.ask(method, path, **options)
        [sent] = world.owners[owner].changes()
        noted = await rows(world)
    assert answer.status_code == status, answer.text
    assert f"{sent.method} {sent.path}" == there
    assert [(row["action"], row["outcome"]) for row in noted] == [(action, "PENDING"), (action, "OK")]
    if "?" in path:
        assert sent.query == [("active", "false")]
    if action == "payment.refund":
        assert sent.body == {"reason": "late", "orderId": 7}
    if action == "delivery.assign":
        assert sent.body == {"orderId": 7, "agentId": 3}
    if action == "product.create":
        assert noted[1]["entityId"] == "1"


async def test_an_order_with_a_delivery_gets_another_agent() -> None:
    async with backoffice.world() as world:
        delivery = world.owners["delivery"]
        delivery.on("GET /api/delivery/order/7", {"id": 70, "agentId": 2, "status": "ASSIGNED"})
        delivery.on("PUT /api/delivery/70/reassign/3", {"id": 70, "agentId": 3, "status": "ASSIGNED"})
        answer = await world.ask("POST", "/orders/7/assign-delivery-agent", json={"agentId": 3, "reason": "closer"})
        _, done = await rows(world)
    assert answer.json()["agentId"] == 3
    assert (done["action"], done["before"], done["after"]) == ("delivery.reassign", {"agentId": 2}, {"agentId": 3})


async def test_a_refusal_comes_back_unchanged_and_is_noted() -> None:
    refusal = problem(409, "order.transition-not-allowed", **{"from": "PENDING", "to": "DELIVERED", "allowed": ["X"]})
    async with backoffice.world() as world:
        world.owners["order"].on("PUT /api/orders/7/status", refusal, status=409)
        answer = await world.ask("PUT", "/orders/7/status", json={"status": "DELIVERED"})
        noted = await rows(world)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    own = {"instance", "requestId"}
    assert {k: v for k, v in answer.json().items() if k not in own} == {
        k: v for k, v in refusal.items() if k not in own
    }
    assert [(row["outcome"], row["status"]) for row in noted] == [("PENDING", None), ("REFUSED", 409)]


async def test_a_silent_owner_is_noted_as_failed() -> None:
    async with backoffice.world() as world:
        await world.silence("product")
        answer = await world.ask("POST", "/products", json={"sku": "X"})
        noted = await rows(world)
    assert answer.status_code == 503
    assert [(row["outcome"], row["status"]) for row in noted] == [("PENDING", None), ("FAILED", 503)]


async def test_reading_changes_nothing_in_the_log() -> None:
    async with backoffice.world() as world:
        await world.ask("GET", "/orders")
        await world.ask("GET", "/products/4")
        assert await rows(world) == []


async def test_the_log_can_be_searched() -> None:
    async with backoffice.world() as world:
        for number in (4, 5):
            world.owners["product"].on(f"DELETE /api/products/{number}", None, status=204)
            await world.ask("DELETE", f"/products/{number}")
            world.clock.advance(3600)
        assert [row["entityId"] for row in (await world.get("/audit", size=3))["content"]] == ["5", "5", "4"]
        assert (await world.get("/audit", entityId=4))["totalElements"] == 2
        assert (await world.get("/audit", action="product.delete", entityType="product"))["totalElements"] == 4
        assert (await world.get("/audit", actorId=2))["totalElements"] == 0
        since = (await world.get("/audit", size=1))["content"][0]["at"]
        assert (await world.get("/audit", **{"from": since}))["totalElements"] == 2
        assert (await world.get("/audit", to=since))["totalElements"] == 2
        assert (await world.ask("GET", "/audit", params={"sort": "hash"})).status_code == 400
        assert (await world.ask("GET", "/audit", params={"from": "2026-01-01"})).status_code == 400


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE audit_log SET after = '{\"price\":1}' WHERE id = 3", 3),
        ("UPDATE audit_log SET actor_id = 2 WHERE id = 1", 1),
        ("DELETE FROM audit_log WHERE id = 2", 2),
        ("DELETE FROM audit_log WHERE id = 4", 4),
        ("UPDATE audit_log SET hash = previous_hash WHERE id = 4", 4),
    ],
)
async def test_tampering_shows(tmp_path: Path, tampering: str, broken: int) -> None:
    async with backoffice.world(tmp_path) as world:
        for number in (4, 5):
            await world.ask("PUT", f"/products/{number}", json={"price": 2.5, "name": "दूध"})
        assert await world.get("/audit/verify") == {"ok": True, "rows": 4, "firstBrokenId": None}
        databases.execute(databases.url("admin", tmp_path), tampering.replace("after", "`after`"))
        verdict = await world.get("/audit/verify")
    assert verdict == {"ok": False, "rows": broken - 1, "firstBrokenId": broken}


async def test_changes_at_once_make_one_chain(tmp_path: Path) -> None:
    async with backoffice.world(tmp_path) as world:
        await asyncio.gather(*(world.ask("PUT", f"/products/{n}", json={"n": n}) for n in range(1, 21)))
        verdict = await world.get("/audit/verify")
    assert verdict == {"ok": True, "rows": 40, "firstBrokenId": None}
    async with backoffice.world(tmp_path) as world:  # a restart goes on where it stopped
        await world.ask("PUT", "/products/1", json={"n": 1})
        assert (await world.get("/audit/verify"))["rows"] == 42


async def test_nothing_is_sent_when_it_cannot_be_noted(tmp_path: Path) -> None:
    async with backoffice.world(tmp_path) as world:
        databases.execute(databases.url("admin", tmp_path), "DROP TABLE audit_head")
        answer = await world.ask("POST", "/products", json={"sku": "X"})
        assert answer.status_code == 500
        assert world.owners["product"].changes() == []


async def test_what_is_no_object_is_refused_before_anything_happens() -> None:
    async with backoffice.world() as world:
        for body, status in ((b"[1]", 400), (b"{", 400), (b"", 400)):
            answer = await world.ask("POST", "/products", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == status, answer.text
        assert (await world.ask("PUT", "/products/0", json={})).status_code == 400
        assert (await world.ask("GET", "/orders/a%20b")).status_code == 400
        assert (
            await world.ask("POST", "/products", content=b"x", headers={"Content-Type": "text/csv"})
        ).status_code == 415
        assert await rows(world) == []
        assert not world.owners["product"].asked
