"""Calls between services: what is tried again, what opens the breaker, what the caller sees."""

import asyncio
import dataclasses
import json
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from starlette import applications, requests, responses, routing

from revcart.kit import breaker, clock, errors, http, pressure, registry, telemetry, testing, tokens

Handler = Callable[[requests.Request], responses.Response]


@dataclasses.dataclass
class World:
    """`product` answers with what the test puts into `answers`, one per call, then with 200."""

    client: http.Client
    registry: registry.Memory
    clock: clock.Manual
    answers: list[responses.Response | float]
    seen: list[requests.Request]
    left: asyncio.Event


@pytest.fixture
async def world() -> AsyncIterator[World]:
    time, instances = clock.Manual(), registry.Memory()
    client = http.Client(
        caller="order",
        registry=instances,
        tokens=tokens.ServiceTokens([testing.SERVICE_SECRET], clock=time),
        clock=time,
        metrics=telemetry.Metrics("order"),
        pressure=pressure.Pressure(),
    )
    here = World(client, instances, time, [], [], asyncio.Event())

    async def answer(request: requests.Request) -> responses.Response:
        here.seen.append(request)
        body = await request.body()
        planned = here.answers.pop(0) if here.answers else None
        if isinstance(planned, float):
            async with asyncio.timeout(planned):
                await request.receive()  # nothing more comes but the disconnect
            here.left.set()
        if isinstance(planned, responses.Response):
            return planned
        return responses.JSONResponse({"path": request.url.path, "body": body.decode()})

    app = applications.Starlette(routes=[routing.Route("/{path:path}", answer, methods=["GET", "POST", "PUT"])])
    for name in ("a", "b"):
        await instances.register(registry.Instance(service="product", id=name, address="asgi://product", app=app))
    yield here
    await client.close()


async def test_a_call_carries_token_ids_and_json(world: World) -> None:
    with telemetry.context(request_id="request-1", traceparent=f"00-{'1' * 32}-{'2' * 16}-01"):
        answer = await world.client.call(
            "product",
            "POST",
            "/internal/größe",
            json={"a": 1},
            params={"id": [1, 2], "none": None, "yes": True},
            acting_for=tokens.ActingFor(id=7, role="CUSTOMER"),
        )
    assert (answer.status, answer.json()) == (200, {"path": "/internal/größe", "body": '{"a":1}'})
    request = world.seen[0]
    assert request.url.query == "id=1&id=2&yes=true"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-request-id"] == "request-1"
    assert request.headers["traceparent"].startswith(f"00-{'1' * 32}-")
    token = request.headers["authorization"].removeprefix("Bearer ")
    caller = tokens.ServiceTokens([testing.SERVICE_SECRET], clock=world.clock).verify(token, "product")
    assert caller == tokens.Caller(service="order", acting_for=tokens.ActingFor(id=7, role="CUSTOMER"))


async def test_a_given_bearer_token_is_sent_instead(world: World) -> None:
    await world.client.call("product", "GET", "/api", bearer="the-users-own")
    assert world.seen[0].headers["authorization"] == "Bearer the-users-own"


async def test_a_4xx_is_refused_and_no_failure_of_the_callee(world: World) -> None:
    problem = {"code": "stock.insufficient", "detail": "2 left", "status": 409}
    for _ in range(6):
        world.answers.append(responses.JSONResponse(problem, 409, headers={"Retry-After": "1"}))
        with pytest.raises(errors.Refused) as refused:
            await world.client.call("product", "GET", "/a")
    assert (refused.value.answered, refused.value.answered_code) == (409, "stock.insufficient")
    assert refused.value.headers() == {"retry-after": "1"}
    assert world.client.breaker_states() == {"product": breaker.State.CLOSED}
    assert len(world.seen) == 6


@pytest.mark.parametrize(
    ("method", "idempotent", "status", "tries"),
    [
        ("GET", None, 503, 2),
        ("GET", None, 502, 2),
        ("GET", None, 500, 1),
        ("GET", None, 504, 1),
        ("PUT", None, 503, 2),
        ("POST", None, 503, 1),
        ("POST", True, 503, 2),
        ("GET", False, 503, 1),
    ],
)
async def test_what_may_be_repeated_is_tried_twice(
    world: World, method: str, idempotent: bool | None, status: int, tries: int
) -> None:
    world.answers += [responses.Response(status_code=status)] * 2
    with pytest.raises(errors.DependencyUnavailable):
        await world.client.call("product", method, "/a", idempotent=idempotent)
    assert len(world.seen) == tries


async def test_retries_stay_within_a_tenth_of_the_calls(world: World) -> None:
    # A 503 with a Retry-After of its own says busy, not down: the breaker stays closed.
    for _ in range(30):
        world.answers += [responses.Response(status_code=503, headers={"Retry-After": "7"})] * 2
        with pytest.raises(errors.DependencyUnavailable) as raised:
            await world.client.call("product", "GET", "/a")
        world.answers.clear()
    assert raised.value.retry_after == 7
    assert world.client.breaker_states() == {"product": breaker.State.CLOSED}
    assert 30 + 10 <= len(world.seen) <= 30 + 13, "ten saved up, then one in ten"


async def test_a_slow_callee_is_left_in_time_and_told_so(world: World) -> None:
    world.answers.append(5.0)
    began = asyncio.get_running_loop().time()
    with pytest.raises(errors.DependencyUnavailable):
        await world.client.call("product", "GET", "/a", timeout=0.1)
    assert asyncio.get_running_loop().time() - began < 0.5
    async with asyncio.timeout(1):
        await world.left.wait()
    assert len(world.seen) == 1


async def test_a_dead_callee_opens_its_breaker_which_closes_by_itself(world: World) -> None:
    world.answers += [responses.Response(status_code=503)] * 5
    for _ in range(5):
        with pytest.raises(errors.DependencyUnavailable):
            await world.client.call("product", "POST", "/a")
    assert world.client.breaker_states() == {"product": breaker.State.OPEN}
    with pytest.raises(errors.DependencyUnavailable) as raised:
        await world.client.call("product", "GET", "/a")
    assert (raised.value.service, raised.value.retry_after) == ("product", 10)
    assert len(world.seen) == 5, "nothing was sent"
    world.clock.advance(10)
    for _ in range(3):
        await world.client.call("product", "GET", "/a")
    assert world.client.breaker_states() == {"product": breaker.State.CLOSED}


async def test_a_callee_that_breaks_off_is_a_dependency_away(world: World) -> None:
    async def broken(scope: object, receive: object, send: Callable[[object], object]) -> None:
        raise RuntimeError("broken")

    await world.registry.register(
        registry.Instance(service="cart", id="c", address="asgi://cart", app=broken)  # type: ignore[arg-type]
    )
    with pytest.raises(errors.DependencyUnavailable) as raised:
        await world.client.call("cart", "POST", "/a")
    assert raised.value.service == "cart"
    with pytest.raises(errors.DependencyUnavailable):
        await world.client.call("nobody", "GET", "/a")


async def test_over_tcp_an_unreachable_instance_is_passed_over(world: World) -> None:
    """Nothing was sent to the dead one, so even a POST goes on to the other."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"line": head.split(b"\r\n")[0].decode()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        for name, target in (("dead", unused.getsockname()[1]), ("alive", port)):
            await world.registry.register(
                registry.Instance(service="slot", id=name, address=f"http://127.0.0.1:{target}")
            )
        async with server:
            for _ in range(12):
                answer = await world.client.call("slot", "POST", "/a%2Fb", params={"q": "ä b"})
                assert answer.json() == {"line": "POST /a%2Fb?q=%C3%A4+b HTTP/1.1"}
