"""Profiles, addresses and preferences. Who somebody is belongs to auth; here is a copy for when auth is away."""

import dataclasses
import datetime as dt
from typing import Final, Literal

from revcart.kit import errors, tokens

MOST_ADDRESSES: Final = 10

Role = tokens.Role
Status = Literal["ACTIVE", "BLOCKED", "DELETED"]
Label = Literal["HOME", "WORK", "OTHER"]
Locale = Literal["en", "hi"]
Substitution = Literal["SUBSTITUTE", "REFUND_ITEM", "CONTACT_ME"]
Theme = Literal["SYSTEM", "LIGHT", "DARK"]


class AddressLimit(errors.Conflict):
    code, title = "address.limit", f"At most {MOST_ADDRESSES} addresses"


# Refusals that auth makes and this service passes on unchanged; declared here for the OpenAPI page.
class EmailTaken(errors.Conflict):
    code, title = "account.email-taken", "There is an account with that e-mail address"


class LastAdmin(errors.Conflict):
    code, title = "account.last-admin", "The shop needs an administrator"


class OwnRole(errors.Conflict):
    code, title = "account.own-role", "Nobody changes the own role or status"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Account:
    """Who somebody is, as auth has it."""

    id: int
    name: str
    email: str
    phone: str | None
    role: Role
    status: Status
    email_verified: bool
    created_at: dt.datetime
    last_login_at: dt.datetime | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """The copy of the account, with what the person adds to it."""

    user_id: int
    name: str
    email: str
    phone: str | None
    role: Role
    status: Status
    email_verified: bool
    avatar_url: str | None = None
    date_of_birth: dt.date | None = None
    created_at: dt.datetime
    version: int = 1

    def same_person(self, account: Account) -> bool:
        """Whether the copy is up to date."""
        return all(
            getattr(self, name) == getattr(account, name)
            for name in ("name", "email", "phone", "role", "status", "email_verified")
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where something is delivered, and to whom."""

    label: Label
    name: str
    phone: str
    line1: str
    line2: str | None = None
    landmark: str | None = None
    city: str
    state: str
    postal_code: str
    country: str = "IN"
    lat: float | None = None
    lng: float | None = None
    instructions: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Address(Place):
    """A place that somebody keeps."""

    id: int
    user_id: int
    is_default: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preferences:
    """What somebody likes; message channels live in notification."""

    locale: Locale = "en"
    substitution: Substitution = "SUBSTITUTE"
    theme: Theme = "SYSTEM"
