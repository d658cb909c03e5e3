"""WebSockets through the gateway, to a service in this process and to one behind TCP."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from starlette import types

from revcart.gateway import domain
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]
SHORT = [
    domain.Route(path="/ws/**", service="notification", access="open", limit="realtime", idle_seconds=0.5, body=1000)
]
SHOP = "http://localhost:4200"


class Echo:
    """Answers each message in kind; `close` ends the socket with 4001, `gone` breaks it."""

    def __init__(self) -> None:
        self.scopes: list[types.Scope] = []
        self.codes: list[int] = []

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        self.scopes.append(scope)
        await receive()
        wanted = scope.get("subprotocols") or [None]
        await send({"type": "websocket.accept", "subprotocol": wanted[-1]})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self.codes.append(message["code"])
                return
            if message.get("text") == "close":
                await send({"type": "websocket.close", "code": 4001})
                return
            kind = "text" if message.get("text") is not None else "bytes"
            await send({"type": "websocket.send", kind: message[kind]})


@contextlib.asynccontextmanager
async def _sockets(
    routes: list[domain.Route], *, tcp: bool
) -> AsyncIterator[tuple[Echo, str, aiohttp.ClientSession, gateway.World]]:
    echo = Echo()
    async with (
        gateway.world(routes, storefront_url=SHOP) as world,
        gateway.served(echo) as behind,
        gateway.served(world.gateway) as address,
        aiohttp.ClientSession() as session,
    ):
        await world.register("notification", echo, address=behind if tcp else None)
        yield echo, address, session, world


@pytest.mark.parametrize("tcp", [False, True])
async def test_messages_pass_both_ways(tcp: bool) -> None:
    async with _sockets(TABLE, tcp=tcp) as (echo, address, session, _):
        headers = {"Origin": SHOP, "X-User-Id": "1", "X-Request-ID": "request-1"}
        async with session.ws_connect(
            f"{address}/ws/websocket?a=%20b", headers=headers, protocols=("v10.stomp", "v12.stomp")
        ) as socket:
            assert socket.protocol == "v12.stomp"
            await socket.send_str("grün")
            assert (await socket.receive(timeout=5)).data == "grün"
            await socket.send_bytes(b"\x00\xff")
            assert (await socket.receive(timeout=5)).data == b"\x00\xff"
            big = "x" * 100_000
            await socket.send_str(big)
            assert (await socket.receive(timeout=5)).data == big
            await socket.close(code=4100)
        await gateway.eventually(lambda: _are(echo.codes, [4100]))
        scope = echo.scopes[0]
        assert (scope["path"], scope["query_string"]) == ("/ws/websocket", b"a=%20b")
        seen = dict(scope["headers"])
        assert b"x-user-id" not in seen
        assert (seen[b"x-request-id"], seen[b"x-forwarded-for"]) == (b"request-1", b"127.0.0.1")


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_close_of_the_service_reaches_the_client(tcp: bool) -> None:
    async with (
        _sockets(TABLE, tcp=tcp) as (_, address, session, _),
        session.ws_connect(f"{address}/ws/websocket") as socket,
    ):
        await socket.send_str("close")
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4001


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_silent_socket_is_closed_and_a_large_message_handshake(tcp: bool) -> None:
    async with _sockets(SHORT, tcp=tcp) as (_, address, session, _):
        async with session.ws_connect(f"{address}/ws/websocket") as socket:
            for _ in range(3):
                await asyncio.sleep(0.3)
                await socket.send_str("still here")
                await socket.receive(timeout=5)
            assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 1001
        async with session.ws_connect(f"{address}/ws/websocket") as socket:
            await socket.send_str("x" * 1001)
            await socket.receive(timeout=5)
            assert socket.close_code == 1009


async def test_only_allowed_origins_may_connect() -> None:
    async with _sockets(TABLE, tcp=False) as (echo, address, session, _):
        for origin in (None, SHOP, "http://localhost:8080"):  # no browser, the storefront, our own
            headers = {"Origin": origin} if origin else {}
            async with session.ws_connect(f"{address}/ws/websocket", headers=headers):
                pass
        assert await _handshake(session, address, origin="https://evil.example") == 403
        assert await _handshake(session, address, path="/api/orders") == 401
        assert len(echo.scopes) == 3


async def test_a_service_that_is_away_refuses_the_handshake_with_503() -> None:
    async with (
        gateway.world(TABLE) as world,
        gateway.served(world.gateway) as address,
        aiohttp.ClientSession() as session,
    ):
        assert await _handshake(session, address) == 503
        await world.stub("notification", address="http://127.0.0.1:1")
        assert await _handshake(session, address) == 503


async def test_new_sockets_are_limited_by_address() -> None:
    async with _sockets(TABLE, tcp=False) as (_, address, session, _):
        statuses = [await _handshake(session, address) for _ in range(16)]
        assert 12 <= statuses.count(101) <= 14
        assert statuses[-1] == 429


async def test_a_session_stays_on_one_instance_on_every_replica() -> None:
    async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
        stubs = [await world.stub("notification") for _ in range(3)]
        homes: Counter[int] = Counter()
        for session in range(30):
            for transport in ("xhr", "xhr_send", "eventsource"):
                await world.client.post(f"/ws/000/session{session}/{transport}")
            at = [number for number, stub in enumerate(stubs) if stub.seen]
            assert len(at) == 1, "all of a session's requests went to one"
            assert len(stubs[at[0]].seen) == 3
            stubs[at[0]].seen.clear()
            homes.update(at)
        assert len(homes) == 3, "and sessions are spread"


async def _handshake(
    session: aiohttp.ClientSession, address: str, *, path: str = "/ws/websocket", origin: str = SHOP
) -> int:
    """The status of a handshake; 101 when it was not refused."""
    try:
        await (await session.ws_connect(address + path, headers={"Origin": origin})).close()
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status
    return 101


async def _are(found: list[int], wanted: list[int]) -> bool:
    return found == wanted
