"""Redis within this process, for a shop on one machine and for tests (`memory://`).

It is fakeredis with two things added. Its time, expiry included, is the hub's clock, so a test moves it with
`clock.Manual.advance`. And what is under a durable prefix outlives the process, kill -9 included: after each command,
before its answer, the state of every such key it touched goes to SQLite, with the absolute time at which it expires.
"""

import asyncio
import base64
import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, Final

import fakeredis
from fakeredis import aioredis
from fakeredis._core import Database

from revcart.kit import clock

_DURABLE: Final = (b"cart:", b"inbox:", b"session:")
_NO_KEY: Final = b"\0"  # a prefix that no key of ours has

Row = tuple[bytes, str | None, str, int | None]  # key, kind (None: gone), state as JSON, expiry in epoch milliseconds


class Memory:
    """The Redis double that the services of one process share. With `path`, a SQLite file, durable keys outlive it."""

    def __init__(self, path: Path | None, *, clock: clock.Clock) -> None:
        self._clock = clock
        self._server = _Server(clock, durable=_DURABLE if path else (_NO_KEY,))
        self._path = path

    async def open(self) -> None:
        """Load what was kept and has not expired meanwhile."""
        if self._path is not None:
            store = self._server.store = _Store(self._path)
            self._server.load(store.rows(now=round(self._clock.now().timestamp() * 1000)))

    async def close(self) -> None:
        """After all clients."""
        store, self._server.store = self._server.store, None
        if store is not None:
            await store.close()

    def client(self) -> aioredis.FakeRedis:
        """A client of its own for one service."""
        return aioredis.FakeRedis(server=self._server, connection_class=_Connection, version=(7,))

    def cut(self) -> None:
        """Be away for every client until `heal`, as a Redis that stopped: for tests of what degrades."""
        self._server.connected = False

    def heal(self) -> None:
        self._server.connected = True


class _Clocked(Database):
    """A database whose time is that of a clock, and which notes what is written. fakeredis sets `time` per command."""

    def __init__(self, lock: Any, *, clock: clock.Clock, written: set[bytes], durable: tuple[bytes, ...]) -> None:
        self._clock, self._written, self._durable = clock, written, durable
        super().__init__(lock)

    @property
    def time(self) -> float:
        return self._clock.now().timestamp()

    @time.setter
    def time(self, _: float) -> None:
        pass

    def notify_watch(self, key: bytes) -> None:
        if key.startswith(self._durable):
            self._written.add(key)
        super().notify_watch(key)


class _Server(fakeredis.FakeServer):
    def __init__(self, clock: clock.Clock, *, durable: tuple[bytes, ...]) -> None:
        super().__init__(version=(7,))
        self.clock = clock
        self.written: set[bytes] = set()
        self.store: _Store | None = None
        self.dbs = defaultdict(lambda: _Clocked(self.lock, clock=clock, written=self.written, durable=durable))
        self._client = fakeredis.FakeRedis(server=self)

    def take_written(self) -> list[Row]:
        """The present state of every durable key written since the last time."""
        rows = [self._row(key) for key in self.written]
        self.written.clear()
        return rows

    def load(self, rows: Iterable[Row]) -> None:
        for key, kind, state, expires in rows:
            write = {"string": "SET", "hash": "HSET", "list": "RPUSH", "set": "SADD", "zset": "ZADD"}[str(kind)]
            self._run(write, key, *(base64.b85decode(part) for part in json.loads(state)))
            if expires is not None:
                self._run("PEXPIREAT", key, expires)
        self.written.clear()

    def _run(self, *command: Any) -> Any:
        execute: Callable[..., Any] = self._client.execute_command
        return execute(*command)

    def _row(self, key: bytes) -> Row:
        kind = self._run("TYPE", key).decode()
        if kind == "none":
            return key, None, "", None
        state = json.dumps([base64.b85encode(part).decode() for part in self._parts(kind, key)])
        expires = self._run("PEXPIRETIME", key)
        return key, kind, state, expires if expires >= 0 else None

    def _parts(self, kind: str, key: bytes) -> list[bytes]:
        """The arguments that write the key anew."""
        match kind:
            case "string":
                return [self._run("GET", key)]
            case "hash":
                return [part for pair in self._run("HGETALL", key).items() for part in pair]
            case "list":
                return list(self._run("LRANGE", key, 0, -1))
            case "set":
                return list(self._run("SMEMBERS", key))
            case "zset":
                members = self._run("ZRANGE", key, 0, -1, "WITHSCORES")
                return [part for member, score in members for part in (repr(float(score)).encode(), member)]
        raise ValueError(f"a durable key cannot be a {kind}: {key!r}")


class _Socket(aioredis.AsyncFakeSocket):
    """Redis' TIME, which scripts use, is the clock's too."""

    def time(self) -> list[bytes]:
        assert isinstance(self._server, _Server)
        now = round(self._server.clock.now().timestamp() * 1_000_000)
        return [str(now // 1_000_000).encode(), str(now % 1_000_000).encode()]


class _Connection(aioredis.FakeAsyncRedisConnection):
    """Holds each answer back until what its command wrote is on disk."""

    async def _connect(self) -> None:
        await super()._connect()
        self._sock = _Socket(
            self._server,
            self.db,
            client_class=self._client_class,
            lua_modules=self._lua_modules,
            client_info=self._client_info,
        )
        self._reader, self._writer = aioredis.FakeReader(self._sock), aioredis.FakeWriter(self._sock)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)
        finally:
            assert isinstance(self._server, _Server)
            if self._server.store is not None:
                await self._server.store.keep(self._server)


class _Store:
    """The SQLite file. One thread writes, in the order of the commands; it survives the process, not a power cut."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._thread = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="cache")
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS cache"
            " (key BLOB PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, expires INTEGER) WITHOUT ROWID"
        )
        self._last: asyncio.Future[None] | None = None

    def rows(self, *, now: int) -> Iterator[Row]:
        """What is kept and has not expired at `now`."""
        self._database.execute("DELETE FROM cache WHERE expires <= ?", (now,))
        yield from self._database.execute("SELECT key, kind, state, expires FROM cache").fetchall()

    async def keep(self, server: _Server) -> None:
        """Returns once everything written so far, also by others, is kept."""
        if server.written:
            rows = server.take_written()
            self._last = asyncio.get_running_loop().run_in_executor(self._thread, self._write, rows)
        if self._last is not None and not self._last.done():
            await asyncio.shield(self._last)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._database.close()

    def _write(self, rows: list[Row]) -> None:
        self._database.execute("BEGIN")
        with contextlib.closing(self._database.cursor()) as cursor:
            for key, kind, state, expires in rows:
                if kind is None:
                    cursor.execute("DELETE FROM cache WHERE key = ?", (key,))
                else:
                    cursor.execute("INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?)", (key, kind, state, expires))
            cursor.execute("COMMIT")
