"""The two kinds of bearer token: how they are made and how they are checked.

A user token is RS256, signed by auth, `typ` `at+jwt`; it opens `/api`. A service token is HS256 with a shared secret,
`typ` `svc+jwt`, 60 seconds long and made for one callee; it opens `/internal`. The verifier, never the token, fixes the
algorithm and the issuer (RFC 8725), and a header that holds more than `alg`, `typ` and `kid` is refused: that shuts out
`crit`, `jku`, `x5u` and their relatives. Times are checked against the service's own clock, so that tests can move it.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, Literal, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from revcart.kit import clock as clocks
from revcart.kit import errors, ids

Role = Literal["CUSTOMER", "ADMIN", "DELIVERY_AGENT"]
ROLES: Final[tuple[Role, ...]] = ("CUSTOMER", "ADMIN", "DELIVERY_AGENT")

USER_TYPE: Final = "at+jwt"
SERVICE_TYPE: Final = "svc+jwt"
SERVICE_ISSUER: Final = "revcart-services"
SERVICE_SECONDS: Final = 60
LONGEST_TOKEN: Final = 4096  # bytes
LARGEST_ID: Final = 2**53 - 1

_USER_CLAIMS: Final = ["sub", "userId", "email", "role", "sid", "iat", "exp", "iss", "aud", "jti"]
_SERVICE_CLAIMS: Final = ["sub", "iat", "exp", "iss", "aud", "jti"]


class Actor(Protocol):
    """A person on whose behalf a service calls another."""

    @property
    def id(self) -> int: ...
    @property
    def role(self) -> Role: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class User:
    """Whom a user token names. `token` is the token itself, for calls on with the user's own rights."""

    id: int
    email: str
    role: Role
    sid: str
    token: str = dataclasses.field(repr=False)
    expires_at: dt.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActingFor:
    """The person for whom a calling service says it acts."""

    id: int
    role: Role


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caller:
    """Which service a service token names."""

    service: str
    acting_for: ActingFor | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A private key with the `kid` under which its public half is published."""

    kid: str
    private: rsa.RSAPrivateKey

    def public_jwk(self) -> dict[str, Any]:
        """The entry for the key set (RFC 7517)."""
        numbers = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": numbers["n"], "e": numbers["e"]}


def sign_user(
    key: SigningKey,
    *,
    user_id: int,
    email: str,
    role: Role,
    sid: str,
    issuer: str,
    audience: str,
    issued_at: dt.datetime,
    seconds: int,
) -> str:
    """A user token (RS256) that lives `seconds` from `issued_at`."""
    issued = int(issued_at.timestamp())
    claims = {
        "sub": str(user_id),
        "userId": user_id,
        "email": email,
        "role": role,
        "sid": sid,
        "iat": issued,
        "exp": issued + seconds,
        "iss": issuer,
        "aud": audience,
        "jti": ids.uuid7(),
    }
    return jwt.encode(claims, key.private, algorithm="RS256", headers={"typ": USER_TYPE, "kid": key.kid})


def verify_user(
    token: str,
    *,
    key: jwt.PyJWK,
    issuer: str,
    audience: str,
    now: dt.datetime,
    leeway: int,
) -> User:
    """Whom the user token names. Raises TokenInvalid or TokenExpired (401)."""
    claims = _decode(token, key=key, algorithm="RS256", issuer=issuer, audience=audience, required=_USER_CLAIMS)
    user_id, role = claims["userId"], claims["role"]
    if not _is_id(user_id) or claims["sub"] != str(user_id) or role not in ROLES:
        raise errors.TokenInvalid
    if not all(isinstance(claims[name], str) and claims[name] for name in ("email", "sid")):
        raise errors.TokenInvalid
    expires_at = _check_times(claims, now=now, leeway=leeway)
    return User(id=user_id, email=claims["email"], role=role, sid=claims["sid"], token=token, expires_at=expires_at)


class ServiceTokens:
    """Makes and checks service tokens. `secrets`: the first signs, all verify, so that one can be replaced."""

    def __init__(self, secrets: Sequence[str], *, clock: clocks.Clock | None = None, leeway: int = 30) -> None:
        self._secrets = [secret.encode() for secret in secrets]
        self._clock = clock or clocks.System()
        self._leeway = leeway

    def mint(self, service: str, callee: str, acting_for: Actor | None = None) -> str:
        """A token with which `service` may call `callee` for the next 60 seconds."""
        issued = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "sub": service,
            "iat": issued,
            "exp": issued + SERVICE_SECONDS,
            "iss": SERVICE_ISSUER,
            "aud": callee,
            "jti": ids.uuid7(),
        }
        if acting_for is not None:
            claims["actingFor"] = {"userId": acting_for.id, "role": acting_for.role}
        return jwt.encode(claims, self._secrets[0], algorithm="HS256", headers={"typ": SERVICE_TYPE})

    def verify(self, token: str, audience: str) -> Caller:
        """Who calls the service `audience`. Raises TokenInvalid or TokenExpired (401)."""
        header(token, kind=SERVICE_TYPE)
        claims = self._claims(token, audience)
        _check_times(claims, now=self._clock.now(), leeway=self._leeway)
        return Caller(service=claims["sub"], acting_for=_acting_for(claims.get("actingFor")))

    def _claims(self, token: str, audience: str) -> dict[str, Any]:
        for secret in self._secrets:
            try:
                return _decode(
                    token,
                    key=secret,
                    algorithm="HS256",
                    issuer=SERVICE_ISSUER,
                    audience=audience,
                    required=_SERVICE_CLAIMS,
                )
            except errors.TokenInvalid:
                continue
        raise errors.TokenInvalid


def header(token: str, *, kind: str) -> dict[str, Any]:
    """The header of `token`, not yet to be trusted, which says it is of `kind`. Raises TokenInvalid (401)."""
    if len(token) > LONGEST_TOKEN:
        raise errors.TokenInvalid
    try:
        found = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise errors.TokenInvalid from error
    if found.get("typ") != kind or not found.keys() <= {"alg", "typ", "kid"}:
        raise errors.TokenInvalid
    return found


def _decode(
    token: str,
    *,
    key: jwt.PyJWK | bytes,
    algorithm: str,
    issuer: str,
    audience: str,
    required: list[str],
) -> dict[str, Any]:
    """The claims once signature, issuer and audience hold; the times are left to `_check_times`."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            options={"require": required, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except jwt.PyJWTError as error:
        raise errors.TokenInvalid from error
    return claims


def _check_times(claims: dict[str, Any], *, now: dt.datetime, leeway: int) -> dt.datetime:
    issued, expires = claims["iat"], claims["exp"]
    if not _is_id(issued) or not _is_id(expires):
        raise errors.TokenInvalid
    try:
        expires_at = dt.datetime.fromtimestamp(expires, dt.UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise errors.TokenInvalid from error
    if issued > now.timestamp() + leeway:
        raise errors.TokenInvalid
    if now.timestamp() >= expires + leeway:
        raise errors.TokenExpired
    return expires_at


def _acting_for(claim: Any) -> ActingFor | None:
    if claim is None:
        return None
    if not isinstance(claim, dict) or not _is_id(claim.get("userId")) or claim.get("role") not in ROLES:
        raise errors.TokenInvalid
    return ActingFor(id=claim["userId"], role=claim["role"])


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST_ID
