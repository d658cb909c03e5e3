"""Rate limits at a gateway whose Redis stops, hangs and comes back: nobody is refused for it, sign-in stays slow."""

import asyncio
import time
from pathlib import Path

from tests import gateway, servers

from revcart.gateway import domain
from revcart_operator.platform import routes as catalogue

TABLE = [domain.Route(**line) for line in catalogue.table()]


async def _count(world: gateway.World, method: str, path: str, address: str, *, most: int) -> int:
    """How many requests pass before the first 429."""
    for passed in range(most):
        answer = await world.client.request(method, path, headers={"X-Forwarded-For": address})
        if answer.status_code == 429:
            return passed
        assert answer.status_code == 200
    return most


async def test_a_gateway_outlives_its_redis(tmp_path: Path) -> None:
    async with (
        servers.redis(tmp_path) as server,
        gateway.world(TABLE, cache_url=f"redis://127.0.0.1:{server.port}/0") as world,
    ):
        for service in ("auth", "product", "order"):
            await world.stub(service)
        assert await _count(world, "GET", "/api/products/search", "203.0.113.1", most=40) == 12

        await server.stop()
        assert await _count(world, "GET", "/api/products/search", "203.0.113.1", most=40) == 40
        assert await _count(world, "POST", "/api/auth/login", "203.0.113.2", most=40) == 10
        orders = await world.client.get("/api/orders", headers=world.identity.headers())
        assert orders.status_code == 200, "a session's end cannot be looked up, and the shop goes on"
        metrics = (await world.client.get("/actuator/prometheus")).text
        assert "revcart_gateway_limit_errors_total 52.0" in metrics
        assert "revcart_session_checks_skipped_total 1.0" in metrics

        await server.start()
        assert await _count(world, "GET", "/api/products/search", "203.0.113.3", most=40) == 12, "it counts again"

        server.freeze()
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(world.client.get("/api/products", headers={"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(20))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert time.perf_counter() - began < 3, "two seconds for those who found out"
        began = time.perf_counter()
        for _ in range(10):
            assert (await world.client.get("/api/products")).status_code == 200
        assert time.perf_counter() - began < 0.5, "and no time for those who came after"
        server.thaw()
        await asyncio.sleep(1.1)
        assert await _count(world, "GET", "/api/products/search", "203.0.113.4", most=40) == 12
