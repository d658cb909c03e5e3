"""One service's port, and one service's lifespan: uvicorn without the parts that assume it owns the process."""

import asyncio
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message

from revcart.kit import telemetry

log = telemetry.get_logger(__name__)

START_SECONDS = 60
DRAIN_SECONDS = 10  # for requests in flight
STOP_SECONDS = 12  # for a lifespan's end: outbox drained (10 s), stores closed


class Server:
    """Serves an application on a bound socket.

    uvicorn's own loop and signal handlers are left out: twelve servers share one process, which owns both.
    """

    def __init__(self, app: ASGIApp, bound: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            http="httptools",
            ws="websockets-sansio",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # the gateway alone decides which proxy is trusted
            server_header=False,
            timeout_keep_alive=75,  # longer than any client of ours keeps a connection idle: the client closes first
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
        config.load()
        self._bound = bound
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)

    async def start(self) -> None:
        await self.tick()
        await self._server.startup(sockets=[self._bound])

    async def tick(self) -> None:
        """Renew the Date header; once per second."""
        await self._server.on_tick(0)

    async def stop(self) -> None:
        """Take no more connections, let requests in flight finish, close sockets that stay open."""
        await self._server.shutdown(sockets=[self._bound])


class Lifespan:
    """Runs the lifespan protocol of an ASGI application in a task of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises RuntimeError with the application's reason when it refuses to start."""
        self._task = asyncio.create_task(self._run())
        await self._say("lifespan.startup", seconds=START_SECONDS)

    async def stop(self) -> None:
        if self._task is None or self._task.done():
            return
        try:
            await self._say("lifespan.shutdown", seconds=STOP_SECONDS)
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _say(self, what: str, *, seconds: float) -> None:
        await self._inbox.put({"type": what})
        async with asyncio.timeout(seconds):
            answer = await self._outbox.get()
        if answer["type"] != f"{what}.complete":
            reason = answer.get("message", "").strip().splitlines()
            raise RuntimeError(reason[-1] if reason else "it ended without a word")

    async def _run(self) -> None:
        scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        reason = ""
        try:
            await self._app(scope, self._inbox.get, self._outbox.put)
        except Exception as error:  # Starlette tells the reason first and raises it then
            log.error("service.failed", exc_info=error)
            reason = f"{type(error).__name__}: {error}"
        finally:
            await self._outbox.put({"type": "ended", "message": reason})
