"""What the gateway turns away on an operator's word: the whole shop during maintenance, or one service of it."""

from collections.abc import Collection, Iterable
from typing import Final

from revcart.gateway import access, domain, paths, visits

RETRY_SECONDS: Final = 60
SIGN_IN: Final = "/api/auth/login"  # stays open, or no ADMIN could get in


class Switches:
    """All on, until `set`."""

    def __init__(self, gatekeeper: access.Gatekeeper) -> None:
        self._gatekeeper = gatekeeper
        self.set()

    def set(
        self,
        *,
        disabled: Collection[str] = (),
        maintenance: bool = False,
        message: str = "",
        allow: Iterable[str] = (),
    ) -> None:
        """`disabled`: services. `maintenance`: refuse all but ADMINs, sign-in, and the paths of `allow`."""
        self._disabled = frozenset(disabled)
        self._maintenance = maintenance
        self._message = message
        self._allowed: paths.Tree[bool] = paths.Tree()
        for pattern in (SIGN_IN, *allow):
            self._allowed.add(pattern, True)

    async def check(self, visit: visits.Visit, route: domain.Route) -> None:
        """Raises Maintenance or Disabled (503)."""
        if route.service in self._disabled:
            raise domain.Disabled(retry_after=RETRY_SECONDS)
        if not self._maintenance or any(True for _ in self._allowed.find(visit.segments or ())):
            return
        if not await self._gatekeeper.is_admin(visit):
            raise domain.Maintenance(self._message, retry_after=RETRY_SECONDS)
