"""Every query of the user service."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.kit import clock as clocks
from revcart.kit import sql
from revcart.user import domain, tables

_PROFILE = [tables.profiles.c[field.name] for field in dataclasses.fields(domain.Profile)]
_PLACE = [field.name for field in dataclasses.fields(domain.Place)]
_ADDRESS = [
    tables.addresses.c.id,
    tables.addresses.c.user_id,
    tables.addresses.c.default_of.is_not(None).label("is_default"),
    *(tables.addresses.c[name] for name in _PLACE),
]
_PREFERENCES = [tables.preferences.c[field.name] for field in dataclasses.fields(domain.Preferences)]


class Part:
    """Queries about one noun, inside a transaction or on a read connection."""

    def __init__(self, connection: AsyncConnection, clock: clocks.Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def _first(self, statement: sa.Executable) -> sa.RowMapping | None:
        return (await self._connection.execute(statement)).mappings().first()


class Profiles(Part):
    async def get(self, user_id: int, *, lock: bool = False) -> domain.Profile | None:
        """With `lock` other changes of this person's addresses wait."""
        statement = sa.select(*_PROFILE).where(tables.profiles.c.user_id == user_id)
        row = await self._first(statement.with_for_update() if lock else statement)
        return None if row is None else domain.Profile(**row)

    async def add(self, profile: domain.Profile) -> bool:
        """Keep a profile unless there is one."""
        now = self._clock.now()
        values = {**dataclasses.asdict(profile), "synced_at": now, "updated_at": now}
        return await sql.insert_if_absent(self._connection, tables.profiles, values)

    async def change(self, user_id: int, **values: Any) -> None:
        """Set columns of a profile, which becomes another version."""
        await self._connection.execute(
            sa.update(tables.profiles)
            .where(tables.profiles.c.user_id == user_id)
            .values(**values, version=tables.profiles.c.version + 1, updated_at=self._clock.now())
        )


class Addresses(Part):
    async def get(self, address_id: int, *, user_id: int) -> domain.Address | None:
        """None also when it is somebody else's."""
        row = await self._first(sa.select(*_ADDRESS).where(*_owned(address_id, user_id)))
        return None if row is None else domain.Address(**row)

    async def of(self, user_id: int) -> list[domain.Address]:
        """The default first, then the newest."""
        columns = tables.addresses.c
        rows = await self._connection.execute(
            sa.select(*_ADDRESS)
            .where(columns.user_id == user_id)
            .order_by(columns.default_of.is_(None), columns.id.desc())
        )
        return [domain.Address(**row) for row in rows.mappings()]

    async def add(self, place: domain.Place, *, user_id: int, is_default: bool) -> int:
        """Returns the id."""
        now = self._clock.now()
        result = await self._connection.execute(
            sa.insert(tables.addresses).values(
                **_columns(place),
                user_id=user_id,
                default_of=user_id if is_default else None,
                created_at=now,
                updated_at=now,
            )
        )
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    async def replace(self, address_id: int, place: domain.Place, *, user_id: int) -> None:
        await self._connection.execute(
            sa.update(tables.addresses)
            .where(*_owned(address_id, user_id))
            .values(**_columns(place), updated_at=self._clock.now())
        )

    async def delete(self, address_id: int, *, user_id: int) -> None:
        await self._connection.execute(sa.delete(tables.addresses).where(*_owned(address_id, user_id)))

    async def make_default(self, address_id: int, *, user_id: int) -> None:
        now = self._clock.now()
        columns = tables.addresses.c
        statement = sa.update(tables.addresses)
        await self._connection.execute(
            statement.where(columns.default_of == user_id).values(default_of=None, updated_at=now)
        )
        await self._connection.execute(
            statement.where(*_owned(address_id, user_id)).values(default_of=user_id, updated_at=now)
        )

    async def default_cities(self, user_ids: Sequence[int]) -> dict[int, str]:
        """City of the default address, by user."""
        columns = tables.addresses.c
        rows = await self._connection.execute(
            sa.select(columns.user_id, columns.city).where(columns.default_of.in_(user_ids))
        )
        return {row.user_id: row.city for row in rows}


class Likes(Part):
    async def get(self, user_id: int) -> domain.Preferences:
        """The preferences, or what holds for somebody who never set any."""
        row = await self._first(sa.select(*_PREFERENCES).where(tables.preferences.c.user_id == user_id))
        return domain.Preferences() if row is None else domain.Preferences(**row)

    async def set(self, preferences: domain.Preferences, *, user_id: int) -> None:
        now = self._clock.now()
        wanted = dataclasses.asdict(preferences)
        new = await sql.insert_if_absent(
            self._connection,
            tables.preferences,
            {"user_id": user_id, **wanted, "created_at": now, "updated_at": now},
        )
        if not new:
            statement = sa.update(tables.preferences).where(tables.preferences.c.user_id == user_id)
            await self._connection.execute(statement.values(**wanted, updated_at=now))


class Transaction(sql.Transaction):
    """A transaction, or a consistent view, of the user service's tables."""

    @property
    def profiles(self) -> Profiles:
        return Profiles(self.connection, self.clock)

    @property
    def addresses(self) -> Addresses:
        return Addresses(self.connection, self.clock)

    @property
    def preferences(self) -> Likes:
        return Likes(self.connection, self.clock)


class Store(sql.Store[Transaction]):
    pass


def profile_of(account: domain.Account) -> domain.Profile:
    """The first copy of an account."""
    return domain.Profile(
        user_id=account.id,
        name=account.name,
        email=account.email,
        phone=account.phone,
        role=account.role,
        status=account.status,
        email_verified=account.email_verified,
        created_at=account.created_at,
    )


def account_columns(account: domain.Account, *, at: dt.datetime) -> dict[str, Any]:
    """The columns of a profile that follow the account."""
    return {
        "name": account.name,
        "email": account.email,
        "phone": account.phone,
        "role": account.role,
        "status": account.status,
        "email_verified": account.email_verified,
        "synced_at": at,
    }


def _columns(place: domain.Place) -> dict[str, Any]:
    return {name: getattr(place, name) for name in _PLACE}


def _owned(address_id: int, user_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.addresses.c.id == address_id, tables.addresses.c.user_id == user_id
