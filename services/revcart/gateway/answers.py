"""Sends an answer, over HTTP or instead of a WebSocket, with the headers that every answer of the gateway has."""

import json
from typing import Any

from starlette import types

from revcart.gateway import headers, visits
from revcart.kit import errors


class Answer:
    """One answer. `status` is 499 (as nginx counts it) until there is one."""

    def __init__(self, send: types.Send, visit: visits.Visit) -> None:
        self._send = send
        self._visit = visit
        denial = visit.scope["type"] == "websocket"
        self._prefix = "websocket.http.response" if denial else "http.response"
        self.status = 499
        self.bytes_out = 0
        self.complete = False

    @property
    def started(self) -> bool:
        return self.status != 499

    async def start(self, status: int, passed: headers.Pairs, *, left: frozenset[bytes] = frozenset()) -> None:
        sent = headers.to_client(passed, left=left)
        sent.append((b"x-request-id", self._visit.request_id.encode()))
        sent.extend(self._visit.extra_headers)
        self.status = status
        await self._send({"type": f"{self._prefix}.start", "status": status, "headers": sent})

    async def piece(self, data: bytes) -> None:
        self.bytes_out += len(data)
        await self._send({"type": f"{self._prefix}.body", "body": data, "more_body": True})

    async def end(self) -> None:
        self.complete = True
        await self._send({"type": f"{self._prefix}.body", "body": b"", "more_body": False})

    async def refuse(self, refusal: errors.RevCartError) -> None:
        """RFC 9457 problem details; nothing when an answer has begun: it is left unfinished, so nobody trusts it."""
        if self.started:
            return
        if self._prefix.startswith("websocket") and not _can_deny(self._visit.scope):
            self.status = refusal.status
            await self._send({"type": "websocket.close", "code": 1008})
            return
        sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers().items()]
        body = b""
        if refusal.status >= 400:
            body = _problem(refusal.problem(instance=self._visit.path, request_id=self._visit.request_id))
            sent.append((b"content-type", errors.MEDIA_TYPE.encode()))
        await self.whole(refusal.status, sent, body)

    async def whole(self, status: int, passed: headers.Pairs, body: bytes = b"") -> None:
        """An answer of the gateway's own."""
        length = [(b"content-length", str(len(body)).encode())] if body or status >= 300 else []
        await self.start(status, [*passed, *length])
        if body and self._visit.method != "HEAD":
            await self.piece(body)
        await self.end()


def _problem(problem: dict[str, Any]) -> bytes:
    return json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _can_deny(scope: types.Scope) -> bool:
    return "websocket.http.response" in (scope.get("extensions") or {})
