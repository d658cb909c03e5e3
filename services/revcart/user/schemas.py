"""Requests and answers of the user service."""

import datetime as dt
from typing import Annotated, Literal, Self

import pydantic

from revcart.kit import schemas, tokens
from revcart.user import administration, domain, flow

Name = schemas.text(2, 50)
Line = schemas.text(1, 120)
Town = schemas.text(1, 60)
Note = schemas.text(1, 200, multiline=True)
Reason = schemas.text(1, 200)
PostalCode = schemas.text(6, 6, pattern="[1-9][0-9]{5}")
AvatarUrl = schemas.text(9, 500, pattern=r"https://[^\s/]+\S*")


def _past(value: dt.date) -> dt.date:
    if value.year < 1900:
        raise ValueError("must be a date of birth")
    return value


class ChangeProfile(schemas.Body):
    name: Name
    phone: schemas.Phone | None = None
    avatar_url: AvatarUrl | None = None
    date_of_birth: Annotated[schemas.Date, pydantic.AfterValidator(_past)] | None = None


class Profile(schemas.Answer):
    id: int
    name: str
    email: str
    email_verified: bool
    phone: str | None
    role: tokens.Role
    avatar_url: str | None
    date_of_birth: dt.date | None
    created_at: schemas.Instant
    version: int

    @classmethod
    def of(cls, profile: domain.Profile) -> Self:
        return cls(
            id=profile.user_id,
            name=profile.name,
            email=profile.email,
            email_verified=profile.email_verified,
            phone=profile.phone,
            role=profile.role,
            avatar_url=profile.avatar_url,
            date_of_birth=profile.date_of_birth,
            created_at=profile.created_at,
            version=profile.version,
        )


class AddressFields(schemas.Body):
    """`street` and `zipCode` are the original's names. Without `name` and `phone` the profile's are taken."""

    label: domain.Label = "HOME"
    name: Name | None = None
    phone: schemas.Phone | None = None
    line1: Annotated[Line, pydantic.Field(validation_alias=pydantic.AliasChoices("line1", "street"))]
    line2: Line | None = None
    landmark: Line | None = None
    city: Town
    state: Town
    postal_code: Annotated[PostalCode, pydantic.Field(validation_alias=pydantic.AliasChoices("postalCode", "zipCode"))]
    country: Literal["IN"] = "IN"
    lat: Annotated[float, pydantic.Field(ge=-90, le=90)] | None = None
    lng: Annotated[float, pydantic.Field(ge=-180, le=180)] | None = None
    instructions: Note | None = None

    def to_place(self, *, name: str, phone: str) -> domain.Place:
        return domain.Place(**{**self.model_dump(), "name": self.name or name, "phone": self.phone or phone})


class Address(schemas.Answer):
    id: int
    label: domain.Label
    name: str
    phone: str
    line1: str
    line2: str | None
    landmark: str | None
    city: str
    state: str
    postal_code: str
    country: str
    lat: float | None
    lng: float | None
    instructions: str | None
    is_default: bool


class Preferences(schemas.Answer):
    locale: domain.Locale
    substitution: domain.Substitution
    theme: domain.Theme


class ChangePreferences(schemas.Body):
    locale: domain.Locale
    substitution: domain.Substitution
    theme: domain.Theme


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


class ListedUser(Account):
    default_city: str | None

    @classmethod
    def of(cls, listed: administration.Listed) -> Self:
        return cls(**vars(listed.account), default_city=listed.default_city)


class DetailedUser(Account):
    addresses: list[Address]

    @classmethod
    def of(cls, detailed: administration.Detailed) -> Self:
        addresses = [Address.model_validate(address) for address in detailed.addresses]
        return cls(**vars(detailed.account), addresses=addresses)


class NewUser(schemas.Body):
    name: Name
    email: schemas.Email
    phone: schemas.Phone | None = None
    role: tokens.Role


class ChangeRole(schemas.Body):
    role: tokens.Role
    reason: Reason | None = None


class ChangeStatus(schemas.Body):
    status: Literal["ACTIVE", "BLOCKED"]
    reason: Reason | None = None


class Count(schemas.Answer):
    count: int


class Contact(schemas.Answer):
    user_id: int
    name: str
    email: str
    email_verified: bool
    phone: str | None
    locale: domain.Locale
    role: tokens.Role

    @classmethod
    def of(cls, contact: flow.Contact) -> Self:
        profile = contact.profile
        return cls(
            user_id=profile.user_id,
            name=profile.name,
            email=profile.email,
            email_verified=profile.email_verified,
            phone=profile.phone,
            locale=contact.locale,
            role=profile.role,
        )
