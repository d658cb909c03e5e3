"""One Idempotency-Key, one effect, one answer (draft-ietf-httpapi-idempotency-key-header; RFC 8941 string or bare).

A key is claimed before the work; its answer is kept in the transaction of the effect. Whoever comes meanwhile is told
to wait; whoever comes later gets the kept answer. A refused try frees the key at once, a crashed one after 60 s.
"""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.kit import columns, database, errors

HEADER = "Idempotency-Key"
KEPT = dt.timedelta(hours=24)
CRASHED_AFTER = dt.timedelta(seconds=60)
_CLAIMED, _DONE = "CLAIMED", "DONE"


class KeyMissing(errors.RevCartError):
    status, code, title = 400, "idempotency.key-missing", "An Idempotency-Key is needed"


class KeyReused(errors.Unprocessable):
    code, title = "idempotency.key-reused", "This Idempotency-Key belongs to another request"


class InProgress(errors.Conflict):
    code, title = "idempotency.in-progress", "The first try is still running"


def table(metadata: sa.MetaData) -> sa.Table:
    """Add the table `idempotency`."""
    return sa.Table(
        "idempotency",
        metadata,
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("route", sa.String(128), primary_key=True),
        sa.Column("idem_key", sa.String(128), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("locked_until", columns.Instant, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", columns.Json),
        sa.Column("expires_at", columns.Instant, nullable=False, index=True),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A key in our hands. `replay`: the kept (status, body) when the effect was there before; then do nothing else."""

    caller: str
    route: str
    key: str
    fingerprint: str
    locked_until: dt.datetime  # also the fence: only who wrote it may keep or free the row
    replay: tuple[int, Any] | None = None


@contextlib.asynccontextmanager
async def claimed(
    database: database.Database,
    *,
    caller: str,
    route: str,
    key: str,
    fingerprint: str,
) -> AsyncIterator[Claim]:
    """Hold the key for the block. `route`: method and path template. Raises KeyReused (422), InProgress (409)."""
    now = database.clock.now()
    claim = Claim(caller=caller, route=route, key=key, fingerprint=fingerprint, locked_until=now + CRASHED_AFTER)
    async with database.begin() as connection:
        claim = await _take(connection, database.metadata.tables["idempotency"], claim, now)
    try:
        yield claim
    finally:
        if claim.replay is None:
            async with database.begin() as connection:
                idempotency = database.metadata.tables["idempotency"]
                await connection.execute(idempotency.delete().where(_mine(idempotency, claim)))


async def free_abandoned(database: database.Database) -> None:
    """Free the keys whose first try a crash cut off, so that the retry need not wait for them to lapse.

    Only at the start of a database that has one process (SQLite): elsewhere another replica may be at work on them.
    """
    if database.dialect != "sqlite" or "idempotency" not in database.metadata.tables:
        return
    idempotency = database.metadata.tables["idempotency"]
    async with database.begin() as connection:
        await connection.execute(idempotency.delete().where(idempotency.c.state == _CLAIMED))


async def _take(connection: AsyncConnection, idempotency: sa.Table, claim: Claim, now: dt.datetime) -> Claim:
    row = {
        "caller": claim.caller,
        "route": claim.route,
        "idem_key": claim.key,
        "fingerprint": claim.fingerprint,
        "state": _CLAIMED,
        "locked_until": claim.locked_until,
        "status": None,
        "body": None,
        "expires_at": now + KEPT,
    }
    if await columns.insert_if_absent(connection, idempotency, row):
        return claim
    found = (await connection.execute(sa.select(idempotency).where(_key(idempotency, claim)).with_for_update())).one()
    lapsed = found.expires_at <= now if found.state == _DONE else found.locked_until <= now
    if not lapsed:
        if found.fingerprint != claim.fingerprint:
            raise KeyReused("Use a new Idempotency-Key for another request.")
        if found.state == _CLAIMED:
            raise InProgress("The first try is still running; ask again in a second.", retry_after=1)
        return dataclasses.replace(claim, replay=(found.status, found.body))
    await connection.execute(idempotency.update().where(_key(idempotency, claim)).values(**row))
    return claim


class Keeper:
    """Keeps answers inside one transaction."""

    def __init__(self, connection: AsyncConnection, table: sa.Table) -> None:
        self._connection = connection
        self._table = table

    async def hold(self, claim: Claim) -> None:
        """First thing in the effect's transaction: raises InProgress when the key lapsed and another try has it."""
        mine = sa.select(self._table.c.state).where(_mine(self._table, claim)).with_for_update()
        if (await self._connection.execute(mine)).first() is None:
            raise _taken_over()

    async def keep(self, claim: Claim, *, status: int, body: Any) -> None:
        """Keep this 2xx answer for 24 h. Raises InProgress when the key lapsed and another try holds it: roll back."""
        result = await self._connection.execute(
            self._table.update().where(_mine(self._table, claim)).values(state=_DONE, status=status, body=body)
        )
        if result.rowcount != 1:
            raise _taken_over()

    async def amend(self, claim: Claim, *, body: Any) -> None:
        """Replace the kept body: for an answer that is complete only after the commit of its effect."""
        await self._connection.execute(
            self._table.update().where(_key(self._table, claim), self._table.c.state == _DONE).values(body=body)
        )


def _taken_over() -> InProgress:
    return InProgress("Another try took over; ask again in a second.", retry_after=1)


def fingerprint(path: str, body: Any) -> str:
    """SHA-256, in hex, of the path and the canonical JSON of a JSON-ready body."""
    canonical = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{path}\n{canonical}".encode()).hexdigest()


def replayed(replay: tuple[int, Any]) -> JSONResponse:
    """The kept answer, marked as such."""
    status, body = replay
    return JSONResponse(body, status_code=status, headers={"Idempotency-Replayed": "true"})


def _key(idempotency: sa.Table, claim: Claim) -> sa.ColumnElement[bool]:
    columns_ = idempotency.c
    return sa.and_(columns_.caller == claim.caller, columns_.route == claim.route, columns_.idem_key == claim.key)


def _mine(idempotency: sa.Table, claim: Claim) -> sa.ColumnElement[bool]:
    held = sa.and_(idempotency.c.state == _CLAIMED, idempotency.c.locked_until == claim.locked_until)
    return sa.and_(_key(idempotency, claim), held)


def _parse(value: str) -> str:
    text = value.strip()
    if text.startswith('"'):
        if not re.fullmatch(r'"(?:[^"\\]|\\["\\])*"', text):
            raise KeyMissing("The Idempotency-Key is no RFC 8941 string.", items=_ITEM)
        text = re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if not re.fullmatch(r"[\x21-\x7e]{8,128}", text):
        raise KeyMissing("The Idempotency-Key must be 8 to 128 visible ASCII characters.", items=_ITEM)
    return text


_ITEM = (errors.Item("header:Idempotency-Key", "8 to 128 visible ASCII characters"),)


def _optional(request: Request) -> str | None:
    value = request.headers.get(HEADER)
    return None if value is None else _parse(value)


def _required(request: Request) -> str:
    key = _optional(request)
    if key is None:
        raise KeyMissing("Send an Idempotency-Key header, e.g. a UUID made for this order.", items=_ITEM)
    return key


Required = Annotated[str, Depends(_required)]
Optional = Annotated[str | None, Depends(_optional)]
