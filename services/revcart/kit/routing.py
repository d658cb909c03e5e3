"""The route class of every service: size, media type and token are settled before a byte of the body is parsed.

FastAPI reads and parses the body before it runs dependencies, so a stranger with broken JSON would see 400 and learn
that the endpoint exists. Here the order is the contract's: 413, 415, 401, 403, then 400.
"""

import json
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.dependencies import models
from fastapi.params import Form
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message

from revcart.kit import auth, errors, problems

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def body_limit(limit: int) -> Callable[[Endpoint], Endpoint]:
    """Let an endpoint take bodies of up to `limit` bytes in place of `REVCART_BODY_LIMIT_BYTES`."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__revcart_body_limit__ = limit  # type: ignore[attr-defined]
        return endpoint

    return mark


def produces(*media_types: str) -> Callable[[Endpoint], Endpoint]:
    """Say that an endpoint answers these media types beside JSON."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__revcart_produces__ = media_types  # type: ignore[attr-defined]
        return endpoint

    return mark


def router(*, prefix: str = "", tags: list[str] | None = None) -> APIRouter:
    """A router whose routes check size, media type and token first. Trailing slashes are settled by the edge."""
    return APIRouter(prefix=prefix, tags=list(tags or []), route_class=Route, redirect_slashes=False)


class Route(APIRoute):
    """See the module's docstring."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        accesses = list(_accesses(self.dependant))
        limit: int | None = getattr(self.endpoint, "__revcart_body_limit__", None)
        media = None if self.body_field is None else _media_of(self.body_field.field_info)
        acceptable = ("application/json", errors.MEDIA_TYPE, *getattr(self.endpoint, "__revcart_produces__", ()))

        async def checked(request: Request) -> Response:
            most = limit if limit is not None else request.app.state.settings.body_limit_bytes
            request = _Limited(request.scope, request.receive, limit=most)
            try:
                request.check_length()
                if media is not None:
                    _check_media(request, media)
                for access in accesses:
                    await access(request)
                _check_acceptable(request, acceptable)
                return await handle(request)
            except errors.RevCartError as refusal:
                return problems.response(refusal, instance=request.url.path)

        return checked


class _Limited(Request):
    """A request that refuses to read more than `limit` bytes, and text that no store could keep."""

    def __init__(self, scope: Any, receive: Any, *, limit: int) -> None:
        self._read = 0
        self._limit = limit

        async def counted() -> Message:
            message: Message = await receive()
            self._read += len(message.get("body", b""))
            if self._read > limit:
                raise HTTPException(413)  # the one kind of error that FastAPI lets through while it reads a body
            return message

        super().__init__(scope, counted)

    def check_length(self) -> None:
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limit:
            raise errors.TooLarge(f"The body may have {self._limit} bytes at most.")

    async def json(self) -> Any:
        body = await self.body()
        try:
            value = json.loads(body, parse_constant=_refuse_constant)
            if _LONE_SURROGATE.search(body):
                json.dumps(value, ensure_ascii=False).encode()
        except json.JSONDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise json.JSONDecodeError(str(error), "", 0) from error
        return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _accesses(dependant: models.Dependant) -> Iterator[auth.Access]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, auth.Access):
            yield dependency.call
        yield from _accesses(dependency)


def _media_of(field: Any) -> str:
    return field.media_type if isinstance(field, Form) else "application/json"


def _check_media(request: Request, expected: str) -> None:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    empty = request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers
    if sent != expected and not (empty and not sent):
        raise errors.UnsupportedMediaType(f"Send {expected}.")


def _check_acceptable(request: Request, acceptable: tuple[str, ...]) -> None:
    accept = request.headers.get("accept", "")
    if not accept:
        return
    for part in accept.split(","):
        wanted = part.partition(";")[0].strip().lower()
        if wanted == "*/*" or wanted in acceptable or wanted == "application/*":
            return
        if wanted.endswith("/*") and any(kind.startswith(wanted[:-1]) for kind in acceptable):
            return
    raise errors.NotAcceptable(f"Available as {', '.join(acceptable)}.")
