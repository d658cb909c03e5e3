"""STOMP on a WebSocket: one task reads and handles, one writes, and whoever ends first ends the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from starlette import websockets

from revcart.stomp import broker, frames, parser, peer, session

SUB_PROTOCOLS: Final = ("v12.stomp", "v11.stomp", "v10.stomp")
_MOST_REPLIES: Final = 32  # waiting for a client that sends but does not read
_FRAMES_PER_MESSAGE: Final = 2  # of the largest size; as much as the gateway lets through
_CLOSE_SECONDS: Final = 2.0  # a client that does not read is not waited for


async def serve(
    websocket: websockets.WebSocket,
    *,
    broker: broker.Broker,
    authenticate: peer.Authenticate,
    now: Callable[[], float],
    limits: session.Limits | None = None,
) -> None:
    """Run one connection to its end. Text and binary messages are both read; frames may span messages."""
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(subprotocol=next((known for known in SUB_PROTOCOLS if known in offered), None))
    connection = Connection(websocket, broker=broker, authenticate=authenticate, now=now, limits=limits)
    if not broker.attach(connection.session):
        await _close(websocket, session.TRY_LATER)
        return
    try:
        await connection.run()
    finally:
        broker.detach(connection.session)


class Connection:
    """A session with its socket."""

    def __init__(
        self,
        websocket: websockets.WebSocket,
        *,
        broker: broker.Broker,
        authenticate: peer.Authenticate,
        now: Callable[[], float],
        limits: session.Limits | None,
    ) -> None:
        self._websocket = websocket
        self._now = now
        self._awake = asyncio.Event()
        self._taken = asyncio.Event()  # the writer took replies off the session
        self.session = session.Session(
            authenticate=authenticate, router=broker, now=now, wake=self._awake.set, limits=limits
        )
        self._parser = parser.Parser(self.session.limits.frames)

    async def run(self) -> None:
        """Returns when the client has gone, or after the close frame is sent."""
        reader = asyncio.create_task(self._read(), name="stomp-read")
        writer = asyncio.create_task(self._write(), name="stomp-write")
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            results = await asyncio.gather(reader, writer, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, websockets.WebSocketDisconnect):
                raise result

    async def _read(self) -> None:
        while self.session.close is None:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self.session.heard()
            text = message.get("text")
            data = text.encode() if text is not None else message.get("bytes") or b""
            if len(data) > _FRAMES_PER_MESSAGE * self.session.limits.frames.frame_bytes:
                self.session.finish(session.TOO_BIG)
                break
            self._parser.feed(data)
            await self._handle_frames()
        await asyncio.Event().wait()  # the writer says the last words and ends both

    async def _handle_frames(self) -> None:
        while self.session.close is None:
            try:
                frame = self._parser.next_frame()
            except frames.FrameTooLarge:
                self.session.finish(session.TOO_BIG)
                return
            except frames.FrameError as error:
                self.session.refuse(peer.Refused("malformed frame", str(error)))
                return
            if frame is None:
                return
            await self.session.receive(frame)
            self._parser.version = self.session.version
            while self.session.backlog >= _MOST_REPLIES:
                self._taken.clear()
                await self._taken.wait()

    async def _write(self) -> None:
        current = self.session
        while True:
            if current.tick():
                await self._send(frames.HEART_BEAT)
            frame = current.next_frame()
            self._taken.set()
            if frame is not None:
                await self._send(frames.encode(frame, current.version))
            elif current.close is not None:
                await _close(self._websocket, current.close)
                return
            else:
                await self._sleep()

    async def _sleep(self) -> None:
        self._awake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self.session.deadline() - self._now())):
                await self._awake.wait()

    async def _send(self, data: bytes) -> None:
        """Send, but keep the session's deadlines while the client does not read."""
        sending = asyncio.ensure_future(self._websocket.send_text(data.decode()))
        try:
            while not (await asyncio.wait({sending}, timeout=1))[0]:
                self.session.tick()
                if self.session.close is not None:
                    return  # closing is tried, and given up when that blocks as well
            await sending
        finally:
            sending.cancel()
        self.session.spoke()


async def _close(websocket: websockets.WebSocket, close: session.Close) -> None:
    with contextlib.suppress(TimeoutError, websockets.WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await websocket.close(close.code, close.reason)
