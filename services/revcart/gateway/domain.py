"""The gateway's words: a route, who may take it, and what the gateway itself refuses."""

import enum

import pydantic

from revcart.kit import errors


class Access(enum.StrEnum):
    """Who may take a route. The service behind it checks again."""

    OPEN = "open"  # no token needed; one that is sent is passed on unchecked
    OPTIONAL = "optional"  # none, or a valid one
    TOKEN = "token"
    ADMIN = "ADMIN"
    AGENT = "DELIVERY_AGENT"


class Route(pydantic.BaseModel):
    """One line of the route table. In `path`, `*` is one segment and `**` any number of them, none included.

    `limit`: class of rate limit. `methods`: empty = all. `seconds`: until the answer begins; `idle_seconds`: for
    streams, until the next piece, 0 = no stream. `body`: largest request body in bytes.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    path: str
    service: str
    access: Access
    limit: str = "default"
    methods: tuple[str, ...] = ()
    seconds: float = 5
    idle_seconds: float = 0
    body: int = 65_536

    @property
    def first_byte_seconds(self) -> float:
        """A long poll of SockJS begins its answer when there is something to say, or at the heart-beat."""
        return max(self.seconds, self.idle_seconds) if self.limit == "realtime" else self.seconds

    @property
    def repeatable(self) -> bool:
        """Whether the gateway may ever try again: never with money or sockets."""
        return self.service != "payment" and self.limit not in {"webhook", "realtime"}


class HeadTooLarge(errors.RevCartError):
    status, code, title = 431, "request.headers-too-large", "Request line and headers are too large"


class WrongHost(errors.RevCartError):
    status, code, title = 421, "request.wrong-host", "This host is not served here"


class HttpsRequired(errors.RevCartError):
    status, code, title = 403, "gateway.https-required", "HTTPS is required"


class OriginRefused(errors.RevCartError):
    status, code, title = 403, "gateway.origin-refused", "That origin is not allowed"


class BadUpstream(errors.RevCartError):
    status, code, title = 502, "gateway.bad-upstream", "The service broke off"


class UpstreamTimeout(errors.RevCartError):
    status, code, title = 504, "gateway.timeout", "The service was too slow"


class Overloaded(errors.RevCartError):
    status, code, title = 503, "gateway.overloaded", "Too many requests are in progress"


class Maintenance(errors.RevCartError):
    status, code, title = 503, "gateway.maintenance", "The shop is closed for maintenance"


class Disabled(errors.RevCartError):
    status, code, title = 503, "gateway.disabled", "This part of the shop is switched off"


class MethodNotAllowed(errors.MethodNotAllowed):
    """Names in `Allow` what the path does take (RFC 9110)."""

    def __init__(self, allowed: set[str]) -> None:
        super().__init__()
        self.allowed = allowed | ({"HEAD"} if "GET" in allowed else set())

    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(sorted(self.allowed))}


class Moved(errors.RevCartError):
    """Not a refusal: the resource is to be asked for at `location`, with the same method (308)."""

    status, code, title = 308, "gateway.moved", "Moved"

    def __init__(self, location: str) -> None:
        super().__init__()
        self.location = location

    def headers(self) -> dict[str, str]:
        return {"Location": self.location}


class ClientGone(Exception):
    """The client left before it had its answer; there is nobody to tell."""
