"""Who is asking: the bearer token, checked once and remembered until it expires."""

import collections
import datetime as dt
import hashlib
from typing import Final

from revcart.gateway import domain, visits
from revcart.kit import auth, clock, errors, sessions, tokens

REMEMBERED_TOKENS: Final = 10_000
REVOCATION_SECONDS: Final = 5
_ROLES: Final = {domain.Access.ADMIN: "ADMIN", domain.Access.AGENT: "DELIVERY_AGENT"}


class Gatekeeper:
    """Lets a request onto a route or refuses it."""

    def __init__(self, *, verifier: auth.Verifier, revocations: sessions.Revocations, clock: clock.Clock) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._clock = clock
        self._users: collections.OrderedDict[bytes, tokens.User] = collections.OrderedDict()
        self._ended: collections.OrderedDict[str, tuple[dt.datetime, bool]] = collections.OrderedDict()

    async def check(self, visit: visits.Visit, access: domain.Access) -> tokens.User | None:
        """The user, if one is known. Raises the 401s, Forbidden (403), DependencyUnavailable (no key was ever seen)."""
        if access is domain.Access.OPEN:
            return self._seen_before(visit)
        token = _bearer(visit)
        if token is None:
            if access is domain.Access.OPTIONAL:
                return None
            raise errors.TokenMissing
        user = await self._user(token)
        if await self._has_ended(user.sid):
            raise errors.TokenRevoked
        if access in _ROLES and user.role != _ROLES[access]:
            visit.user = user
            raise errors.Forbidden
        return user

    async def is_admin(self, visit: visits.Visit) -> bool:
        """Whether the visit brings a valid token of an ADMIN, whatever its route asks for."""
        try:
            user = await self.check(visit, domain.Access.OPTIONAL)
        except errors.RevCartError:
            return False
        return user is not None and user.role == "ADMIN"

    def _seen_before(self, visit: visits.Visit) -> tokens.User | None:
        """On an open route a token only decides whose rate limit counts; one not seen before is not looked at."""
        try:
            token = _bearer(visit)
        except errors.TokenInvalid:
            return None
        user = self._users.get(_digest(token)) if token else None
        return user if user and user.expires_at > self._clock.now() else None

    async def _user(self, token: str) -> tokens.User:
        digest = _digest(token)
        user = self._users.get(digest)
        if user is not None and user.expires_at > self._clock.now():
            self._users.move_to_end(digest)
            return user
        user = await self._verifier.user(token)
        self._users[digest] = user
        if len(self._users) > REMEMBERED_TOKENS:
            self._users.popitem(last=False)
        return user

    async def _has_ended(self, sid: str) -> bool:
        now = self._clock.now()
        until, ended = self._ended.get(sid, (now, False))
        if until > now:
            return ended
        ended = await self._revocations.has(sid)
        self._ended[sid] = (now + dt.timedelta(seconds=REVOCATION_SECONDS), ended)
        self._ended.move_to_end(sid)
        if len(self._ended) > REMEMBERED_TOKENS:
            self._ended.popitem(last=False)
        return ended


def _bearer(visit: visits.Visit) -> str | None:
    header = visit.headers.get(b"authorization")
    if not header:
        return None
    scheme, _, token = header.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise errors.TokenInvalid
    return token.strip()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("latin-1")).digest()
