"""An API server by HTTP for tests of `revcart_operator.kube`: it answers what a test scripts, and keeps Leases.

What an API server means is tested against a real one (tests/cluster); this one can be slow, wrong and rude on demand.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import prometheus_client as prometheus
from aiohttp import web
from kubernetes.aio.client import configuration

from revcart_operator.engine import metrics
from revcart_operator.kube import connection

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class ApiServer:
    """`script` is answered in order; when it is empty, Leases are kept and everything else is not found."""

    asked: list[Asked] = field(default_factory=list)
    script: list[Answer] = field(default_factory=list)
    leases: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""
    registry: prometheus.CollectorRegistry = field(default_factory=prometheus.CollectorRegistry)

    def __post_init__(self) -> None:
        self.metrics = metrics.Metrics(self.registry)

    def connection(self, *, seconds: float = 5.0) -> connection.Connection:
        signed_in = configuration.Configuration(host=self.url)
        signed_in.api_key["BearerToken"] = "Bearer secret-token"
        return connection.Connection(signed_in, metrics=self.metrics, seconds=seconds)

    def count(self, verb: str, code: str) -> float:
        """How many requests of this kind the connection counted."""
        found = self.registry.get_sample_value("revcart_reconcile_api_requests_total", {"verb": verb, "code": code})
        return found or 0.0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.asked.append(Asked(request.method, request.path, dict(request.query), dict(request.headers), body))
        if self.script:
            return await self.script.pop(0)(request)
        if "/leases" in request.path:
            return self._lease(request.method, request.path.rpartition("/leases")[2].strip("/"), body)
        return refusal(404, "the server could not find the requested resource")

    def _lease(self, method: str, name: str, body: Any) -> web.Response:
        if method == "POST":
            name = body["metadata"]["name"]
            if name in self.leases:
                return refusal(409, "already exists")
        elif name not in self.leases:
            return refusal(404, "not found")
        if method == "PUT" and body["metadata"]["resourceVersion"] != self.version(name):
            return refusal(409, "the object has been modified")
        if method in ("POST", "PUT"):
            version = str(int(self.version(name)) + 1)
            self.leases[name] = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        return web.json_response(self.leases[name])

    def version(self, name: str) -> str:
        found = self.leases.get(name)
        return found["metadata"]["resourceVersion"] if found else "0"


def refusal(status: int, message: str, **headers: str) -> web.Response:
    """As the API machinery refuses: a Status object."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status}
    return web.json_response(
        body, status=status, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )


def says(body: Any, status: int = 200) -> Answer:
    """Answer with JSON."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    return answer


def refuses(status: int, message: str, **headers: str) -> Answer:
    """Answer with a Status."""

    async def answer(_: web.Request) -> web.Response:
        return refusal(status, message, **headers)

    return answer


def streams(*events: Any, then: str = "end") -> Answer:
    """Answer a watch. `then`: `end` it, `drop` the connection, or `hang`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(json.dumps(event).encode() + b"\n")
        if then == "drop":
            assert request.transport
            request.transport.abort()
        elif then == "hang":
            await asyncio.sleep(60)
        return response

    return answer


async def is_html(_: web.Request) -> web.StreamResponse:
    """What a proxy says."""
    return web.Response(text="<html>log in</html>", content_type="text/html")


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    raise AssertionError


async def drops(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport
    request.transport.abort()
    return web.Response()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[ApiServer]:
    """An API server on a free port."""
    server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


def child(name: str, *, platform: str | None = "shop", namespace: str = "groceries", version: str = "7") -> Any:
    """Metadata of a child object, as a watch sends it."""
    labels = {"platform.revcart.io/platform": platform} if platform else {}
    return {"metadata": {"name": name, "namespace": namespace, "labels": labels, "resourceVersion": version}}


def listing(*items: Any, version: str = "5") -> Answer:
    """Answer a list."""
    return says({"metadata": {"resourceVersion": version}, "items": list(items)})
