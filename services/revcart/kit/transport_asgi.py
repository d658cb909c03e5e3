"""Calls an ASGI application of this process as an HTTP client would, without a socket.

The callee runs as a task of its own: it sees `http.disconnect` when its client leaves, and, as behind a server, it may
then still finish what it began. It is cancelled if that takes too long, so that nothing outlives its client for good.
"""

import asyncio
import contextlib
import urllib.parse
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from starlette import types

LINGER_SECONDS: Final = 10.0


class BrokenOff(Exception):
    """The exchange ended before its answer was complete; whether the request took effect is unknown."""


class InProcess:
    """Runs the exchanges and keeps hold of callees whose client has left."""

    def __init__(self) -> None:
        self._leaving: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def exchange(
        self,
        app: types.ASGIApp,
        *,
        server: str,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | AsyncIterator[bytes],
    ) -> AsyncIterator["_Exchange"]:
        scope = _scope(server=server, method=method, target=target, headers=headers, body=body)
        exchange = _Exchange(body)
        task = asyncio.create_task(exchange.run(app, scope))
        try:
            await exchange.started()
            yield exchange
        finally:
            exchange.leave()
            if not task.done():
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)
                if not exchange.complete:  # a complete answer may have background work behind it
                    asyncio.get_running_loop().call_later(LINGER_SECONDS, task.cancel)

    async def close(self) -> None:
        leaving = list(self._leaving)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)


class _Exchange:
    """Both ends of one request: `receive` and `send` for the callee, status, headers and pieces for the caller."""

    def __init__(self, body: bytes | AsyncIterator[bytes]) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._body = body
        self._body_sent = False
        self._gone = asyncio.Event()  # the caller has left
        self._changed = asyncio.Event()  # for the caller: head, a piece, or the end has come
        self._taken = asyncio.Event()  # for the callee: its piece was taken
        self._piece: bytes | None = None
        self.complete = False
        self._ended = False
        self._error: BaseException | None = None

    async def run(self, app: types.ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self.receive, self.send)
        except Exception as error:  # the caller learns of it as BrokenOff, whatever it was
            self._error = error
        finally:
            self._ended = True
            self._changed.set()

    async def started(self) -> None:
        while not self.status:
            if self._ended:
                raise BrokenOff("the application gave no answer") from self._error
            await self._change()

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            piece, self._piece = self._piece, None
            if piece is not None:
                self._taken.set()
                if piece:
                    yield piece
            elif self.complete:
                return
            elif self._ended:
                raise BrokenOff("the application broke off its answer") from self._error
            else:
                await self._change()

    def leave(self) -> None:
        self._gone.set()
        self._taken.set()

    async def receive(self) -> types.Message:
        if isinstance(self._body, bytes):
            if not self._body_sent:
                self._body_sent = True
                return {"type": "http.request", "body": self._body, "more_body": False}
        elif not self._body_sent and not self._gone.is_set():
            with contextlib.suppress(StopAsyncIteration):
                return {"type": "http.request", "body": await anext(self._body), "more_body": True}
            self._body_sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: types.Message) -> None:
        if self._gone.is_set():
            return
        if message["type"] == "http.response.start":
            self.headers = [(name.lower(), value) for name, value in message.get("headers", ())]
            self.status = message["status"]
            self._changed.set()
        elif message["type"] == "http.response.body" and not self.complete:
            await self._send_piece(message.get("body", b""), more=message.get("more_body", False))

    async def _send_piece(self, piece: bytes, *, more: bool) -> None:
        while self._piece is not None and not self._gone.is_set():  # one piece at a time: this is the back-pressure
            self._taken.clear()
            await self._taken.wait()
        self._piece = piece
        self.complete = not more
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _scope(
    *,
    server: str,
    method: str,
    target: str,
    headers: Sequence[tuple[bytes, bytes]],
    body: bytes | AsyncIterator[bytes],
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    sent = [(name.lower(), value) for name, value in headers]
    names = {name for name, _ in sent}
    if b"host" not in names:
        sent.append((b"host", server.encode()))
    if isinstance(body, bytes) and body and b"content-length" not in names:
        sent.append((b"content-length", str(len(body)).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": urllib.parse.unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": sent,
        "client": ("127.0.0.1", 0),
        "server": (server, 0),
        "state": {},
    }
