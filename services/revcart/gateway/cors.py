"""Cross-origin requests: the gateway alone speaks CORS, so that no header can be doubled."""

import urllib.parse
from collections.abc import Iterable
from typing import Final

from revcart.gateway import domain, visits

METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS: Final = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Cart-Session, X-Request-ID,"
    b" X-Requested-With, traceparent"
)
EXPOSED: Final = (
    b"ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-ID, X-Cart-Session, Idempotency-Replayed,"
    b" Authorization, Content-Type"
)

_PREFLIGHT: Final = (
    (b"access-control-allow-methods", METHODS),
    (b"access-control-allow-headers", REQUEST_HEADERS),
    (b"access-control-max-age", b"3600"),
)
_ACTUAL: Final = ((b"access-control-expose-headers", EXPOSED),)


def origin(text: str) -> str:
    """`text`, if it names one origin: scheme, host and perhaps port. Raises ValueError."""
    parts = urllib.parse.urlsplit(text)
    if not parts.scheme or not parts.netloc or parts.path.rstrip("/") or "*" in text:
        raise ValueError(f"{text!r} is no origin; with credentials * is none")
    return text


class Cors:
    """`origins` may use the API from a browser with credentials; `public_origin`, our own, may open sockets as well."""

    def __init__(self, origins: Iterable[str], *, public_origin: str) -> None:
        self._public_origin = public_origin.rstrip("/").encode()
        self.allow(origins)

    def allow(self, origins: Iterable[str]) -> None:
        """From now on these, and no others."""
        self._origins = frozenset(origin.rstrip("/").encode() for origin in origins)
        self._sockets = self._origins | {self._public_origin}

    def apply(self, visit: visits.Visit) -> bool:
        """Gives the answer its CORS headers; whether that is all there is to answer, the visit being a preflight.

        Raises OriginRefused for the preflight of an unknown origin.
        """
        origin = visit.headers.get(b"origin")
        if origin is None:
            return False
        preflight = visit.method == "OPTIONS" and b"access-control-request-method" in visit.headers
        if origin not in self._origins:
            if preflight:
                raise domain.OriginRefused
            return False
        visit.extra_headers += [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            *(_PREFLIGHT if preflight else _ACTUAL),
        ]
        return preflight

    def check_socket(self, visit: visits.Visit) -> None:
        """Browsers send the origin with every WebSocket, and cookies too. Raises OriginRefused."""
        origin = visit.headers.get(b"origin")
        if origin is not None and origin not in self._sockets:
            raise domain.OriginRefused
