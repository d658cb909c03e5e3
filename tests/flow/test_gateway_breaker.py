"""A service that is down must cost its callers nothing, and the others must not notice."""

import asyncio
import socket
import time as times
from collections.abc import AsyncIterator

import pytest

from revcart.gateway import domain
from revcart.kit import clock
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]


@pytest.mark.regression("R9")
async def test_r09_dead_upstream_opens_breaker() -> None:
    time = clock.Manual()
    async with gateway.world(TABLE, clock=time, gateway_rate_limits="Off") as world:
        product, cart = await world.stub("product"), await world.stub("cart")
        product.reply = gateway.Reply(status=503)
        for _ in range(5):
            assert (await world.client.post("/api/products/search")).status_code == 503
        reached = len(product.seen)

        began = times.perf_counter()
        refused = await world.client.get("/api/products")
        assert times.perf_counter() - began < 0.05
        problem = refused.json()
        assert (refused.status_code, problem["code"], problem["service"]) == (503, "dependency.unavailable", "product")
        assert refused.headers["retry-after"] == "10"
        assert len(product.seen) == reached, "nothing was sent"
        assert (await world.client.get("/api/cart")).status_code == 200, "others are unharmed"
        assert len(cart.seen) == 1

        health = (await world.client.get("/actuator/health")).json()
        assert health["components"]["breakers"]["details"] == {"product": "OPEN", "cart": "CLOSED"}
        metrics = (await world.client.get("/actuator/prometheus")).text
        assert 'revcart_gateway_breaker_state{service="product"} 2.0' in metrics

        product.reply = gateway.Reply()
        time.advance(10)
        for _ in range(3):
            assert (await world.client.get("/api/products")).status_code == 200
        health = (await world.client.get("/actuator/health")).json()
        assert health["components"]["breakers"]["details"]["product"] == "CLOSED"


async def test_refusals_and_bugs_of_a_service_leave_its_breaker_alone() -> None:
    async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
        product = await world.stub("product")
        busy = gateway.Reply(status=503, headers=[("retry-after", "3")])
        for reply in (gateway.Reply(status=500), gateway.Reply(status=404), gateway.Reply(status=429), busy):
            product.reply = reply
            for _ in range(8):
                answer = await world.client.post("/api/products/search")
                assert answer.status_code == reply.status
        assert answer.headers["retry-after"] == "3"
        assert len(product.seen) == 32


async def test_clients_that_send_too_much_or_leave_do_not_open_a_breaker() -> None:
    async def too_much() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 4096

    async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
        await world.stub("auth")
        for _ in range(8):
            refused = await world.client.post("/api/auth/login", content=too_much())
            assert refused.status_code == 413
        assert (await world.client.post("/api/auth/login", json={})).status_code == 200


async def test_an_unreachable_instance_is_passed_over_and_an_unreachable_service_is_503() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
            await world.stub("product", address=dead)
            refused = await world.client.post("/api/products/search")
            assert (refused.status_code, refused.json()["code"]) == (503, "dependency.unavailable")
            alive = await world.stub("product")
            for _ in range(20):
                assert (await world.client.get("/api/products/7")).status_code == 200
            assert len(alive.seen) == 20
            assert (await world.client.get("/api/slots")).json()["service"] == "order", "nobody serves it at all"


@pytest.mark.parametrize(
    ("method", "path", "status", "tries"),
    [
        ("GET", "/api/products/7", 503, 2),
        ("GET", "/api/products/7", 502, 2),
        ("GET", "/api/products/7", 504, 1),
        ("GET", "/api/products/7", 500, 1),
        ("POST", "/api/products/search", 503, 1),
        ("GET", "/api/payments/7", 503, 1),
        ("GET", "/ws/info", 503, 1),
    ],
)
async def test_only_reads_are_tried_again_and_never_money(method: str, path: str, status: int, tries: int) -> None:
    async with gateway.world(TABLE) as world:
        stub = gateway.Stub()
        for name in ("product", "payment", "notification"):
            for _ in range(2):
                await world.register(name, stub)
        stub.reply = gateway.Reply(status=status)
        answer = await world.client.request(method, path, headers=world.identity.headers())
        assert answer.status_code == status
        assert len(stub.seen) == tries


async def test_a_failed_read_is_answered_by_another_instance() -> None:
    async with gateway.world(TABLE) as world:
        broken, sound = await world.stub("product"), await world.stub("product")
        broken.reply = gateway.Reply(status=502)
        for _ in range(10):
            assert (await world.client.get("/api/products/7")).status_code == 200
        assert len(sound.seen) == 10


async def test_more_than_a_thousand_requests_in_flight_are_refused() -> None:
    async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
        product, cart = await world.stub("product"), await world.stub("cart")
        product.reply = gateway.Reply(pause=4)
        waiting = [asyncio.create_task(world.client.get("/api/products/7")) for _ in range(1000)]
        await gateway.eventually(lambda: _reached(product, 1000))
        refused = await world.client.get("/api/products/7")
        assert (refused.status_code, refused.json()["code"]) == (503, "gateway.overloaded")
        assert refused.headers["retry-after"] == "1"
        assert (await world.client.get("/api/cart")).status_code == 200
        assert len(cart.seen) == 1
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _reached(stub: gateway.Stub, number: int) -> bool:
    return len(stub.seen) >= number
