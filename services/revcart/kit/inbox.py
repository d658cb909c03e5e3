"""Which events a service has handled: the row is written in the handler's own transaction, so an event acts once."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.kit import columns, events


def table(metadata: sa.MetaData) -> sa.Table:
    """Add the table `inbox`."""
    return sa.Table(
        "inbox",
        metadata,
        sa.Column("consumer_group", sa.String(64), primary_key=True),
        sa.Column("event_id", sa.String(64), primary_key=True),
        sa.Column("received_at", columns.Instant, nullable=False, index=True),
    )


async def remember(
    connection: AsyncConnection,
    table: sa.Table,
    *,
    group: str,
    event_id: str,
    now: dt.datetime,
) -> None:
    """Note the event. Raises events.Repeated when it was handled before."""
    row = {"consumer_group": group, "event_id": event_id, "received_at": now}
    if not await columns.insert_if_absent(connection, table, row):
        raise events.Repeated(event_id)
