"""The part of Consul's HTTP API that discovery and live settings use.

Plain aiohttp, not py-consul: its asyncio client opens its session before there is a loop and has no types.
"""

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import yarl

from revcart.kit import tls

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 3.0
WAIT_SECONDS: Final = 55.0

SCHEME: Final = "consul"


class Away(Exception):
    """Consul did not answer, has no leader, or refuses the token; the text says which and holds no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`index`: what the next blocking query of the same path waits behind."""

    status: int
    index: int
    body: bytes


class Agent:
    """One agent of Consul, `consul://host:8500[?token=…&tls=true&verify=…&ca=…]`. `close` it at the end."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        query = dict(urllib.parse.parse_qsl(parts.query))
        if parts.scheme != SCHEME or not parts.hostname or parts.username or query.keys() - tls.KEYS - {"token"}:
            raise ValueError("a Consul URL is consul://host:8500[?token=…&tls=true&ca=/path]")
        encrypted = tls.asked(query)
        self._tls = encrypted.context() if encrypted else None
        scheme = "https" if encrypted else "http"
        self._base = yarl.URL.build(scheme=scheme, host=parts.hostname, port=parts.port or 8500)
        self._headers = {"X-Consul-Token": query["token"]} if query.get("token") else {}
        self._session: aiohttp.ClientSession | None = None

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        after: int = 0,
        wait: float = WAIT_SECONDS,
    ) -> Reply:
        """At once, or, with `after`, when the index has passed it; at the latest after `wait` seconds. Raises Away.

        A 404 is an answer: there is nothing at `path`.
        """
        asked = dict(params or {})
        seconds = ANSWER_SECONDS
        if after:
            asked |= {"index": str(after), "wait": f"{wait:.0f}s"}
            seconds += wait * 17 / 16  # Consul adds up to a sixteenth, so that not all come back together
        reply = await self._ask("GET", path, params=asked, seconds=seconds)
        if reply.status not in (200, 404):
            raise Away(f"it answered {reply.status}")
        return reply

    async def put(self, path: str, body: Any = None) -> Reply:
        """`body` is sent as JSON. Raises Away when there is no answer; the caller looks at its status."""
        return await self._ask("PUT", path, json=body, seconds=ANSWER_SECONDS)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, method: str, path: str, *, seconds: float, **options: Any) -> Reply:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                headers=self._headers,
            )
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        try:
            async with self._session.request(method, self._base / path, timeout=timeout, **options) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(type(error).__name__) from error
        index = response.headers.get("X-Consul-Index", "")
        return Reply(status=response.status, index=int(index) if index.isdigit() else 0, body=body)


def later(before: int, now: int) -> int:
    """The index to wait behind: after a Consul that began anew it went backwards, and waiting starts over."""
    return now if now >= before else 0
