"""Forgets rows of the shared tables whose time is over. Every database that has one of them has an outbox, whose relay
calls this once an hour."""

import datetime as dt

from revcart.kit import database

# Table -> the column that ages, and how old it may get.
_KEPT = {
    "outbox": ("published_at", dt.timedelta(hours=24)),
    "inbox": ("received_at", dt.timedelta(days=15)),  # longer than any topic keeps the event
    "idempotency": ("expires_at", dt.timedelta()),
}


async def purge(database: database.Database) -> None:
    """Delete what is too old."""
    now = database.clock.now()
    async with database.begin() as connection:
        for name, (column, kept) in _KEPT.items():
            if name in database.metadata.tables:
                table = database.metadata.tables[name]
                await connection.execute(table.delete().where(table.c[column] < now - kept))
