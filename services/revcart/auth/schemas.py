"""Requests and answers of auth. `role`, ids and everything else not declared here is ignored, whoever sends it."""

import unicodedata
from typing import Annotated, Literal, Self

import pydantic

from revcart.auth import domain
from revcart.kit import schemas, tokens


def _password(value: str) -> str:
    """NFC, nothing trimmed: a leading space belongs to the password. Control characters are refused."""
    schemas.clean(value)
    return unicodedata.normalize("NFC", value)


def _new_password(value: str) -> str:
    value = _password(value)
    if not 8 <= len(value.encode()) <= domain.LONGEST_PASSWORD:
        raise ValueError(f"must have 8 to {domain.LONGEST_PASSWORD} bytes")
    return value


Password = Annotated[str, pydantic.Field(min_length=1, max_length=128), pydantic.AfterValidator(_password)]
NewPassword = Annotated[
    str,
    pydantic.AfterValidator(_new_password),
    pydantic.WithJsonSchema({"type": "string", "minLength": 8, "maxLength": 72, "format": "password"}),
]
Name = schemas.text(2, 50)
Otp = schemas.text(6, 6, pattern="[0-9]{6}")
Token = schemas.text(1, 200)
Reason = schemas.text(1, 200)


class Login(schemas.Body):
    email: schemas.Email
    password: Password
    cookie: bool = False


class Signup(schemas.Body):
    name: Name
    email: schemas.Email
    password: NewPassword
    phone: schemas.Phone | None = None
    cookie: bool = False

    @pydantic.model_validator(mode="after")
    def _password_is_not_the_email(self) -> Self:
        if domain.normal(self.password) == domain.normal(self.email):
            raise ValueError("the password must not be the e-mail address")
        return self


class Refresh(schemas.Body):
    refresh_token: Token | None = None
    cookie: bool = False


class Logout(schemas.Body):
    refresh_token: Token | None = None


class Email(schemas.Body):
    email: schemas.Email


class ResetPassword(schemas.Body):
    token: Token
    new_password: NewPassword


class ChangePassword(schemas.Body):
    current_password: Password | None = None
    new_password: NewPassword


class ChangeEmail(schemas.Body):
    new_email: schemas.Email
    password: Password


class VerifyEmail(schemas.Body):
    email: schemas.Email
    otp: Otp


class Session(schemas.Answer):
    """A sign-in. `expiresIn`, `refreshExpiresIn`: seconds. `token` is null until the e-mail is verified, where that
    is asked for; `refreshToken` is null when it travels as a cookie."""

    token: str | None
    type: Literal["Bearer"] = "Bearer"
    expires_in: int
    refresh_token: str | None
    refresh_expires_in: int
    id: int
    name: str
    email: str
    role: tokens.Role
    email_verified: bool

    @classmethod
    def of(cls, signed_in: domain.SignedIn, *, in_cookie: bool) -> Self:
        account = signed_in.account
        return cls(
            token=signed_in.token,
            expires_in=signed_in.expires_in,
            refresh_token=None if in_cookie else signed_in.refresh_token,
            refresh_expires_in=signed_in.refresh_expires_in,
            id=account.id,
            name=account.name,
            email=account.email,
            role=account.role,
            email_verified=account.email_verified,
        )


class Me(schemas.Answer):
    id: int
    name: str
    email: str
    phone: str | None
    role: tokens.Role
    email_verified: bool
    has_password: bool
    created_at: schemas.Instant
    last_login_at: schemas.Instant | None


class Device(schemas.Answer):
    """One of the caller's sessions."""

    sid: str
    current: bool
    method: Literal["PASSWORD"]
    user_agent: str | None
    ip: str | None
    created_at: schemas.Instant
    last_used_at: schemas.Instant

    @classmethod
    def of(cls, session: domain.Session, *, current: str) -> Self:
        return cls(
            sid=session.sid,
            current=session.sid == current,
            method=session.method,
            user_agent=session.user_agent,
            ip=session.ip,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
        )


class Message(schemas.Answer):
    message: str


class Verified(schemas.Answer):
    email_verified: bool


class Jwk(pydantic.BaseModel):
    kty: str
    use: str
    alg: str
    kid: str
    n: str
    e: str


class Jwks(pydantic.BaseModel):
    """A key set (RFC 7517)."""

    keys: list[Jwk]


class Account(schemas.Answer):
    id: int
    name: str
    email: str
    phone: str | None
    role: tokens.Role
    status: domain.Status
    email_verified: bool
    created_at: schemas.Instant
    last_login_at: schemas.Instant | None

    @classmethod
    def of(cls, account: domain.Account) -> Self:
        return cls.model_validate(account)


class NewAccount(schemas.Body):
    name: Name
    email: schemas.Email
    phone: schemas.Phone | None = None
    role: tokens.Role


class AccountPatch(schemas.Body):
    name: Name | None = None
    phone: schemas.Phone | None = None


class RoleChange(schemas.Body):
    role: tokens.Role
    reason: Reason | None = None


class StatusChange(schemas.Body):
    status: Literal["ACTIVE", "BLOCKED"]
    reason: Reason | None = None


class PasswordCheck(schemas.Body):
    password: Password
