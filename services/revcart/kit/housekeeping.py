"""Forgets rows of the shared tables whose time is over. Every database that has one of them has an outbox, whose relay
calls this once an hour."""

import datetime as dt

import sqlalchemy as sa

from revcart.kit import database

# Table -> the column that ages, and how old it may get.
_KEPT = {
    "outbox": ("published_at", dt.timedelta(hours=24)),
    "inbox": ("received_at", dt.timedelta(days=15)),  # longer than any topic keeps the event
    "idempotency": ("expires_at", dt.timedelta()),
}
_AT_ONCE = 1_000


async def purge(database: database.Database) -> None:
    """Delete what is too old, in short transactions."""
    now = database.clock.now()
    for name, (column, kept) in _KEPT.items():
        if name in database.metadata.tables:
            table = database.metadata.tables[name]
            while await _delete_some(database, table, table.c[column] < now - kept) == _AT_ONCE:
                pass


async def _delete_some(database: database.Database, table: sa.Table, is_old: sa.ColumnElement[bool]) -> int:
    # Found without locks and deleted by primary key: a delete by age locks MySQL's index entry before the row, and
    # deadlocks with whoever changes the row, which goes the other way.
    keys = list(table.primary_key.columns)
    async with database.read() as connection:
        old = (await connection.execute(sa.select(*keys).where(is_old).limit(_AT_ONCE))).all()
    if old:
        async with database.begin() as connection:
            await connection.execute(table.delete().where(sa.tuple_(*keys).in_([tuple(row) for row in old]), is_old))
    return len(old)
