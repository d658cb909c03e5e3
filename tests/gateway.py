"""A gateway among stub services, for the tests of its behaviour: in this process, or over TCP on free ports."""

import asyncio
import contextlib
import dataclasses
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpx2
import uvicorn
from starlette import types

from revcart.gateway import app, domain
from revcart.kit import cache, clock, hub, ids, registry, sessions, telemetry, testing

HOST = "localhost"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as a service got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's value; None when it is absent. Raises AssertionError when it came twice."""
        values = [value for given, value in self.headers if given == name]
        assert len(values) < 2, f"{name} came twice"
        return values[0] if values else None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def json(self) -> Any:
        return json.loads(self.body)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """What a stub answers; `pause`: seconds before its head."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = (("content-type", "application/json"),)
    body: bytes = b"{}"
    pause: float = 0


class Stub:
    """A service that notes what it gets. `replies` are used up one by one, then `reply` serves; or `handle` does."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.replies: list[Reply] = []
        self.reply = Reply()
        self.handle: types.ASGIApp | None = None
        self.left = asyncio.Event()  # a client went away while it was waiting

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            return
        if self.handle is not None:
            await self.handle(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.set()
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self._note(scope, body)
        reply = self.replies.pop(0) if self.replies else self.reply
        if reply.pause and await self._left_within(reply.pause, receive):
            return
        headers = [(name.encode(), value.encode()) for name, value in reply.headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    def _note(self, scope: types.Scope, body: bytes) -> None:
        query = scope["query_string"].decode()
        path = scope["raw_path"].decode()
        headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
        target = f"{path}?{query}" if query else path
        self.seen.append(Seen(method=scope["method"], target=target, headers=headers, body=body))

    async def _left_within(self, seconds: float, receive: types.Receive) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        self.left.set()
        return True


class World:
    """A running gateway, the hub it shares with the stubs, and whose tokens it trusts."""

    def __init__(self, hub: hub.Hub, identity: testing.Identity, gateway: types.ASGIApp) -> None:
        self.hub = hub
        self.identity = identity
        self.gateway = gateway
        self.client = self.client_of(gateway)

    @staticmethod
    def client_of(application: types.ASGIApp, *, host: str = HOST) -> httpx2.AsyncClient:
        """A client without a socket; its connection comes from 127.0.0.1, as a trusted proxy's would."""
        transport = httpx2.ASGITransport(application, client=("127.0.0.1", 50_000), raise_app_exceptions=False)
        return httpx2.AsyncClient(transport=transport, base_url=f"http://{host}")

    async def stub(self, service: str, *, address: str | None = None) -> Stub:
        """One more instance of `service`: in this process, or at an `address`."""
        made = Stub()
        await self.register(service, made, address=address)
        return made

    async def end_session(self, sid: str) -> None:
        """End the session as auth does at sign-out."""
        metrics = telemetry.Metrics("auth")
        shared = cache.connect("memory://", memory=self.hub.cache, metrics=metrics)
        await sessions.Revocations(shared, metrics=metrics).add(sid)
        await shared.close()

    async def register(self, service: str, application: types.ASGIApp, *, address: str | None = None) -> None:
        await self.hub.registry.register(
            registry.Instance(
                service=service,
                id=ids.uuid7(),
                address=address or f"asgi://{service}",
                app=None if address else application,
            )
        )


@contextlib.asynccontextmanager
async def world(
    routes: Iterable[domain.Route],
    *,
    clock: clock.Clock | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    """A gateway with `routes`, started and stopped around the block."""
    identity = testing.Identity(clock)
    shared = hub.Hub(None, identity.clock)
    identity.install(shared)
    values = {"gateway_routes": list(routes), "public_url": f"http://{HOST}:8080", **settings}
    gateway = app.create_app(testing.settings(app.Settings, **values), hub=shared)
    async with shared, running(gateway):
        made = World(shared, identity, gateway)
        async with made.client:
            yield made


@contextlib.asynccontextmanager
async def running(application: types.ASGIApp) -> AsyncIterator[None]:
    """The lifespan of `application` around the block, as a server runs it."""
    inbox: asyncio.Queue[types.Message] = asyncio.Queue()
    outbox: asyncio.Queue[types.Message] = asyncio.Queue()
    task = asyncio.ensure_future(_lifespan(application, inbox.get, outbox.put))
    await _step(inbox, outbox, task, "startup")
    try:
        yield
    finally:
        await _step(inbox, outbox, task, "shutdown")
        await task


async def _lifespan(application: types.ASGIApp, receive: types.Receive, send: types.Send) -> None:
    await application({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


async def _step(
    inbox: "asyncio.Queue[types.Message]",
    outbox: "asyncio.Queue[types.Message]",
    task: "asyncio.Future[None]",
    name: str,
) -> None:
    await inbox.put({"type": f"lifespan.{name}"})
    answered = asyncio.ensure_future(outbox.get())
    waiting: list[asyncio.Future[Any]] = [answered, task]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not answered.done():
        answered.cancel()
        await task
        raise AssertionError(f"the application ended before its {name}")
    assert answered.result()["type"] == f"lifespan.{name}.complete", answered.result()


@contextlib.asynccontextmanager
async def served(application: types.ASGIApp) -> AsyncIterator[str]:
    """`application` on a free TCP port of this machine, without its lifespan; the block gets `http://localhost:<port>`."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            application,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            http="httptools",
            ws="websockets-sansio",
            timeout_keep_alive=60,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.005)
        try:
            yield f"http://{HOST}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            await task


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 5) -> None:
    """Wait until `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  a condition has no event
            await asyncio.sleep(0.02)
