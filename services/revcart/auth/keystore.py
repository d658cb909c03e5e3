"""The queries about signing keys, apart from the accounts: nothing joins them."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.auth import tables
from revcart.kit import clock as clocks
from revcart.kit import sql

State = Literal["NEXT", "ACTIVE", "RETIRED"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredKey:
    """A signing key as it is kept; its private part is encrypted."""

    kid: str
    public_jwk: Mapping[str, Any]
    private_encrypted: bytes = dataclasses.field(repr=False)
    state: State
    created_at: dt.datetime
    activated_at: dt.datetime | None = None
    retired_at: dt.datetime | None = None


class SigningKeys:
    def __init__(self, connection: AsyncConnection, clock: clocks.Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def all(self, *, lock: bool = False) -> list[StoredKey]:
        """Every key there is, oldest first; with `lock` no other replica rotates meanwhile."""
        columns = [tables.signing_keys.c[field.name] for field in dataclasses.fields(StoredKey)]
        statement = sa.select(*columns).order_by(tables.signing_keys.c.created_at, tables.signing_keys.c.kid)
        rows = await self._connection.execute(statement.with_for_update() if lock else statement)
        return [StoredKey(**row) for row in rows.mappings()]

    async def add(self, key: StoredKey) -> bool:
        """Keep a NEXT or ACTIVE key; False when another replica was first."""
        assert key.state != "RETIRED"
        values = {**dataclasses.asdict(key), "slot": key.state, "updated_at": self._clock.now()}
        return await sql.insert_if_absent(self._connection, tables.signing_keys, values)

    async def promote(self, *, successor: str, predecessor: str | None) -> None:
        """Let `successor` sign from now on and retire `predecessor`."""
        now = self._clock.now()
        if predecessor is not None:
            await self._set(predecessor, state="RETIRED", slot=None, retired_at=now)
        await self._set(successor, state="ACTIVE", slot="ACTIVE", activated_at=now)

    async def delete_retired(self, *, before: dt.datetime) -> None:
        """Forget the keys retired before `before`."""
        await self._connection.execute(sa.delete(tables.signing_keys).where(tables.signing_keys.c.retired_at < before))

    async def _set(self, kid: str, **values: Any) -> None:
        await self._connection.execute(
            sa.update(tables.signing_keys)
            .where(tables.signing_keys.c.kid == kid)
            .values(**values, updated_at=self._clock.now())
        )
