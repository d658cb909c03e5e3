"""One HTTP exchange with one instance, over TCP or within the process, streamed both ways.

Both ways behave alike for the caller: an answer is seen at its head, its body comes in pieces no faster than they are
taken, and leaving the block of `exchange` early tells the other side that the client has gone.
"""

import contextlib
import urllib.parse
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
import multidict
import yarl

from revcart.kit import registry, transport_asgi
from revcart.kit.transport_asgi import BrokenOff

__all__ = ["BrokenOff", "Exchange", "Failure", "NotConnected", "Request", "Transport"]

CONNECT_SECONDS: Final = 0.5
KEEP_ALIVE_SECONDS: Final = 30  # servers keep idle connections longer, so that none closes under a request
CONNECTIONS_PER_HOST: Final = 256
PIECE_BYTES: Final = 65_536

Headers = Sequence[tuple[bytes, bytes]]


class NotConnected(Exception):
    """No connection came about: the other side has seen nothing of the request."""


Failure = (NotConnected, BrokenOff, TimeoutError)  # what an exchange may end in


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`target`: path and query as on the wire (percent-encoded). A `body` of bytes can be sent twice, a stream not."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes | AsyncIterator[bytes] = b""


class Exchange(Protocol):
    """An answer whose head has arrived."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers:
        """In the order received, names in lower case."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body. Raises BrokenOff when it ends too early."""
        ...


class Transport:
    """Opens exchanges. Holds one connection pool; `close` it at the end."""

    def __init__(self, *, connect_seconds: float = CONNECT_SECONDS) -> None:
        self._connect_seconds = connect_seconds
        self._session: aiohttp.ClientSession | None = None
        self._in_process = transport_asgi.InProcess()

    def exchange(
        self,
        instance: registry.Instance,
        request: Request,
    ) -> contextlib.AbstractAsyncContextManager[Exchange]:
        """Entering sends the request and waits, without a limit of its own, for the answer's head.

        Raises NotConnected or BrokenOff; the caller sets time limits with `asyncio.timeout`.
        """
        if instance.app is not None:
            return self._in_process.exchange(
                instance.app,
                server=instance.service,
                method=request.method,
                target=request.target,
                headers=request.headers,
                body=request.body,
            )
        return self._over_tcp(instance, request)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool, made at the first use: one process shops never need it."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=CONNECTIONS_PER_HOST,
                    keepalive_timeout=KEEP_ALIVE_SECONDS,
                    ttl_dns_cache=300,
                    happy_eyeballs_delay=None,
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    async def close(self) -> None:
        await self._in_process.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @contextlib.asynccontextmanager
    async def _over_tcp(self, instance: registry.Instance, request: Request) -> AsyncIterator[Exchange]:
        headers = multidict.CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers
        )
        try:
            response = await self.session.request(
                request.method,
                yarl.URL(instance.address + request.target, encoded=True),
                headers=headers,
                data=request.body or None,
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotConnected(str(error)) from error
        except aiohttp.ClientError as error:
            raise BrokenOff(str(error)) from error
        try:
            yield _TcpExchange(response)
        finally:
            # Only a body read to its end gives its connection back; any other is closed, which the server sees.
            response.close()


class _TcpExchange:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Headers = [(name.lower(), value) for name, value in response.raw_headers]

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, ConnectionError) as error:
            raise BrokenOff(str(error)) from error


def target(path: str, params: Mapping[str, object] | None = None) -> str:
    """Path and query as on the wire. A list repeats its name, None is left out, booleans are in lower case."""
    quoted = urllib.parse.quote(path, safe="/:@!$&'()*+,;=~-._%")
    pairs = [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, values in (params or {}).items()
        for value in (values if isinstance(values, list | tuple) else [values])
        if value is not None
    ]
    return f"{quoted}?{urllib.parse.urlencode(pairs)}" if pairs else quoted
