"""Who is calling: FastAPI dependencies that turn a bearer token into a principal or refuse it.

Each dependency is an instance of `Access`. The route class of `asgi` runs it before the body is parsed, FastAPI runs it
again to hand it to the endpoint; the principal stays in the request's scope, so the second time costs nothing.
"""

from typing import Annotated, Any, Protocol

import fastapi
from fastapi.openapi import models
from fastapi.security import base, utils

from revcart.kit import clock as clocks
from revcart.kit import errors, keys, sessions, settings, tokens
from revcart.kit.keys import JwksKeys, Keys, StaticKeys
from revcart.kit.tokens import ActingFor, Caller, Role, ServiceTokens, User

__all__ = [
    "Access",
    "ActingFor",
    "Admin",
    "Agent",
    "Caller",
    "CurrentUser",
    "Customer",
    "JwksKeys",
    "Keys",
    "MaybeUser",
    "OptionalUser",
    "Role",
    "ServiceTokens",
    "Staff",
    "StaticKeys",
    "User",
    "Verifier",
    "bearer",
    "role",
    "service",
]

_SCOPE_USER = "revcart.user"
_SCOPE_CALLER = "revcart.caller"


class Verifier:
    """Checks both kinds of token for one service. With `revoked`, ended sessions are refused too (auth, gateway)."""

    def __init__(
        self,
        *,
        settings: settings.Settings,
        keys: keys.Keys,
        clock: clocks.Clock | None = None,
        revoked: sessions.Revocations | None = None,
    ) -> None:
        self.keys = keys
        self._settings, self._revoked = settings, revoked
        self._clock = clock or clocks.System()
        self._services = tokens.ServiceTokens(
            settings.service_token_secrets, clock=self._clock, leeway=settings.jwt_leeway_seconds
        )

    async def user(self, token: str) -> tokens.User:
        """Whom a user token names. Raises TokenInvalid, TokenExpired, TokenRevoked (401), DependencyUnavailable."""
        kid = tokens.header(token, kind=tokens.USER_TYPE).get("kid")
        key = await self.keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise errors.TokenInvalid
        user = tokens.verify_user(
            token,
            key=key,
            issuer=self._settings.jwt_issuer,
            audience=self._settings.jwt_audience,
            now=self._clock.now(),
            leeway=self._settings.jwt_leeway_seconds,
        )
        if self._revoked is not None and await self._revoked.has(user.sid):
            raise errors.TokenRevoked
        return user

    def caller(self, token: str) -> tokens.Caller:
        """Which service calls this one. Raises TokenInvalid, TokenExpired (401)."""
        return self._services.verify(token, self._settings.service)


class HasHeaders(Protocol):
    @property
    def headers(self) -> Any: ...


def bearer(request: HasHeaders) -> str | None:
    """The bearer token of a request (RFC 6750), None without one. Raises TokenInvalid (401) on another scheme."""
    header = request.headers.get("authorization")
    if not header:
        return None
    scheme, token = utils.get_authorization_scheme_param(header)
    if scheme.lower() != "bearer" or not token:
        raise errors.TokenInvalid
    return token


class Access(base.SecurityBase):
    """What a caller must show. An instance is a FastAPI dependency that gives the principal."""

    scheme_name: str

    async def __call__(self, request: fastapi.Request) -> Any:
        """The principal. Raises the 401s, and Forbidden (403) for a known caller who may not."""
        raise NotImplementedError


class UserAccess(Access):
    """A user token, of one of `roles` when any are named."""

    def __init__(self, *roles: tokens.Role) -> None:
        self._roles = roles
        self.scheme_name = "userToken"
        self.model = models.HTTPBearer(bearerFormat="JWT", description="Access token of a signed-in user")

    async def __call__(self, request: fastapi.Request) -> tokens.User:
        user: tokens.User | None = request.scope.get(_SCOPE_USER)
        if user is None:
            token = bearer(request)
            if token is None:
                raise errors.TokenMissing
            user = request.scope[_SCOPE_USER] = await request.app.state.verifier.user(token)
        if self._roles and user.role not in self._roles:
            raise errors.Forbidden
        return user


class MaybeUser(Access):
    """A user token or none; a token that does not hold is refused all the same."""

    def __init__(self) -> None:
        self._signed_in = UserAccess()
        self.scheme_name, self.model = self._signed_in.scheme_name, self._signed_in.model

    async def __call__(self, request: fastapi.Request) -> tokens.User | None:
        return None if bearer(request) is None else await self._signed_in(request)


class ServiceAccess(Access):
    """A service token of one of the `callers`."""

    def __init__(self, *callers: str) -> None:
        assert callers, "an internal endpoint names who may call it"
        self._callers = callers
        self.scheme_name = "serviceToken"
        self.model = models.HTTPBearer(bearerFormat="JWT", description="Token of a calling service")

    async def __call__(self, request: fastapi.Request) -> tokens.Caller:
        caller: tokens.Caller | None = request.scope.get(_SCOPE_CALLER)
        if caller is None:
            token = bearer(request)
            if token is None:
                raise errors.TokenMissing
            caller = request.scope[_SCOPE_CALLER] = request.app.state.verifier.caller(token)
        if caller.service not in self._callers:
            raise errors.Forbidden
        return caller


def role(*roles: tokens.Role) -> UserAccess:
    """A signed-in user of one of `roles`: `Annotated[auth.User, Depends(auth.role("ADMIN", "CUSTOMER"))]`."""
    return UserAccess(*roles)


def service(*callers: str) -> ServiceAccess:
    """One of the services named: `Annotated[auth.Caller, Depends(auth.service("order"))]`."""
    return ServiceAccess(*callers)


CurrentUser = Annotated[tokens.User, fastapi.Depends(role())]
OptionalUser = Annotated[tokens.User | None, fastapi.Depends(MaybeUser())]
Customer = Annotated[tokens.User, fastapi.Depends(role("CUSTOMER"))]
Admin = Annotated[tokens.User, fastapi.Depends(role("ADMIN"))]
Agent = Annotated[tokens.User, fastapi.Depends(role("DELIVERY_AGENT"))]
Staff = Annotated[tokens.User, fastapi.Depends(role("ADMIN", "DELIVERY_AGENT"))]
