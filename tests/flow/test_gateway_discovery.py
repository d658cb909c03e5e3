"""The gateway finds services in Consul, and does without it: nobody who shops may notice that Consul is away."""

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from starlette import types

from revcart.cart import app as cart
from revcart.gateway import app, domain
from revcart.kit import http, hub, pressure, registry, telemetry, testing, tokens
from revcart_operator.platform import routes as catalogue
from tests import gateway, servers

TABLE = [domain.Route(**line) for line in catalogue.table()]


def _ask(server: servers.Server, path: str, method: str = "GET", body: str | None = None) -> Any:
    url = f"http://127.0.0.1:{server.port}/v1/{path}"
    request = urllib.request.Request(url, data=body.encode() if body is not None else None, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read() or b"null")


def _url(server: servers.Server) -> str:
    return f"consul://127.0.0.1:{server.port}"


@contextlib.asynccontextmanager
async def _gateway(server: servers.Server, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway on its own, as in a pod: with nothing in common with the services but Consul."""
    identity, shared = testing.Identity(), hub.Hub(None)
    identity.install(shared)
    given = testing.settings(
        app.Settings,
        gateway_routes=TABLE,
        public_url="http://localhost:8080",
        registry_url=_url(server),
        gateway_rate_limits="Off",
        port=servers.free_port(),
        **settings,
    )
    made = app.create_app(given, hub=shared)
    async with shared, gateway.running(made), gateway.World.client_of(made) as client:
        yield client


@contextlib.asynccontextmanager
async def _stub(server: servers.Server, service: str) -> AsyncIterator[gateway.Stub]:
    """An instance over TCP, in Consul for the length of the block."""
    stub = gateway.Stub()
    own = registry.connect(
        _url(server), memory=registry.Memory(), names=registry.Names(), metrics=telemetry.Metrics(service)
    )
    async with gateway.served(stub) as address:
        instance = registry.Instance(service=service, id=f"{service}-{id(stub)}", address=address)
        await own.register(instance)
        try:
            yield stub
            await own.deregister(instance)
        finally:
            await own.close()


async def _source(client: httpx2.AsyncClient, service: str) -> str:
    metrics = (await client.get("/actuator/prometheus")).text
    start = f'revcart_discovery_source{{service="{service}",source="'
    (source,) = [
        line.removeprefix(start).partition('"')[0]
        for line in metrics.splitlines()
        if line.startswith(start) and line.endswith(" 1.0")
    ]
    return source


class _Late:
    """An application that is known only once its port is."""

    made: types.ASGIApp

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        await self.made(scope, receive, send)


async def test_a_service_announces_itself_and_withdraws_before_it_drains(tmp_path: Path) -> None:
    async with servers.consul(tmp_path) as server, _gateway(server) as client:
        late = _Late()
        async with gateway.served(late) as address:
            settings = testing.settings(
                cart.Settings,
                registry_url=_url(server),
                advertise_host="127.0.0.1",
                port=int(address.rpartition(":")[2]),
            )
            made = cart.create_app(settings)
            late.made = made
            async with gateway.running(made):
                (entry,) = await asyncio.to_thread(_ask, server, "health/service/cart?passing=1")
                assert entry["Service"]["Address"] == "127.0.0.1"
                assert f"http://localhost:{entry['Service']['Port']}" == address

                async def found() -> bool:
                    return (await client.get("/api/cart")).status_code == 200

                await gateway.eventually(found, seconds=2)
                await made.state.withdraw()
                assert await asyncio.to_thread(_ask, server, "health/service/cart") == []

                async def passed_over() -> bool:
                    answer = await client.get("/api/cart")
                    return answer.status_code == 503 and answer.json()["service"] == "cart"

                await gateway.eventually(passed_over, seconds=2)
                async with httpx2.AsyncClient(base_url=address) as direct:
                    assert (await direct.get("/actuator/health/readiness")).status_code == 503
                    assert (await direct.get("/api/cart")).status_code == 200, "what is under way is still served"


async def test_consul_goes_and_comes_under_traffic_and_nobody_notices(tmp_path: Path) -> None:
    async with (
        servers.consul(tmp_path) as server,
        _stub(server, "product") as one,
        _stub(server, "product") as two,
        _gateway(server) as client,
    ):
        statuses: list[int] = []
        running = True

        async def traffic() -> None:
            while running:
                statuses.append((await client.get("/api/products")).status_code)
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(traffic())
            await asyncio.sleep(0.5)
            assert await _source(client, "product") == "consul"
            await server.stop()

            async def by_memory() -> bool:
                return await _source(client, "product") == "last-known"

            await gateway.eventually(by_memory, seconds=3)
            await asyncio.sleep(2)
            await server.start()

            async def by_consul() -> bool:
                return await _source(client, "product") == "consul"

            await gateway.eventually(by_consul, seconds=5)
            await asyncio.sleep(2)
            running = False
        assert set(statuses) == {200}
        assert len(one.seen) > 20
        assert len(two.seen) > 20


async def test_a_rate_limit_changed_in_kv_acts_within_two_seconds(tmp_path: Path) -> None:
    async with servers.consul(tmp_path) as server, _stub(server, "product"), _gateway(server) as client:

        async def policy() -> str | None:
            return (await client.get("/api/products")).headers.get("ratelimit-policy")

        async def change(text: str, wanted: str | None) -> float:
            await asyncio.to_thread(_ask, server, "kv/config/gateway/data", "PUT", text)
            began = time.perf_counter()

            async def acts() -> bool:
                return await policy() == wanted

            await gateway.eventually(acts, seconds=2)
            return time.perf_counter() - began

        assert await policy() is None
        took = await change("rateLimits: {enabled: true, browse: {address: 77}}", '"browse";q=77;w=60')
        print(f"a rate limit acted {took * 1000:.0f} ms after it was written")
        await server.stop()
        await asyncio.sleep(1)
        assert await policy() == '"browse";q=77;w=60', "frozen at the last good ones"
        await server.start()
        await change("rateLimits: {enabled: true, browse: {address: 78}}", '"browse";q=78;w=60')
        await asyncio.to_thread(_ask, server, "kv/config/gateway/data", "DELETE")

        async def gone() -> bool:
            return await policy() is None

        await gateway.eventually(gone, seconds=2)


async def test_the_first_call_of_a_service_finds_its_callee(tmp_path: Path) -> None:
    async with servers.consul(tmp_path) as server, _stub(server, "product") as stub:
        metrics = telemetry.Metrics("order")
        instances = registry.connect(_url(server), memory=registry.Memory(), names=registry.Names(), metrics=metrics)
        time_ = testing.Identity().clock
        client = http.Client(
            caller="order",
            registry=instances,
            tokens=tokens.ServiceTokens([testing.SERVICE_SECRET], clock=time_),
            clock=time_,
            metrics=metrics,
            pressure=pressure.Pressure(),
        )
        assert (await client.call("product", "GET", "/internal/x")).status == 200
        assert [seen.path for seen in stub.seen] == ["/internal/x"]
        assert b'revcart_breaker_state{callee="product"} 0.0' in metrics.exposition()
        await client.close()
        await instances.close()
