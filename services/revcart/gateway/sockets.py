"""Passes a WebSocket through. Messages wait for the slower side: nothing piles up here."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import yarl
from starlette import types

from revcart.gateway import domain, headers, upstreams, visits
from revcart.kit import errors, registry

GOING_AWAY: Final = 1001
TOO_BIG: Final = 1009
CLOSE_SECONDS: Final = 5.0


async def pass_through(
    visit: visits.Visit,
    route: domain.Route,
    *,
    receive: types.Receive,
    send: types.Send,
    upstreams: upstreams.Upstreams,
) -> None:
    """Raises Overloaded or DependencyUnavailable before the socket is accepted; later trouble closes it (1001)."""
    with upstreams.socket(visit, route) as (instance, permit):
        visit.service, visit.instance, visit.tries = route.service, instance.id, 1
        if instance.app is not None:
            permit.succeeded()
            await _in_process(visit, route, app=instance.app, receive=receive, send=send)
            return
        try:
            socket = await _connect(visit, route, instance=instance, session=upstreams.transport.session)
        except (aiohttp.ClientError, TimeoutError) as error:
            permit.failed()
            raise errors.DependencyUnavailable(route.service) from error
        permit.succeeded()
        async with socket:
            await _over_tcp(socket, visit, route, receive=receive, send=send)


async def _in_process(
    visit: visits.Visit,
    route: domain.Route,
    *,
    app: types.ASGIApp,
    receive: types.Receive,
    send: types.Send,
) -> None:
    """The service gets the socket itself, watched for silence and for its size of messages."""
    scope = {**visit.scope, "headers": headers.to_service(visit), "state": {}}
    scope.pop("app", None)
    closed = False

    async def sending(message: types.Message) -> None:
        nonlocal closed
        watch.touch()
        closed = closed or message["type"] == "websocket.close"
        await send(message)

    async def receiving() -> types.Message:
        message = await receive()
        watch.touch()
        if _size(message) > route.body:
            await sending({"type": "websocket.close", "code": TOO_BIG})
            return {"type": "websocket.disconnect", "code": TOO_BIG}
        return message

    async with _Idle(route.idle_seconds) as watch:
        await app(scope, receiving, sending)
    if watch.expired and not closed:
        await send({"type": "websocket.close", "code": GOING_AWAY})


async def _connect(
    visit: visits.Visit,
    route: domain.Route,
    *,
    instance: registry.Instance,
    session: aiohttp.ClientSession,
) -> aiohttp.ClientWebSocketResponse[bool]:
    passed = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers.to_service(visit)
        if not name.startswith(b"sec-websocket-")
    ]
    async with asyncio.timeout(route.seconds):
        return await session.ws_connect(
            yarl.URL(instance.address + visit.target, encoded=True),
            headers=passed,
            protocols=visit.scope.get("subprotocols", ()),
            max_msg_size=route.body,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
        )


async def _over_tcp(
    socket: aiohttp.ClientWebSocketResponse[bool],
    visit: visits.Visit,
    route: domain.Route,
    *,
    receive: types.Receive,
    send: types.Send,
) -> None:
    await receive()  # websocket.connect
    await send({"type": "websocket.accept", "subprotocol": socket.protocol, "headers": []})
    code = GOING_AWAY
    async with _Idle(route.idle_seconds) as watch:
        code = await _pump(socket, visit, route, receive=receive, send=send, touch=watch.touch)
    await socket.close(code=code)
    with contextlib.suppress(RuntimeError, OSError):  # the client has closed, or the server that stops
        await send({"type": "websocket.close", "code": code})


async def _pump(
    socket: aiohttp.ClientWebSocketResponse[bool],
    visit: visits.Visit,
    route: domain.Route,
    *,
    receive: types.Receive,
    send: types.Send,
    touch: Callable[[], None],
) -> int:
    """Moves messages both ways until one side ends; the code with which to close the other."""

    async def to_service() -> int:
        while True:
            message = await receive()
            touch()
            if message["type"] == "websocket.disconnect":
                return _sendable(message.get("code"))
            size = _size(message)
            if size > route.body:
                return TOO_BIG
            visit.bytes_in += size
            text = message.get("text")
            await (socket.send_str(text) if text is not None else socket.send_bytes(message["bytes"]))

    async def to_client() -> int:
        async for message in socket:
            touch()
            if message.type is aiohttp.WSMsgType.TEXT:
                await send({"type": "websocket.send", "text": message.data})
            elif message.type is aiohttp.WSMsgType.BINARY:
                await send({"type": "websocket.send", "bytes": message.data})
        return _sendable(socket.close_code)

    return await _first(to_service(), to_client())


async def _first(*pumps: Awaitable[int]) -> int:
    """The result of whichever ends first; the others are cancelled. A pump that breaks means its end has gone."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(task for task in tasks if task.done())
        return GOING_AWAY if ended.exception() is not None else ended.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Idle:
    """Ends its block when `seconds` pass without a touch; then `expired` is true. 0: never."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds or None
        self.expired = False

    async def __aenter__(self) -> "_Idle":
        self._limit = asyncio.timeout(self._seconds)
        await self._limit.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> bool:
        try:
            await self._limit.__aexit__(*raised)
        except TimeoutError:
            self.expired = True
            return True
        return False

    def touch(self) -> None:
        if self._seconds and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)


def _size(message: types.Message) -> int:
    text = message.get("text")
    return len(text.encode()) if text is not None else len(message.get("bytes") or b"")


def _sendable(code: int | None) -> int:
    """1005 and 1006 say that no code was sent; they may not be sent themselves (RFC 6455, 7.4.1)."""
    return code if code is not None and code not in (1005, 1006, 1015) else GOING_AWAY
