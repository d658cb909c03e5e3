"""What the gateway knows of one request: where it comes from, what it asks for, and what became of it."""

import ipaddress
import secrets
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette import types

from revcart.gateway import domain, paths
from revcart.kit import edge, tokens, tracing

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True, kw_only=True)
class Visit:
    """`headers`: the first value of each, by name in lower case; `path`: percent-decoded; `target`: as on the wire."""

    scope: types.Scope
    method: str
    path: str
    target: str
    segments: paths.Segments | None
    headers: dict[bytes, bytes]
    request_id: str
    traceparent: str
    peer: str
    client: str
    behind_proxy: bool  # a trusted proxy sent it: its X-Forwarded-* hold
    scheme: str
    # what is found out on the way, for the log
    route: domain.Route | None = None
    user: tokens.User | None = None
    service: str = ""
    instance: str = ""
    tries: int = 0
    breaker: str = ""
    limited: str = ""
    bytes_in: int = 0
    uploading: bool = False  # the body is still coming in
    failure: Exception | None = None  # why reading the body stopped; the service only sees it end
    extra_headers: list[tuple[bytes, bytes]] = field(default_factory=list)  # joined to the answer

    def become(self, method: str, path: str, *, target: str) -> None:
        """Ask for something else instead; `path` and `target` are percent-encoded."""
        self.method, self.target = method, target
        self.path = urllib.parse.unquote(path)
        self.segments = paths.segments(self.path)

    def replace_headers(self, values: dict[bytes, bytes]) -> None:
        kept = [(name, value) for name, value in self.scope["headers"] if name not in values]
        self.scope = {**self.scope, "headers": [*kept, *values.items()]}
        self.headers |= values

    @property
    def is_secure(self) -> bool:
        return self.scheme in ("https", "wss")

    @property
    def through_proxy(self) -> bool:
        return b"x-forwarded-for" in self.headers or b"forwarded" in self.headers

    @property
    def has_body(self) -> bool:
        return self.headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in self.headers

    @property
    def host(self) -> str:
        return self.headers.get(b"host", b"").decode("latin-1")

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


class Reception:
    """Makes visits. `trusted`: networks whose `X-Forwarded-*` are believed."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted: tuple[Network, ...] = tuple(ipaddress.ip_network(network) for network in trusted)

    def visit(self, scope: types.Scope) -> Visit:
        headers: dict[bytes, bytes] = {}
        forwarded: list[bytes] = []
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
            if name == b"x-forwarded-for":
                forwarded.append(value)
        peer = (scope.get("client") or ("127.0.0.1",))[0]
        behind_proxy = self._is_trusted(peer)
        scheme = headers.get(b"x-forwarded-proto", b"").decode("latin-1").lower() if behind_proxy else ""
        query = scope["query_string"].decode("latin-1")
        raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        request_id = headers.get(b"x-request-id", b"")
        return Visit(
            scope=scope,
            method=scope.get("method", "GET"),
            path=scope["path"],
            target=f"{raw_path}?{query}" if query else raw_path,
            segments=paths.segments(scope["path"]),
            headers=headers,
            request_id=request_id.decode() if edge.REQUEST_ID.fullmatch(request_id) else secrets.token_hex(16),
            traceparent=tracing.child_of(headers.get(b"traceparent", b"").decode("latin-1")),
            peer=peer,
            client=self._client(peer, forwarded) if behind_proxy and forwarded else peer,
            behind_proxy=behind_proxy,
            scheme=scheme if scheme in ("http", "https") else scope.get("scheme", "http"),
        )

    def _client(self, peer: str, forwarded: list[bytes]) -> str:
        """The rightmost address that is no trusted proxy: what stands further left anybody may have written."""
        chain = [part.strip() for value in forwarded for part in value.decode("latin-1").split(",")]
        nearest = peer
        for address in reversed(chain):
            if not _is_address(address):
                return nearest
            nearest = address
            if not self._is_trusted(address):
                return address
        return nearest

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)


def block(address: str) -> str:
    """What shares a rate limit: an IPv4 address, or an IPv6 /64, which is what one customer gets."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
