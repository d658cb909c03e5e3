"""The audit log: rows are added, never changed or removed; each carries the hash of the one before it."""

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa

from revcart.admin import domain
from revcart.kit import columns, pages, sql

metadata = sa.MetaData()

# JSON is kept as text: a JSON column may reorder keys and rewrite numbers, and the hash would no longer fit.
audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sql.Instant, nullable=False),
    sa.Column("actor_id", sa.BigInteger, nullable=False),
    sa.Column("actor_email", sa.String(254), nullable=False),
    sa.Column("actor_ip", sa.String(64), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("entity_type", sa.String(32), nullable=False),
    sa.Column("entity_id", sa.String(64)),
    sa.Column("before", columns.LongText),
    sa.Column("after", columns.LongText),
    sa.Column("outcome", sa.String(8), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("request_id", sa.String(128), nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("ix_audit_log_actor", "actor_id", "id"),
    sa.Index("ix_audit_log_entity", "entity_type", "entity_id", "id"),
    sa.Index("ix_audit_log_action", "action", "id"),
    sa.Index("ix_audit_log_at", "at"),
)

# One row, locked by whoever adds to the log: the chain has one end, and cutting it off shows.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last_id", sa.BigInteger, nullable=False),
    sa.Column("last_hash", sa.String(64), nullable=False),
)

_BATCH = 500
_SORTS = {"at": audit_log.c.at, "id": audit_log.c.id}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rows are asked for; None does not narrow. `until` is not included."""

    actor_id: int | None = None
    action: str | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class Transaction(sql.Transaction):
    """The queries of the audit log."""

    async def make_head(self) -> None:
        """The end of an empty chain, once."""
        await sql.insert_if_absent(self.connection, audit_head, {"id": 1, "last_id": 0, "last_hash": domain.FIRST_HASH})

    async def append(self, **values: Any) -> domain.Entry:
        """Add one row at the end of the chain."""
        head = (await self.connection.execute(sa.select(audit_head).with_for_update())).one()
        entry = domain.Entry(id=head.last_id + 1, at=self.clock.now(), previous_hash=head.last_hash, hash="", **values)
        entry = dataclasses.replace(entry, hash=entry.true_hash)
        await self.connection.execute(sa.insert(audit_log).values(dataclasses.asdict(entry)))
        await self.connection.execute(sa.update(audit_head).values(last_id=entry.id, last_hash=entry.hash))
        return entry

    async def head(self) -> tuple[int, str]:
        """Id and hash of the last row."""
        row = (await self.connection.execute(sa.select(audit_head))).one()
        return row.last_id, row.last_hash

    async def search(self, wanted: Wanted, query: pages.PageQuery) -> tuple[list[domain.Entry], int]:
        """One page of the rows wanted, and how many there are."""
        conditions = _conditions(wanted)
        total = await self.connection.scalar(sa.select(sa.func.count()).select_from(audit_log).where(*conditions))
        order = [_SORTS[field].desc() if descending else _SORTS[field].asc() for field, descending in query.sort]
        # Several rows may share an instant: the id, which follows the time, goes the same way.
        ties = audit_log.c.id.desc() if query.sort and query.sort[0][1] else audit_log.c.id.asc()
        statement = (
            sa.select(audit_log).where(*conditions).order_by(*order, ties).limit(query.limit).offset(query.offset)
        )
        rows = await self.connection.execute(statement)
        return [domain.Entry(**row._mapping) for row in rows], total or 0

    async def after(self, last_id: int) -> list[domain.Entry]:
        """Up to 500 rows that follow a row."""
        rows = await self.connection.execute(
            sa.select(audit_log).where(audit_log.c.id > last_id).order_by(audit_log.c.id).limit(_BATCH)
        )
        return [domain.Entry(**row._mapping) for row in rows]


class Store(sql.Store[Transaction]):
    """The only committer of admin."""

    async def entries(self) -> AsyncIterator[domain.Entry]:
        """All rows in their order, in small reads, so that a long log keeps nobody waiting."""
        last_id = 0
        while True:
            async with self.read() as tx:
                batch = await tx.after(last_id)
            if not batch:
                return
            for entry in batch:
                yield entry
            last_id = batch[-1].id


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    equal = {
        audit_log.c.actor_id: wanted.actor_id,
        audit_log.c.action: wanted.action,
        audit_log.c.entity_type: wanted.entity_type,
        audit_log.c.entity_id: wanted.entity_id,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.since is not None:
        conditions.append(audit_log.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(audit_log.c.at < wanted.until)
    return conditions
