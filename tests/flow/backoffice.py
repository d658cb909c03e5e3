"""An admin service on a hub of its own, with owners that answer what a test wants and remember what they were asked."""

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from revcart.admin import app as admin
from revcart.kit import clock, hub, registry, testing
from tests import databases

ADMIN = 1
OWNERS = ("product", "order", "user", "payment", "delivery", "analytics")


@dataclasses.dataclass
class Asked:
    """What an owner was asked."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: Any


class Owner:
    """A service that answers by table: `METHOD path` -> (status, body, headers)."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any, dict[str, str]]] = {}
        self.asked: list[Asked] = []

    def on(self, request: str, body: Any = None, *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answers[request] = (status, body, headers or {})

    def changes(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method != "GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.asked.append(
            Asked(
                method=request.method,
                path=request.url.path,
                query=request.query_params.multi_items(),
                headers=dict(request.headers),
                body=json.loads(body) if body else None,
            )
        )
        missing: tuple[int, Any, dict[str, str]] = (404, problem(404, "resource.not-found"), {})
        status, answer, headers = self.answers.get(f"{request.method} {request.url.path}", missing)
        response = Response(status_code=status) if answer is None else JSONResponse(answer, status_code=status)
        response.headers.update(headers)
        await response(scope, receive, send)


@dataclasses.dataclass
class World:
    """Everything a test touches."""

    client: httpx2.AsyncClient
    hub: hub.Hub
    clock: clock.Manual
    identity: testing.Identity
    owners: dict[str, Owner]

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {**self.identity.headers(user_id=ADMIN, role="ADMIN"), **options.pop("headers", {})}
        return await self.client.request(method, f"/api/admin{path}", headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.ask("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def silence(self, name: str) -> None:
        """Take an owner away."""
        for instance in self.hub.registry.instances(name):
            await self.hub.registry.deregister(instance)


def problem(status: int, code: str, **members: Any) -> dict[str, Any]:
    return {
        "type": f"urn:revcart:problem:{code}", "title": "T", "status": status, "detail": "D", "instance": "/there",
        "message": "D", "code": code, "errors": [], "requestId": "there", **members,
    }  # fmt: skip


def page(*content: Any, total: int | None = None) -> dict[str, Any]:
    return {"content": list(content), "totalElements": len(content) if total is None else total}


@contextlib.asynccontextmanager
async def world(folder: Path | None = None) -> AsyncIterator[World]:
    time = clock.Manual()
    identity = testing.Identity(time)
    embedded = hub.Hub(None, time)
    identity.install(embedded)
    database = databases.url("admin", folder)
    owners = {name: Owner() for name in OWNERS}
    async with embedded:
        for name, owner in owners.items():
            instance = registry.Instance(service=name, id=f"{name}-1", address=f"asgi://{name}", app=owner)
            await embedded.registry.register(instance)
        application = admin.create_app(testing.settings(admin.Settings, database_url=database), hub=embedded)
        async with application.router.lifespan_context(application):
            transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
            async with httpx2.AsyncClient(transport=transport, base_url="http://admin") as client:
                yield World(client, embedded, time, identity, owners)
