"""One tree of refusals, rendered as RFC 9457 problem details (`application/problem+json`).

A service declares one small subclass per refusal in its `domain.py`; the same class feeds the answer and, through
`documented`, the OpenAPI page. 422 of FastAPI is never sent: a malformed request is 400. 500 means a bug.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

MEDIA_TYPE = "application/problem+json"
URN = "urn:revcart:problem:"


@dataclasses.dataclass(frozen=True)
class Item:
    """One fault of a request. `pointer`: `#/lines/0/quantity`, `query:size`, `path:id`, `header:If-Match`."""

    pointer: str
    detail: str


class RevCartError(Exception):
    """A refusal. `detail` is a sentence for the caller: no SQL, no traces, no secrets, nobody else's data.

    `members` join the answer as further fields (camelCase names); `retry_after`: seconds, sent as `Retry-After`.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "server.bug"
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str | None = None,
        *,
        items: Sequence[Item] = (),
        retry_after: int | None = None,
        **members: Any,
    ) -> None:
        self.detail = detail or f"{self.title}."
        self.items = tuple(items)
        self.retry_after = retry_after
        self.members = members
        super().__init__(self.detail)

    def headers(self) -> dict[str, str]:
        """The headers that go with the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}

    def problem(self, *, instance: str, request_id: str) -> dict[str, Any]:
        """The answer's body."""
        return {
            "type": URN + self.code,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "message": self.detail,
            "code": self.code,
            "errors": [dataclasses.asdict(item) for item in self.items],
            "requestId": request_id,
            **self.members,
        }


class MalformedRequest(RevCartError):
    status, code, title = 400, "request.malformed", "The request cannot be read"


class InvalidRequest(RevCartError):
    status, code, title = 400, "request.invalid", "The request is not valid"


class Unauthenticated(RevCartError):
    """Root of the 401s; names the reason in `WWW-Authenticate` (RFC 6750)."""

    status, code, title = 401, "auth.token-invalid", "The token is not valid"

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "WWW-Authenticate": f'Bearer error="{self.challenge}"'}

    challenge: ClassVar[str] = "invalid_token"


class TokenMissing(Unauthenticated):
    code, title = "auth.token-missing", "A token is needed"
    challenge = "invalid_request"


class TokenInvalid(Unauthenticated):
    pass


class TokenExpired(Unauthenticated):
    code, title = "auth.token-expired", "The token has expired"


class TokenRevoked(Unauthenticated):
    code, title = "auth.token-revoked", "The session has ended"


class Forbidden(RevCartError):
    status, code, title = 403, "auth.forbidden", "Not allowed"


class NotFound(RevCartError):
    """Also for what belongs to somebody else: both answers are the same."""

    status, code, title = 404, "resource.not-found", "Not found"


class MethodNotAllowed(RevCartError):
    status, code, title = 405, "request.method-not-allowed", "That method is not served here"


class NotAcceptable(RevCartError):
    status, code, title = 406, "request.not-acceptable", "Not available in that media type"


class Conflict(RevCartError):
    """Root of the refusals by the present state."""

    status, code, title = 409, "request.conflict", "Not possible now"


class PreconditionFailed(RevCartError):
    status, code, title = 412, "precondition.failed", "It was changed meanwhile"


class PreconditionMissing(RevCartError):
    status, code, title = 428, "precondition.missing", "If-Match is needed"


class TooLarge(RevCartError):
    status, code, title = 413, "request.too-large", "The body is too large"


class UnsupportedMediaType(RevCartError):
    status, code, title = 415, "request.media-type", "That media type is not taken"


class Unprocessable(RevCartError):
    """Root of the refusals by a rule, whatever the state."""

    status, code, title = 422, "request.unprocessable", "Not possible"


class RateLimited(RevCartError):
    status, code, title = 429, "rate.limited", "Too many requests"


class Bug(RevCartError):
    pass


class DependencyUnavailable(RevCartError):
    """A store or a service is away, too slow, or its breaker is open. `service` names it in the answer."""

    status, code, title = 503, "dependency.unavailable", "A part of the shop is away"

    def __init__(self, service: str, *, retry_after: int = 1) -> None:
        super().__init__(f"{service} does not answer. Please try again.", retry_after=retry_after, service=service)
        self.service = service


_PASSED_ON = {"retry-after", "www-authenticate"}


class Refused(RevCartError):
    """A 4xx of another service. When it leaves a flow the caller sees that answer unchanged."""

    def __init__(self, *, status: int, problem: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(problem.get("detail", "Refused.")))
        self.answered = status
        self.body = dict(problem)
        self.passed_headers = {name: value for name, value in (headers or {}).items() if name.lower() in _PASSED_ON}

    @property
    def answered_code(self) -> str:
        """The `code` of the other service's problem, e.g. `stock.insufficient`."""
        return str(self.body.get("code", ""))

    def headers(self) -> dict[str, str]:
        return self.passed_headers

    def problem(self, *, instance: str, request_id: str) -> dict[str, Any]:
        return {**self.body, "instance": instance, "requestId": request_id}


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "message", "code", "errors", "requestId"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "message": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "requestId": {"type": "string"},
    },
}


def documented(*refusals: type[RevCartError]) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses` for these refusals: one entry per status, naming each code."""
    by_status: dict[int | str, list[type[RevCartError]]] = {}
    for refusal in refusals:
        by_status.setdefault(refusal.status, []).append(refusal)
    return {
        status: {
            "description": "; ".join(f"`{refusal.code}`: {refusal.title}" for refusal in kinds),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, kinds in by_status.items()
    }
