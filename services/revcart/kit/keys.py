"""Where the public keys of user tokens come from: auth's key set (RFC 7517), or a fixed one in tests.

The keys a service has seen stay good while auth is away: sign-in stops then, but nobody is signed out.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import jwt

from revcart.kit import clock as clocks
from revcart.kit import errors, telemetry

if TYPE_CHECKING:
    from revcart.kit import http  # which itself needs the tokens

UNKNOWN_AGAIN: Final = dt.timedelta(seconds=30)  # an unknown kid asks auth at most this often: kids are the caller's
FRESH: Final = dt.timedelta(seconds=300)  # the key set's own max-age; a withdrawn key is forgotten after it
LEARN_AGAIN_SECONDS: Final = 2.0

_log = telemetry.get_logger(__name__)


class Keys(Protocol):
    """Public keys by `kid`."""

    async def get(self, kid: str) -> jwt.PyJWK | None:
        """The key, or None when nobody published it. Raises DependencyUnavailable (503) when no key was ever seen."""
        ...


class StaticKeys:
    """A fixed key set."""

    def __init__(self, jwks: Iterable[Mapping[str, Any]]) -> None:
        self._keys = parse(jwks)

    async def get(self, kid: str) -> jwt.PyJWK | None:
        return self._keys.get(kid)


class JwksKeys:
    """The key set behind `url` (`service://auth/api/auth/jwks`), fetched when needed and by one caller at a time."""

    def __init__(self, client: http.Client, url: str, *, clock: clocks.Clock | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "service" or not parts.netloc:
            raise ValueError(f"REVCART_JWT_JWKS_URL must read service://<service>/<path>, not {url!r}")
        self._client, self._service, self._path = client, parts.netloc, parts.path
        self._clock = clock or clocks.System()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked_at: dt.datetime | None = None
        self._asking = asyncio.Lock()

    async def get(self, kid: str) -> jwt.PyJWK | None:
        if self._keys and not self._worth_asking(kid):
            return self._keys.get(kid)
        async with self._asking:
            if not self._keys or self._worth_asking(kid):
                await self._ask()
        return self._keys.get(kid)

    async def learn(self) -> None:
        """Ask until there are keys: who knows them from its start needs no auth to be there later."""
        while True:
            try:
                await self.get("")
                return
            except errors.DependencyUnavailable:
                await asyncio.sleep(LEARN_AGAIN_SECONDS * random.uniform(0.5, 1.5))

    def _worth_asking(self, kid: str) -> bool:
        if self._asked_at is None:
            return True
        return self._clock.now() - self._asked_at >= (FRESH if kid in self._keys else UNKNOWN_AGAIN)

    async def _ask(self) -> None:
        self._asked_at = self._clock.now()
        try:
            answer = await self._client.call(self._service, "GET", self._path)
            self._keys = parse(answer.json()["keys"])
        except errors.RevCartError as error:
            if not self._keys:
                raise errors.DependencyUnavailable(self._service) from error
            _log.warning("keys.stale", dependency=self._service, reason=type(error).__name__)


def parse(jwks: Iterable[Mapping[str, Any]]) -> dict[str, jwt.PyJWK]:
    """The RS256 keys of a key set, by `kid`; keys of other kinds are not ours and are passed over."""
    return {jwk["kid"]: jwt.PyJWK(dict(jwk), "RS256") for jwk in jwks if jwk.get("kty") == "RSA" and "kid" in jwk}
