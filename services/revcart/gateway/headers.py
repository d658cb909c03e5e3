"""Which headers pass the gateway, which it takes out, and which it puts in. Names are in lower case throughout."""

from collections.abc import Iterable, Sequence
from typing import Final

from revcart.gateway import visits
from revcart.kit import transport

Pairs = Sequence[tuple[bytes, bytes]]

# RFC 9110, 7.6.1: of this connection only. `Expect` is settled by our own server.
_HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
    )
)
_SET_BY_US: Final = frozenset((b"host", b"content-length", b"x-request-id", b"traceparent", b"userid"))
_OF_PROXIES: Final = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")
)
_UNTRUE_FROM_OUTSIDE: Final = (b"x-user-", b"x-internal-", b"x-forwarded-")

SECURITY: Final[Pairs] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-site"),
)
STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
_SECURITY_NAMES: Final = frozenset(name for name, _ in SECURITY)
_NOT_FROM_SERVICES: Final = _HOP_BY_HOP | {b"server", b"x-powered-by", b"date", b"x-request-id", b"vary"}
_CORS_PREFIX: Final = b"access-control-"


def to_service(visit: visits.Visit, *, length: str = "") -> list[tuple[bytes, bytes]]:
    """The request's headers as the service gets them. `length`: Content-Length of a body that is streamed."""
    named = {part.strip().lower() for part in visit.headers.get(b"connection", b"").split(b",")}
    dropped = _HOP_BY_HOP | _SET_BY_US | _OF_PROXIES | named
    sent = [
        (name, value)
        for name, value in visit.scope["headers"]
        if name not in dropped and not name.startswith(_UNTRUE_FROM_OUTSIDE)
    ]
    if visit.behind_proxy and b"forwarded" in visit.headers:
        sent.append((b"forwarded", visit.headers[b"forwarded"]))
    sent.append((b"x-request-id", visit.request_id.encode()))
    sent.append((b"traceparent", visit.traceparent.encode()))
    sent.extend(_forwarded(visit))
    if length:
        sent.append((b"content-length", length.encode()))
    return sent


def _forwarded(visit: visits.Visit) -> Iterable[tuple[bytes, bytes]]:
    before = visit.headers.get(b"x-forwarded-for") if visit.behind_proxy else None
    peer = visit.peer.encode()
    yield b"x-forwarded-for", b"%s, %s" % (before, peer) if before else peer
    yield b"x-forwarded-proto", visit.scheme.encode("latin-1")
    given = visit.headers if visit.behind_proxy else {}
    host = given.get(b"x-forwarded-host") or visit.host.encode("latin-1")
    yield b"x-forwarded-host", host
    port = host.rpartition(b":")[2] if b":" in host.rpartition(b"]")[2] else b""
    yield b"x-forwarded-port", given.get(b"x-forwarded-port") or port or (b"443" if visit.is_secure else b"80")


def to_client(answer: transport.Headers, *, left: frozenset[bytes] = frozenset()) -> list[tuple[bytes, bytes]]:
    """A service's headers as the client gets them. `left`: security headers that are left to the service."""
    named: set[bytes] = set()
    vary = [b"Origin"]
    for name, value in answer:
        if name == b"connection":
            named.update(part.strip().lower() for part in value.split(b","))
        elif name == b"vary":
            vary.append(value)
    dropped = _NOT_FROM_SERVICES | named | (_SECURITY_NAMES - left)
    passed = [(name, value) for name, value in answer if name not in dropped and not name.startswith(_CORS_PREFIX)]
    if all(name != b"cache-control" for name, _ in passed):
        passed.append((b"cache-control", b"no-store"))
    passed.append((b"vary", b", ".join(vary)))
    passed.extend(pair for pair in SECURITY if pair[0] not in left)
    return passed
