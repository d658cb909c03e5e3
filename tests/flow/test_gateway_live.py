"""The gateway's live settings, each seen from outside: acting within two seconds, with no request dropped."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from revcart.gateway import domain
from revcart.kit import telemetry
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]
SHOP = "http://localhost:4200"


@dataclasses.dataclass
class Live:
    """A gateway, and the document it follows."""

    world: gateway.World
    document: Path

    def put(self, text: str) -> None:
        new = self.document.with_suffix(".new")
        new.write_text(text)
        new.rename(self.document)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.world.client.get(path, headers=headers)

    async def reloads(self, result: str) -> float:
        metrics = (await self.get("/actuator/prometheus")).text
        name = f'revcart_config_reload_total{{result="{result}"}} '
        return sum(float(line.removeprefix(name)) for line in metrics.splitlines() if line.startswith(name))

    async def becomes(self, text: str, *, result: str = "applied") -> None:
        """`text` was read, within two seconds."""
        before = await self.reloads(result)
        self.put(text)

        async def read() -> bool:
            return await self.reloads(result) == before + 1

        await gateway.eventually(read, seconds=2)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    document = tmp_path / "config" / "gateway" / "data"
    document.parent.mkdir(parents=True)
    async with gateway.world(TABLE, config_dir=str(tmp_path)) as world:
        for service in ("auth", "product", "cart", "order", "payment"):
            await world.stub(service)
        yield Live(world, document)


def _policy(answer: httpx2.Response) -> str:
    return str(answer.headers["ratelimit-policy"])


async def test_rate_limits_change_go_off_and_return(live: Live) -> None:
    user = live.world.identity.headers()
    assert _policy(await live.get("/api/products")) == '"browse";q=300;w=60'
    await live.becomes("rateLimits: {browse: {address: 30}, default: {user: 7}, login: {address: 20}}")
    assert _policy(await live.get("/api/products")) == '"browse";q=30;w=60'
    assert _policy(await live.get("/api/orders", **user)) == '"default";q=7;w=60'
    login = await live.world.client.post("/api/auth/login")
    assert _policy(login) == '"login";q=20;w=60, "login-hour";q=200;w=3600'
    statuses = [(await live.get("/api/products")).status_code for _ in range(8)]
    assert statuses.count(429) >= 2, "a burst of a fifth"
    await live.becomes("rateLimits: {enabled: false}")
    assert all([(await live.get("/api/products")).status_code == 200 for _ in range(40)])
    assert "ratelimit" not in (await live.get("/api/products")).headers
    live.document.unlink()

    async def back() -> bool:
        return (await live.get("/api/products")).headers.get("ratelimit-policy") == '"browse";q=300;w=60'

    await gateway.eventually(back, seconds=2)


async def test_origins_are_replaced(live: Live) -> None:
    assert "access-control-allow-origin" in (await live.get("/api/products", origin=SHOP)).headers
    await live.becomes("cors: {origins: ['https://shop.example']}")
    assert "access-control-allow-origin" not in (await live.get("/api/products", origin=SHOP)).headers
    allowed = await live.get("/api/products", origin="https://shop.example")
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"


async def test_a_service_is_switched_off_and_on(live: Live) -> None:
    await live.becomes("routes: {cart: {disabled: true}}")
    refused = await live.get("/api/cart")
    assert (refused.status_code, refused.json()["code"]) == (503, "gateway.disabled")
    assert refused.headers["retry-after"] == "60"
    assert (await live.get("/api/products")).status_code == 200
    await live.becomes("routes: {cart: {disabled: false}}")
    assert (await live.get("/api/cart")).status_code == 200


async def test_maintenance_lets_admins_sign_in_and_what_is_allowed_through(live: Live) -> None:
    client, identity = live.world.client, live.world.identity
    await live.becomes(
        "maintenance: {enabled: true, message: Back at nine., allow: [/api/payments/webhook, /api/categories/**]}"
    )
    for path, headers in (
        ("/api/products", {}),
        ("/api/orders", {}),
        ("/api/orders", identity.headers()),
        ("/api/orders", {"Authorization": "Bearer nonsense"}),
    ):
        refused = await live.get(path, **headers)
        assert (refused.status_code, refused.json()["code"]) == (503, "gateway.maintenance"), path
        assert refused.json()["detail"] == "Back at nine."
        assert refused.headers["retry-after"] == "60"
    preflight = {"origin": SHOP, "access-control-request-method": "GET"}
    assert (await client.options("/api/products", headers=preflight)).status_code == 204
    assert "access-control-allow-origin" in (await live.get("/api/products", origin=SHOP)).headers
    assert (await client.post("/api/auth/login")).status_code == 200
    assert (await client.post("/api/payments/webhook")).status_code == 200
    assert (await live.get("/api/categories/7")).status_code == 200
    admin = identity.headers(user_id=2, role="ADMIN")
    for path in ("/api/products", "/api/orders", "/api/cart"):
        assert (await live.get(path, **admin)).status_code == 200, path
    assert (await live.get("/actuator/health/readiness")).status_code == 200
    await live.becomes("maintenance: {enabled: false}")
    assert (await live.get("/api/products")).status_code == 200


async def test_time_breaker_and_retries(live: Live) -> None:
    slow = await live.world.stub("analytics")
    slow.reply = gateway.Reply(pause=0.6)
    admin = live.world.identity.headers(role="ADMIN")
    assert (await live.get("/api/analytics/users", **admin)).status_code == 200
    await live.becomes(
        "timeouts: {analytics: 0.2}\nbreaker: {failures: 2, openSeconds: 33, ratio: 0.9}\nretry: {budget: 0}"
    )
    for _ in range(2):
        assert (await live.get("/api/analytics/users", **admin)).status_code == 504
    refused = await live.get("/api/analytics/users", **admin)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "33")


async def test_what_is_logged(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO", "json", "tests")

    async def records() -> int:
        capsys.readouterr()
        for _ in range(10):
            await live.get("/api/products")
        return capsys.readouterr().out.count("http.request")

    try:
        assert await records() == 10
        await live.becomes("log: {sample: 0}")
        assert await records() == 0
        await live.becomes("log: {sample: 0, slowMs: 0}")
        assert await records() == 10
        await live.becomes("log: {level: ERROR}")
        assert await records() == 0
    finally:
        telemetry.configure("WARNING", "console", "tests")


@pytest.mark.parametrize(
    "bad",
    [
        "rateLimits: {brows: {address: 1}}",
        "rateLimits: {browse: {adress: 1}}",
        "rateLimits: {browse: {address: 0}}",
        "rateLimits: {browse: {address: 1.5}}",
        "rateLimits: {checkout: {address: 5}}",
        "rateLimits: {enabled: 'no'}",
        "cors: {origins: ['*']}",
        "cors: {origins: [shop.example]}",
        "breaker: {failures: 0}",
        "breaker: {ratio: .nan}",
        "breaker: {open_seconds: 3}",
        "timeouts: {product: 0}",
        "timeouts: {catalogue: 3}",
        "retry: {budget: 2}",
        "log: {sample: 1.1}",
        "log: {level: debug}",
        "maintenance: {enabled: true, allow: [api]}",
        "maintenance: {enabled: true, allow: [/api/**/x]}",
        "routes: {product: {disabled: 1}}",
        "routes: {product: {access: open}}",
        "secrets: {}",
        "routes: {shop: {disabled: true}}",
    ],
)
async def test_one_bad_value_refuses_the_whole_document(live: Live, bad: str) -> None:
    await live.becomes("rateLimits: {search: {address: 30}}")
    before = _policy(await live.get("/api/products/search"))
    section = bad.partition(":")[0]
    good = "cors: {origins: ['https://other.example']}" if section != "cors" else "log: {sample: 0.5}"
    await live.becomes(f"{good}\n{bad}", result="refused")
    assert _policy(await live.get("/api/products/search")) == before == '"search";q=30;w=60'
    assert "access-control-allow-origin" in (await live.get("/api/products", origin=SHOP)).headers
    assert (await live.get("/api/products")).status_code == 200


async def test_no_request_is_dropped_while_settings_change(live: Live) -> None:
    product = await live.world.stub("delivery")
    product.reply = gateway.Reply(pause=0.05)
    statuses: list[int] = []
    running = True

    async def traffic(path: str) -> None:
        while running:
            statuses.append((await live.get(path)).status_code)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(traffic("/api/delivery/serviceability"))
            group.create_task(traffic("/api/products"))
        for number in range(3):
            await live.becomes(
                "rateLimits: {enabled: false}\n"
                f"timeouts: {{delivery: {3 + number}}}\n"
                f"breaker: {{failures: {3 + number}}}"
            )
        running = False
    assert len(statuses) > 50
    assert set(statuses) <= {200, 429}
    assert statuses[-1] == 200
