"""What the endpoints share that only pass on: who acts, which query and headers go to the owner, its answer back."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response

from revcart.admin import clients, domain, flow
from revcart.kit import asgi, auth, errors, http, idempotency

_PAGE = ("page", "size", "sort", "sortBy", "sortDir")
_HEADERS = ("If-Match", idempotency.HEADER)

Ports = Annotated[flow.Ports, Depends(asgi.ports)]


def _actor(request: Request, user: auth.Admin) -> domain.Actor:
    """The ADMIN. The last address of X-Forwarded-For is the one that our gateway saw."""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    peer = request.client.host if request.client else ""
    return domain.Actor(id=user.id, email=user.email, ip=(forwarded or peer)[:64], token=user.token)


Actor = Annotated[domain.Actor, Depends(_actor)]


class Query:
    """The query parameters that an owner's list takes; the owner checks them. `document` names them in OpenAPI."""

    def __init__(self, *names: str, paged: bool = True) -> None:
        self._names = (*names, *(_PAGE if paged else ()))

    def __call__(self, request: Request) -> Mapping[str, object]:
        return {name: request.query_params.getlist(name) for name in self._names if name in request.query_params}

    @property
    def document(self) -> dict[str, Any]:
        """`openapi_extra` of an endpoint that uses this."""
        return {
            "parameters": [
                {"name": name, "in": "query", "required": False, "schema": {"type": "string"}} for name in self._names
            ]
        }


def _headers(
    request: Request,
    if_match: Annotated[str | None, Header(alias="If-Match", description="ETag that was read")] = None,
    key: Annotated[str | None, Header(alias=idempotency.HEADER)] = None,
) -> dict[str, str]:
    """The precondition and the key that go on to the owner, as they came."""
    return {name: request.headers[name] for name in _HEADERS if name in request.headers}


Headers = Annotated[dict[str, str], Depends(_headers)]

# What an owner may answer to a change; which of it, its own documentation says.
REFUSALS = errors.documented(
    errors.Conflict, errors.PreconditionFailed, errors.Unprocessable, errors.PreconditionMissing
)


def back(answer: http.Answer) -> Response:
    """The owner's answer, unchanged."""
    return Response(answer.body, status_code=answer.status, headers=dict(clients.passed_back(answer)))


async def listed(
    actor: domain.Actor, ports: flow.Ports, service: str, path: str, query: Mapping[str, object]
) -> Response:
    """A read of the owner's, passed on and back."""
    return back(await ports.owners.get(actor, service, path, **query))
