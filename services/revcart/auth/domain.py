"""What an account is and what may be refused about it. Pure: no store, no clock of its own, no network."""

import dataclasses
import datetime as dt
import enum
import hashlib
import hmac
import secrets
from typing import Final, Literal

from revcart.kit import errors, ids, tokens

REFRESH_PREFIX: Final = "rcr_"
RESET_PREFIX: Final = "rcp_"
INVITE_LIFE: Final = dt.timedelta(hours=72)
CODE_PAUSE: Final = dt.timedelta(seconds=60)
CODES_PER_HOUR: Final = 5
RESETS_PER_HOUR: Final = 3
LONGEST_PASSWORD: Final = 72  # bytes: what bcrypt reads

Role = tokens.Role
Status = Literal["ACTIVE", "BLOCKED", "DELETED"]
Via = Literal["PASSWORD", "ADMIN"]


class Purpose(enum.StrEnum):
    """What a one-time code is good for."""

    VERIFY_EMAIL = "VERIFY_EMAIL"
    CHANGE_EMAIL = "CHANGE_EMAIL"
    RESET_PASSWORD = "RESET_PASSWORD"
    INVITE = "INVITE"


class BadCredentials(errors.Unauthenticated):
    """One text for an unknown e-mail, no password, a wrong one and a deleted account: none of them is told."""

    code, title = "auth.bad-credentials", "E-mail or password is wrong"


class AccountLocked(errors.RevCartError):
    status, code, title = 423, "auth.account-locked", "Too many wrong passwords"


class AccountBlocked(errors.Forbidden):
    code, title = "account.blocked", "This account is blocked"


class EmailUnverified(errors.Forbidden):
    code, title = "account.email-unverified", "Verify your e-mail address first"


class EmailTaken(errors.Conflict):
    code, title = "account.email-taken", "There is an account with that e-mail address"


class RefreshInvalid(errors.Unauthenticated):
    code, title = "auth.refresh-invalid", "The refresh token is not valid"


class RefreshExpired(errors.Unauthenticated):
    code, title = "auth.refresh-expired", "The session has expired"


class RefreshReused(errors.Unauthenticated):
    code, title = "auth.refresh-reused", "The refresh token was used before; the session has ended"


class ResetTokenInvalid(errors.Unprocessable):
    code, title = "account.reset-token-invalid", "That link is not valid any more"


class OtpInvalid(errors.Unprocessable):
    code, title = "account.otp-invalid", "That code is wrong"


class OtpExpired(errors.Unprocessable):
    code, title = "account.otp-expired", "That code has expired"


class OtpExhausted(errors.Unprocessable):
    code, title = "account.otp-exhausted", "Too many wrong codes; ask for a new one"


class LastAdmin(errors.Conflict):
    code, title = "account.last-admin", "The shop needs an administrator"


class OwnRole(errors.Conflict):
    code, title = "account.own-role", "Nobody changes the own role or status"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Account:
    """A person who can sign in. `email` as written, compared by `email_norm`."""

    id: int
    email: str
    name: str
    phone: str | None
    password_hash: str | None = dataclasses.field(repr=False)
    role: Role
    status: Status
    email_verified: bool
    pending_email: str | None
    last_login_at: dt.datetime | None
    created_at: dt.datetime

    @property
    def has_password(self) -> bool:
        return self.password_hash is not None


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewAccount:
    """What is needed to open an account."""

    name: str
    email: str
    phone: str | None = None
    role: Role = "CUSTOMER"
    password_hash: str | None = dataclasses.field(default=None, repr=False)
    email_verified: bool = False
    id: int | None = None  # fixed for demo accounts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Client:
    """Where a sign-in comes from; shown to the owner in the list of sessions."""

    ip: str | None = None
    user_agent: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Session:
    """A family of refresh tokens: one sign-in on one device."""

    sid: str
    account_id: int
    method: Literal["PASSWORD"]
    user_agent: str | None
    ip: str | None
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime
    revoked_at: dt.datetime | None

    def live(self, now: dt.datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


@dataclasses.dataclass(frozen=True, kw_only=True)
class RefreshToken:
    """One token of a family, stored by digest; spent once `used_at` is set."""

    digest: bytes
    sid: str
    expires_at: dt.datetime
    used_at: dt.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Code:
    """A one-time code or link. `digest`: HMAC of a short code, SHA-256 of a long token."""

    id: int
    account_id: int
    purpose: Purpose
    digest: bytes
    attempts: int
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A sign-in as the caller gets it. `refresh_token` in clear leaves the service here and nowhere else."""

    account: Account
    token: str | None = dataclasses.field(repr=False)
    expires_in: int
    refresh_token: str | None = dataclasses.field(repr=False)
    refresh_expires_in: int


def normal(email: str) -> str:
    """The form in which addresses are compared."""
    return email.lower()


def new_otp() -> str:
    """Six random decimal digits."""
    return f"{secrets.randbelow(1_000_000):06d}"


def otp_digest(otp: str, *, key: str, purpose: Purpose, account_id: int) -> bytes:
    """HMAC-SHA256 under the server's key: a copy of the table alone does not give six digits away."""
    return hmac.digest(key.encode(), f"{purpose}:{account_id}:{otp}".encode(), hashlib.sha256)


def judge_otp(code: Code | None, *, digest: bytes, now: dt.datetime, attempts: int) -> errors.RevCartError | None:
    """Why a tried code does not hold, None when it does. `attempts`: how many tries a code has."""
    if code is None:
        return OtpInvalid(attemptsLeft=attempts - 1)
    if code.attempts >= attempts:
        return OtpExhausted()
    if code.used_at is not None or now >= code.expires_at:
        return OtpExpired()
    if not hmac.compare_digest(code.digest, digest):
        return OtpInvalid(attemptsLeft=attempts - code.attempts - 1)
    return None


def may_send(sent: list[dt.datetime], *, now: dt.datetime, per_hour: int, pause: dt.timedelta) -> bool:
    """Whether one more mail may go out after those of `sent`."""
    recent = [at for at in sent if now - at < dt.timedelta(hours=1)]
    return len(recent) < per_hour and all(now - at >= pause for at in recent)


def new_refresh_token() -> str:
    return ids.token(REFRESH_PREFIX)


def new_reset_token() -> str:
    return ids.token(RESET_PREFIX)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """The numbers an operator may set; lives are in seconds."""

    access_seconds: int = 86400
    refresh_seconds: int = 2_592_000
    session_max_seconds: int = 7_776_000
    refresh_grace_seconds: int = 0
    require_verified_email: bool = False
    lockout_attempts: int = 5
    lockout_seconds: int = 900
    otp_seconds: int = 600
    otp_attempts: int = 5
    otp_key: str = dataclasses.field(repr=False)
    reset_seconds: int = 1800
