"""Sessions that ended before their access token does: a mark in the cache, read by gateway, auth and the WebSocket.

Losing the check beats losing the shop: with the cache away a token is let through, logged and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from revcart.kit import errors, telemetry

if TYPE_CHECKING:
    from revcart.kit import cache

_PREFIX: Final = "session:revoked:"

_log = telemetry.get_logger(__name__)


class Revocations:
    """The ended sessions. `seconds`: the life of an access token, after which a mark is of no more use."""

    def __init__(self, store: cache.Cache, *, metrics: telemetry.Metrics, seconds: int = 86400) -> None:
        self._cache, self._seconds = store, seconds
        self._let_through = metrics.counter(
            "revcart_session_checks_skipped_total", "Tokens let through or marks not set because the cache was away"
        )

    async def add(self, sid: str) -> None:
        """Refuse the tokens of session `sid` from now on."""
        try:
            await self._cache.set(_PREFIX + sid, b"1", ttl=self._seconds)
        except errors.DependencyUnavailable:
            self._skipped()

    async def has(self, sid: str) -> bool:
        """Whether session `sid` has ended."""
        try:
            return await self._cache.get(_PREFIX + sid) is not None
        except errors.DependencyUnavailable:
            self._skipped()
            return False

    def _skipped(self) -> None:
        self._let_through.inc()
        _log.warning("session.check-skipped", dependency="cache")
