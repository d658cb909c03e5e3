"""No change without its event, no event without its change: events wait in a table of the same transaction.

The relay takes them to the bus afterwards. Rows are leased, so replicas do not send the same one; a key is never sent
while an earlier row of that key is unsent, so the order of one aggregate's events survives every failure.
"""

import asyncio
import contextlib
import datetime as dt
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.kit import bus, clock, columns, database, errors, events, housekeeping, ids, pressure, telemetry

TABLE = "outbox"
BATCH = 100
LEASE = dt.timedelta(seconds=30)
DRAIN_SECONDS = 10
_PENDING_SECONDS, _IDLE_SECONDS = 1.0, 5.0  # waits of the relay with and without rows pending
_BACK_OFF_SECONDS, _BACK_OFF_MOST_SECONDS = 0.2, 30.0

log = telemetry.get_logger(__name__)


def table(metadata: sa.MetaData) -> sa.Table:
    """Add the table `outbox`."""
    return sa.Table(
        TABLE,
        metadata,
        sa.Column("seq", columns.Id, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False, unique=True),
        sa.Column("topic", sa.String(64), nullable=False),
        sa.Column("message_key", sa.String(128), nullable=False),
        sa.Column("envelope", columns.Json, nullable=False),
        sa.Column("created_at", columns.Instant, nullable=False),
        sa.Column("published_at", columns.Instant),
        sa.Column("tries", sa.Integer, nullable=False, default=0),
        sa.Column("leased_by", sa.String(64)),
        sa.Column("leased_until", columns.Instant),
        sa.Index("ix_outbox_published_at", "published_at", "seq"),
        sqlite_autoincrement=True,
    )


class Writer:
    """The outbox of one transaction."""

    def __init__(self, connection: AsyncConnection, table: sa.Table, *, service: str, now: dt.datetime) -> None:
        self.used = False
        self._connection = connection
        self._table = table
        self._service = service
        self._now = now

    async def add(self, *payloads: events.Payload) -> None:
        """Publish these, in this order, once the transaction is committed."""
        if not payloads:
            return
        await self._connection.execute(self._table.insert(), [self._row(payload) for payload in payloads])
        self.used = True

    def _row(self, payload: events.Payload) -> dict[str, Any]:
        envelope = events.envelope(payload, service=self._service, time=self._now)
        return {
            "event_id": envelope["id"],
            "topic": payload.fact.topic,
            "message_key": payload.message_key(),
            "envelope": envelope,
            "created_at": self._now,
        }


@dataclass(frozen=True)
class Backlog:
    """What waits to be sent."""

    pending: int
    oldest_seconds: float


class Relay:
    """Sends the rows of one database. Every replica runs one."""

    def __init__(self, *, database: database.Database, bus: bus.Bus, pressure: pressure.Pressure) -> None:
        self.backlog = Backlog(0, 0.0)
        self._database = database
        self._bus = bus
        self._pressure = pressure
        # A SQLite file has one process: after a crash the next one may take up its leases at once.
        self._owner = "embedded" if database.dialect == "sqlite" else ids.uuid7()
        self._back_off = _BACK_OFF_SECONDS
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._pending = database.metrics.gauge("revcart_outbox_pending", "Events not sent yet")
        self._oldest = database.metrics.gauge("revcart_outbox_oldest_seconds", "Age of the oldest event not sent yet")

    async def start(self) -> None:
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name=f"outbox-{self._database.service}")

    async def stop(self) -> None:
        """Send what is there, at most 10 s long; what is left is sent after the next start."""
        if self._task is None:
            return
        self._stopping = True
        self._database.outbox_added.set()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._task
        except TimeoutError:
            log.warning("outbox.not-drained", pending=self.backlog.pending)
        self._task = None

    async def _run(self) -> None:
        purge_at = asyncio.get_running_loop().time()
        while True:
            last = self._stopping  # a pass that was under way when the service stopped may have missed its last rows
            pause = await self._pass()
            if last and (self.backlog.pending == 0 or pause > 0):
                return
            if asyncio.get_running_loop().time() >= purge_at:
                purge_at += 3_600
                await self._purge()
            await clock.wait(self._database.outbox_added, pause)

    async def _pass(self) -> float:
        """Send one batch. Returns how many seconds may pass until the next, if nothing is added: 0 = more is there."""
        if not self._stopping:
            await self._pressure.stand_back()
        self._database.outbox_added.clear()
        try:
            rows = await self._lease()
            if rows:
                await self._send(rows)
            await self._measure()
        except errors.DependencyUnavailable as error:
            log.warning("outbox.waits", service=self._database.service, away=error.service, seconds=self._back_off)
            with contextlib.suppress(errors.DependencyUnavailable):
                await self._measure()  # what piles up is what somebody watches during an outage
            pause = self._back_off * random.uniform(0.8, 1.2)
            self._back_off = min(self._back_off * 2, _BACK_OFF_MOST_SECONDS)
            return pause
        except Exception:
            log.exception("outbox.failed", service=self._database.service)
            return _BACK_OFF_MOST_SECONDS
        self._back_off = _BACK_OFF_SECONDS
        if len(rows) == BATCH:
            return 0
        return _PENDING_SECONDS if self.backlog.pending else _IDLE_SECONDS

    async def _lease(self) -> Sequence[sa.RowMapping]:
        outbox, now = self._table, self._database.clock.now()
        unsent = sa.select(outbox.c.seq).where(outbox.c.published_at.is_(None)).order_by(outbox.c.seq).limit(BATCH * 5)
        # Found without locks and locked by primary key: a locking read by `published_at` locks MySQL's index entry
        # before the row, and deadlocks with the relay that marks the row sent, which goes the other way.
        async with self._database.read() as connection:
            waiting = (await connection.execute(unsent)).scalars().all()
        if not waiting:
            return []
        async with self._database.begin() as connection:
            locked = await connection.execute(
                # Not SKIP LOCKED: skipping a row that another relay is leasing would let its successor overtake.
                sa.select(outbox).where(outbox.c.seq.in_(waiting)).order_by(outbox.c.seq).with_for_update()
            )
            rows = self._free([row for row in locked.mappings() if row["published_at"] is None], now)
            if rows:
                await connection.execute(
                    outbox.update()
                    .where(outbox.c.seq.in_([row["seq"] for row in rows]))
                    .values(leased_by=self._owner, leased_until=now + LEASE, tries=outbox.c.tries + 1)
                )
        return rows

    def _free(self, waiting: Sequence[sa.RowMapping], now: dt.datetime) -> list[sa.RowMapping]:
        """The first rows whose key is in nobody else's hands."""
        taken: set[tuple[str, str]] = set()
        free: list[sa.RowMapping] = []
        for row in waiting:
            key = row["topic"], row["message_key"]
            if row["leased_by"] not in (None, self._owner) and row["leased_until"] > now:
                taken.add(key)
            elif key not in taken and len(free) < BATCH:
                free.append(row)
        return free

    async def _send(self, rows: Sequence[sa.RowMapping]) -> None:
        outbox, mine = self._table, self._table.c.seq.in_([row["seq"] for row in rows])
        try:
            async with asyncio.timeout(LEASE.total_seconds() / 2):
                await self._bus.publish([_message(row) for row in rows])
        except (errors.DependencyUnavailable, TimeoutError) as error:
            async with self._database.begin() as connection:
                free = outbox.update().where(mine, outbox.c.leased_by == self._owner)
                await connection.execute(free.values(leased_by=None, leased_until=None))
            raise errors.DependencyUnavailable("bus") from error
        async with self._database.begin() as connection:
            sent = outbox.update().where(mine, outbox.c.leased_by == self._owner)
            await connection.execute(
                sent.values(published_at=self._database.clock.now(), leased_by=None, leased_until=None)
            )

    async def _measure(self) -> None:
        outbox = self._table
        unsent = sa.select(sa.func.count(), sa.func.min(outbox.c.created_at)).where(outbox.c.published_at.is_(None))
        async with self._database.read() as connection:
            pending, oldest = (await connection.execute(unsent)).one()
        age = (self._database.clock.now() - oldest).total_seconds() if oldest else 0.0
        self.backlog = Backlog(pending, max(age, 0.0))
        self._pending.set(pending)
        self._oldest.set(self.backlog.oldest_seconds)

    async def _purge(self) -> None:
        try:
            await housekeeping.purge(self._database)
        except Exception:  # old rows may wait an hour; new events may not wait for them
            log.exception("outbox.not-purged", service=self._database.service)

    @property
    def _table(self) -> sa.Table:
        return self._database.metadata.tables[TABLE]


@contextlib.asynccontextmanager
async def relaying(*, database: database.Database, bus: bus.Bus, pressure: pressure.Pressure) -> AsyncIterator[Relay]:
    """A relay as long as the block runs; drained at the end."""
    relay = Relay(database=database, bus=bus, pressure=pressure)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


def _message(row: sa.RowMapping) -> bus.Message:
    return bus.Message(
        topic=row["topic"],
        key=row["message_key"],
        value=events.encode(row["envelope"]),
        headers=events.HEADERS,
    )
