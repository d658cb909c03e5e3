"""The double's own file: entities as Razorpay's JSON, webhooks to deliver, things that happen later, refund keys.

One connection and one writer at a time are enough for a double, and make its answers repeatable.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiosqlite
from sqlalchemy.engine import make_url

from revcart.paysim import domain

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entities (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, parent TEXT, receipt TEXT,
  created_at INTEGER NOT NULL, automatic INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS entities_kind ON entities (kind, created_at);
CREATE INDEX IF NOT EXISTS entities_parent ON entities (parent, kind);
CREATE TABLE IF NOT EXISTS webhooks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL, body TEXT NOT NULL,
  state TEXT NOT NULL, created_at REAL NOT NULL, next_at REAL, tries INTEGER NOT NULL DEFAULT 0,
  last_status INTEGER, last_error TEXT);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (state, next_at);
CREATE TABLE IF NOT EXISTS later (id TEXT PRIMARY KEY, what TEXT NOT NULL, at REAL);
CREATE TABLE IF NOT EXISTS refund_keys (key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, body TEXT NOT NULL);
"""
_AUTHORIZED = """EXISTS (SELECT 1 FROM entities p WHERE p.parent = entities.id AND p.kind = 'payment'
  AND json_extract(p.body, '$.status') IN ('authorized', 'captured', 'refunded'))"""
_TABLES = ("entities", "webhooks", "later", "refund_keys")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which entities of a kind a list asks for; times are Unix seconds, newest first."""

    parent: str | None = None
    receipt: str | None = None
    since: int | None = None
    until: int | None = None
    authorized: bool | None = None
    skip: int = 0
    count: int = domain.LIST_DEFAULT


class Transaction:
    """Every query of the double, on the connection that holds the write lock."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def _all(self, sql: str, values: Iterable[Any] = ()) -> list[aiosqlite.Row]:
        async with self._connection.execute(sql, tuple(values)) as cursor:
            return list(await cursor.fetchall())

    async def get(self, kind: str, entity_id: str) -> domain.Entity:
        """The entity, or Refused (400) in Razorpay's words."""
        rows = await self._all("SELECT body FROM entities WHERE id = ? AND kind = ?", (entity_id, kind))
        if not rows:
            raise domain.unknown_id()
        entity: domain.Entity = json.loads(rows[0]["body"])
        return entity

    async def add(
        self,
        entity: domain.Entity,
        *,
        parent: str | None = None,
        automatic: bool = False,
    ) -> None:
        await self._connection.execute(
            "INSERT INTO entities (id, kind, parent, receipt, created_at, automatic, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                entity["id"],
                entity["entity"],
                parent,
                entity.get("receipt"),
                entity["created_at"],
                automatic,
                json.dumps(entity),
            ),
        )

    async def save(self, entity: domain.Entity) -> None:
        await self._connection.execute(
            "UPDATE entities SET body = ? WHERE id = ?",
            (json.dumps(entity), entity["id"]),
        )

    async def captures_by_itself(self, order_id: str) -> bool:
        rows = await self._all("SELECT automatic FROM entities WHERE id = ?", (order_id,))
        return bool(rows and rows[0]["automatic"])

    async def receipt_taken(self, receipt: str) -> bool:
        return bool(
            await self._all(
                "SELECT 1 FROM entities WHERE kind = 'order' AND receipt = ?",
                (receipt,),
            )
        )

    async def find(self, kind: str, selection: Selection) -> list[domain.Entity]:
        where, values = ["kind = ?"], [kind]
        conditions: list[tuple[str, Any]] = [
            ("parent = ?", selection.parent),
            ("receipt = ?", selection.receipt),
            ("created_at >= ?", selection.since),
            ("created_at <= ?", selection.until),
        ]
        for condition, value in conditions:
            if value is not None:
                where.append(condition)
                values.append(value)
        if selection.authorized is not None:
            where.append(_AUTHORIZED if selection.authorized else f"NOT {_AUTHORIZED}")
        sql = f"SELECT body FROM entities WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ? OFFSET ?"  # noqa: S608
        rows = await self._all(sql, [*values, selection.count, selection.skip])
        return [json.loads(row["body"]) for row in rows]

    async def refund_of_key(self, key: str) -> tuple[str, domain.Entity] | None:
        rows = await self._all("SELECT fingerprint, body FROM refund_keys WHERE key = ?", (key,))
        return (rows[0]["fingerprint"], json.loads(rows[0]["body"])) if rows else None

    async def keep_refund_key(self, *, key: str, fingerprint: str, refund: domain.Entity) -> None:
        await self._connection.execute(
            "INSERT INTO refund_keys (key, fingerprint, body) VALUES (?, ?, ?)",
            (key, fingerprint, json.dumps(refund)),
        )

    async def do_later(self, entity_id: str, *, what: str, at: float | None) -> None:
        """`at`: Unix seconds, or None for "when the switch that causes it is off"."""
        await self._connection.execute("REPLACE INTO later (id, what, at) VALUES (?, ?, ?)", (entity_id, what, at))

    async def due(self, *, now: float) -> list[tuple[str, str, bool]]:
        """Entity, what happens to it, and whether it waits for its switch to go off."""
        rows = await self._all(
            "SELECT id, what, at FROM later WHERE at IS NULL OR at <= ? LIMIT 100",
            (now,),
        )
        return [(row["id"], row["what"], row["at"] is None) for row in rows]

    async def done_later(self, entity_id: str) -> None:
        await self._connection.execute("DELETE FROM later WHERE id = ?", (entity_id,))

    async def add_webhook(self, *, event_id: str, event: str, body: str, state: str, now: float, at: float) -> None:
        await self._connection.execute(
            "INSERT INTO webhooks (id, event, body, state, created_at, next_at) VALUES (?, ?, ?, ?, ?, ?)",
            (event_id, event, body, state, now, at),
        )

    async def due_webhooks(self, *, now: float, limit: int) -> list[aiosqlite.Row]:
        return await self._all(
            "SELECT * FROM webhooks WHERE state = 'pending' AND next_at <= ? ORDER BY next_at, seq LIMIT ?",
            (now, limit),
        )

    async def next_webhook_at(self) -> float | None:
        rows = await self._all("SELECT MIN(next_at) AS at FROM webhooks WHERE state = 'pending'")
        return rows[0]["at"] if rows else None

    async def webhook_tried(
        self,
        event_id: str,
        *,
        state: str,
        next_at: float | None,
        status: int | None,
        error: str | None,
    ) -> None:
        await self._connection.execute(
            "UPDATE webhooks SET state = ?, next_at = ?, tries = tries + 1, last_status = ?, last_error = ? "
            "WHERE id = ?",
            (state, next_at, status, error, event_id),
        )

    async def resend_webhook(self, event_id: str, *, now: float) -> None:
        cursor = await self._connection.execute(
            "UPDATE webhooks SET state = 'pending', next_at = ? WHERE id = ?",
            (now, event_id),
        )
        if cursor.rowcount == 0:
            raise domain.unknown_id()

    async def webhook_log(self, *, limit: int) -> list[domain.Entity]:
        rows = await self._all("SELECT * FROM webhooks ORDER BY seq DESC LIMIT ?", (limit,))
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]

    async def clear(self) -> None:
        for table in _TABLES:
            await self._connection.execute(f"DELETE FROM {table}")  # noqa: S608


class Store:
    """Opens the file named by `sqlite:///…` (or `sqlite+aiosqlite:///…`; no path: memory)."""

    def __init__(self, url: str) -> None:
        self._path = make_url(url).database or ":memory:"
        self._lock = asyncio.Lock()
        self._connection: aiosqlite.Connection | None = None

    async def open(self) -> None:
        self._connection = await aiosqlite.connect(self._path, isolation_level=None)
        self._connection.row_factory = aiosqlite.Row
        await self._connection.execute("PRAGMA journal_mode = WAL")
        await self._connection.execute("PRAGMA busy_timeout = 5000")
        await self._connection.executescript(_SCHEMA)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """All or nothing; one at a time."""
        assert self._connection is not None, "open() the store before using it"
        async with self._lock:
            await self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection)
            except BaseException:
                await self._connection.execute("ROLLBACK")
                raise
            await self._connection.execute("COMMIT")
