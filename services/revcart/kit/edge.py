"""The outermost ASGI layer of a service: correlation, time limit, HEAD, security headers, metrics, and the last net.

Pure ASGI (no request objects, no BaseHTTPMiddleware), because every request passes it.
"""

import asyncio
import re
import secrets
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from revcart.kit import errors, problems, telemetry

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,128}")
TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class Edge:
    """Wraps a service's application. `seconds`: how long a request may take until its answer starts (503 then)."""

    def __init__(self, app: ASGIApp, *, service: str, seconds: float, metrics: telemetry.Metrics) -> None:
        self.app = app
        self.service = service
        self.seconds = seconds
        self.log = telemetry.get_logger(__name__)
        self.duration = metrics.histogram(
            "http_server_requests_seconds", "Time until the answer was sent", ("method", "uri", "status")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            with telemetry.context(service=self.service):
                await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        with telemetry.context(service=self.service, request_id=request_id, traceparent=_traceparent(headers)):
            scope = _normalised(scope)
            if scope["type"] == "http":
                await self._http(scope, receive, send, request_id=request_id)
            else:
                await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send, *, request_id: str) -> None:
        began = time.perf_counter()
        answer = _Answer(send, head=scope["method"] == "HEAD", request_id=request_id)
        if answer.head:
            scope["method"] = "GET"
        try:
            async with asyncio.timeout(self.seconds) as limit:
                answer.limit = limit
                await self.app(scope, receive, answer.send)
        except TimeoutError:
            await self._refuse(answer, errors.DependencyUnavailable(self.service), scope)
        except Exception as bug:
            self.log.error("http.bug", exc_info=bug, route=_route(scope), method=scope["method"])
            await self._refuse(answer, errors.Bug("That is a bug of ours; please report the requestId."), scope)
        finally:
            method = "HEAD" if answer.head else scope["method"]
            self.duration.labels(method, _route(scope), str(answer.status)).observe(time.perf_counter() - began)

    async def _refuse(self, answer: "_Answer", refusal: errors.RevCartError, scope: Scope) -> None:
        answer.limit = None
        if answer.started:
            return  # the head is out: the server closes the connection, so that nobody takes the rest for whole
        response = problems.response(refusal, instance=scope["path"])
        await response(scope, _nothing, answer.send)


class _Answer:
    """Sends the answer, with the headers that each one carries."""

    def __init__(self, send: Send, *, head: bool, request_id: str) -> None:
        self._send = send
        self.head = head
        self.request_id = request_id
        self.started = False
        self.status = 499  # as nginx counts it: the client left before there was an answer
        self.limit: asyncio.Timeout | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            if self.limit is not None:
                self.limit.reschedule(None)  # an answer that has begun may stream as long as it takes
            message = {**message, "headers": self._headers(message["headers"])}
        elif message["type"] == "http.response.body" and self.head:
            message = {**message, "body": b""}
        await self._send(message)

    def _headers(self, headers: Any) -> list[tuple[bytes, bytes]]:
        sent = list(headers)
        names = {name.lower() for name, _ in sent}
        if b"cache-control" not in names:
            sent.append((b"cache-control", b"no-store"))
        sent.append((b"x-content-type-options", b"nosniff"))
        sent.append((b"x-request-id", self.request_id.encode()))
        return sent


def _normalised(scope: Scope) -> Scope:
    """A trailing slash names the same resource, without a redirect."""
    path = scope["path"]
    if len(path) > 1 and path.endswith("/"):
        return {**scope, "path": path.rstrip("/") or "/"}
    return dict(scope)


def _request_id(headers: dict[bytes, bytes]) -> str:
    sent = headers.get(b"x-request-id", b"")
    return sent.decode() if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)


def _traceparent(headers: dict[bytes, bytes]) -> str:
    sent = headers.get(b"traceparent", b"")
    if TRACEPARENT.fullmatch(sent):
        return sent.decode()
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def _route(scope: Scope) -> str:
    """The route's template, never the raw path: a metric label must stay bounded."""
    route = scope.get("route")
    return getattr(route, "path", "") or "unmatched"


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
