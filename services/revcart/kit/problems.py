"""Turns what went wrong into an answer: RFC 9457 problem details for every status that is not a success."""

import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from revcart.kit import errors, telemetry

_BY_STATUS: dict[int, type[errors.RevCartError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    406: errors.NotAcceptable,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
}


def response(refusal: errors.RevCartError, *, instance: str) -> Response:
    """The answer for a refusal of the request to the path `instance`."""
    status = refusal.answered if isinstance(refusal, errors.Refused) else refusal.status
    body = refusal.problem(instance=instance, request_id=telemetry.request_id.get())
    return Response(
        json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace"),
        status_code=status,
        headers=refusal.headers(),
        media_type=errors.MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Make `app` answer every refusal as a problem."""
    app.add_exception_handler(errors.RevCartError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(Exception, _bug)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.RevCartError)
    return response(error, instance=request.url.path)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults: Sequence[Any] = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return response(errors.MalformedRequest("The body is not valid JSON."), instance=request.url.path)
    items = [errors.Item(pointer(fault["loc"]), sentence(fault)) for fault in faults]
    detail = "; ".join(f"{item.pointer}: {item.detail}" for item in items[:3])
    return response(errors.InvalidRequest(detail, items=items), instance=request.url.path)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code, errors.MalformedRequest)
    answer = response(kind(), instance=request.url.path)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _bug(request: Request, error: Exception) -> Response:
    # The framework raises the error again once this is sent; the edge logs it.
    return response(errors.Bug("That is a bug of ours; please report the requestId."), instance=request.url.path)


def sentence(fault: Any) -> str:
    """What pydantic found, without its prefix and without the value (which may be a secret)."""
    return str(fault["msg"]).removeprefix("Value error, ")


def pointer(loc: Sequence[Any]) -> str:
    """`("body", "lines", 0, "quantity")` as `#/lines/0/quantity`; `("query", "size")` as `query:size`."""
    place, *path = loc
    if place == "body":
        escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in path)
        return "#" + "".join(f"/{part}" for part in escaped)
    return f"{place}:{'.'.join(str(part) for part in path)}"
