"""The bus of a single process: a log in a SQLite file that outlives the process, also when it is killed.

Publishers and offset commits of a few milliseconds share one transaction; one thread does all of the SQL. Every group
reads the log at its own pace, one message of a key at a time and up to 8 keys side by side. The stored offset of a
group trails its oldest unfinished message, so that after a crash messages come twice rather than never.
"""

import asyncio
import datetime as dt
import json
import sqlite3
import zlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent import futures
from pathlib import Path
from typing import ParamSpec, TypeVar

from revcart.kit import bus, bus_lanes, clock, errors, telemetry, topics

RETENTION_DAYS = 7
_PURGE_SECONDS = 3_600
_READ_AHEAD = 200  # messages of one group in memory

_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
PRAGMA busy_timeout=5000;
CREATE TABLE IF NOT EXISTS log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
  headers TEXT NOT NULL, at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS log_topic ON log (topic, seq);
CREATE INDEX IF NOT EXISTS log_at ON log (at);
CREATE TABLE IF NOT EXISTS offsets (
  consumer_group TEXT NOT NULL, topic TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (consumer_group, topic)
);
"""

log = telemetry.get_logger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

Offsets = dict[tuple[str, str], int]  # (group, topic) -> last message that is done with


class Memory:
    """`path`: the log's file; without one the log lives as long as the bus is open.

    `grace_seconds`: how long messages in hand may go on when the last member of a group leaves.
    """

    def __init__(self, path: Path | None, *, clock: clock.Clock, grace_seconds: float = 10) -> None:
        self._log = _Log(path, clock=clock)
        self._grace_seconds = grace_seconds
        self._waiting: list[tuple[Sequence[bus.Message], asyncio.Future[None]]] = []
        self._offsets: Offsets = {}
        self._work = asyncio.Event()
        self._groups: dict[str, _Group] = {}
        self._writer: asyncio.Task[None] | None = None

    async def open(self) -> None:
        if self._writer is None:
            await self._log.run(self._log.open)
            self._writer = asyncio.create_task(self._write(), name="bus-writer")

    async def close(self) -> None:
        """Close what members are left, store the last offsets."""
        if self._writer is None:
            return
        for group in list(self._groups.values()):
            await group.close(self._grace_seconds)
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._writer = None
        await self._flush()
        await self._log.run(self._log.close)

    async def ping(self) -> None:
        if self._writer is None or self._writer.done():
            raise errors.DependencyUnavailable("bus")

    async def publish(self, messages: Sequence[bus.Message]) -> None:
        await self.ping()
        if not messages:
            return
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((messages, stored))
        self._work.set()
        await stored

    async def subscribe(self, group: str, *, topics: Sequence[str], handler: bus.Handler) -> bus.Subscription:
        await self.ping()
        if group not in self._groups:
            positions = await self._log.run(self._log.positions, group, topics)
            self._groups[group] = _Group(group, positions=positions, log=self._log, commit=self._commit)
        return _Member(self, group=self._groups[group], handler=handler)

    async def lag(self, group: str) -> Mapping[str, int]:
        await self.ping()
        await self._flush()
        return await self._log.run(self._log.lag, group)

    async def history(self, topic: str) -> AsyncGenerator[bus.Delivery]:
        await self.ping()
        read, last = 0, await self._log.run(self._log.last, topic)
        while read < last:
            for delivery in await self._log.run(self._log.read, {topic: read}, _READ_AHEAD):
                read = delivery.offset
                if read <= last:
                    yield delivery

    async def leave(self, group: "_Group", member: "_Member") -> None:
        """Called by a member that closes."""
        group.members.remove(member)
        if not group.members:
            self._groups.pop(group.name, None)
            await group.close(self._grace_seconds)
            await self._flush()

    def _commit(self, group: str, topic: str, seq: int) -> None:
        self._offsets[group, topic] = seq
        self._work.set()

    async def _write(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._flush()
            except Exception:  # nobody else would write; the publishers have been told
                log.exception("bus.not-writable")
                await asyncio.sleep(1)
            else:
                # What arrives while this batch is being stored makes the next one.
                await asyncio.sleep(0)

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        offsets, self._offsets = self._offsets, {}
        if not waiting and not offsets:
            return
        messages = [message for batch, _ in waiting for message in batch]
        try:
            await self._log.run(self._log.append, messages, offsets)
        except BaseException as error:
            self._offsets = offsets | self._offsets
            failure = error if isinstance(error, errors.DependencyUnavailable) else errors.DependencyUnavailable("bus")
            for _, stored in waiting:
                if not stored.done():
                    stored.set_exception(failure)
            raise
        for _, stored in waiting:
            if not stored.done():
                stored.set_result(None)
        if messages:
            for group in self._groups.values():
                group.arrived.set()


class _Log:
    """All the SQL, on one thread of its own."""

    def __init__(self, path: Path | None, *, clock: clock.Clock) -> None:
        self._path = path
        self._clock = clock
        self._thread = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="revcart-bus")
        self._purged = 0.0

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """`function` on the log's thread. Raises DependencyUnavailable("bus") when the file does not serve."""
        call = asyncio.get_running_loop().run_in_executor(self._thread, lambda: function(*args, **kwargs))
        try:
            return await asyncio.shield(call)
        except sqlite3.Error as error:
            raise errors.DependencyUnavailable("bus") from error

    def open(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path or ":memory:", check_same_thread=False, isolation_level=None)
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    def append(self, messages: Sequence[bus.Message], offsets: Offsets) -> None:
        now = self._clock.now()
        at = clock.to_text(now)
        rows = [(m.topic, m.key, m.value, json.dumps(dict(m.headers)), at) for m in messages]
        with self._transaction() as connection:
            connection.executemany("INSERT INTO log (topic, key, value, headers, at) VALUES (?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "INSERT INTO offsets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
                [(group, topic, seq) for (group, topic), seq in offsets.items()],
            )
            if now.timestamp() - self._purged > _PURGE_SECONDS:
                self._purged = now.timestamp()
                self._purge(now)

    def _purge(self, now: dt.datetime) -> None:
        for days, condition in ((RETENTION_DAYS, "NOT LIKE"), (topics.DEAD_LETTER_DAYS, "LIKE")):
            limit = clock.to_text(now - dt.timedelta(days=days))
            self._connection.execute(f"DELETE FROM log WHERE at < ? AND topic {condition} '%.dlq'", [limit])  # noqa: S608

    def positions(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Where the group stopped, per topic; 0 where it never read."""
        known = dict(self._connection.execute("SELECT topic, seq FROM offsets WHERE consumer_group = ?", [group]))
        return {topic: known.get(topic, 0) for topic in topics}

    def read(self, after: Mapping[str, int], limit: int) -> list[bus.Delivery]:
        """The next messages of these topics, oldest first."""
        condition = " OR ".join(["(topic = ? AND seq > ?)"] * len(after))
        rows = self._connection.execute(
            f"SELECT seq, topic, key, value, headers FROM log WHERE {condition} ORDER BY seq LIMIT ?",  # noqa: S608
            [*(part for pair in after.items() for part in pair), limit],
        )
        return [
            bus.Delivery(
                message=bus.Message(topic=topic, key=key, value=value, headers=json.loads(headers)),
                partition=0,
                offset=seq,
            )
            for seq, topic, key, value, headers in rows
        ]

    def last(self, topic: str) -> int:
        """The place of the topic's newest message; 0 where it has none."""
        row = self._connection.execute("SELECT coalesce(max(seq), 0) FROM log WHERE topic = ?", [topic]).fetchone()
        return int(row[0])

    def lag(self, group: str) -> dict[str, int]:
        rows = self._connection.execute(
            "SELECT o.topic, (SELECT count(*) FROM log l WHERE l.topic = o.topic AND l.seq > o.seq)"
            " FROM offsets o WHERE o.consumer_group = ?",
            [group],
        )
        return dict(rows)

    def _transaction(self) -> "_Immediate":
        return _Immediate(self._connection)


class _Immediate:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


class _Group:
    """One consumer group: reads ahead, hands out to its members."""

    def __init__(
        self,
        name: str,
        *,
        positions: dict[str, int],
        log: _Log,
        commit: Callable[[str, str, int], None],
    ) -> None:
        self.name = name
        self.arrived = asyncio.Event()
        self.members: list[_Member] = []
        self._log = log
        self._commit = commit
        self._read = dict(positions)  # last message handed to a lane
        self._lanes = bus_lanes.Lanes(name, handler=self._handle, reached=self._reached)
        self._reader: asyncio.Task[None] | None = None
        for topic, seq in positions.items():
            commit(name, topic, seq)

    def join(self, member: "_Member") -> None:
        self.members.append(member)
        if self._reader is None:
            self._reader = asyncio.create_task(self._pump(), name=f"bus-{self.name}")

    async def close(self, grace_seconds: float) -> None:
        self.members.clear()
        if self._reader is not None:
            self._reader.cancel()
        await self._lanes.stop(grace_seconds)

    async def _pump(self) -> None:
        while True:
            self.arrived.clear()
            space = _READ_AHEAD - self._lanes.unfinished
            found = await self._next(space) if space > 0 else []
            for delivery in found:
                self._read[delivery.message.topic] = delivery.offset
                self._lanes.take(delivery)
            if not found:
                await self.arrived.wait()

    async def _next(self, limit: int) -> list[bus.Delivery]:
        try:
            return await self._log.run(self._log.read, self._read, limit)
        except errors.DependencyUnavailable:
            log.exception("bus.not-readable", group=self.name)
            await clock.wait(self.arrived, 1)
            self.arrived.set()
            return []

    async def _handle(self, delivery: bus.Delivery) -> None:
        member = self.members[zlib.crc32(delivery.message.key.encode()) % len(self.members)]
        await member.handler(delivery)

    def _reached(self, topic: str, seq: int) -> None:
        self._commit(self.name, topic, seq)
        self.arrived.set()


class _Member:
    """A subscription."""

    def __init__(self, owner: Memory, *, group: _Group, handler: bus.Handler) -> None:
        self.handler = handler
        self._owner = owner
        self._group = group
        group.join(self)

    async def close(self) -> None:
        if self in self._group.members:
            await self._owner.leave(self._group, self)
