"""One service's SQL database: SQLite in a file, or MySQL, behind the same two doors, `begin` and `read`.

SQLite has one writer: writes queue on an asyncio lock and start with BEGIN IMMEDIATE, so that none of them meets
"database is locked" half way; readers have connections of their own and see the last committed state (WAL).

MySQL has row locks: writers are READ COMMITTED, so that a locked row is read as it is and gaps stay free; readers get
one snapshot and cannot write, as on SQLite, by connections of their own whose session says so once: a read is then
two round trips, SELECT and ROLLBACK. A deadlock or a lock that nobody gives back (5 s) ends the transaction as
an outage does: DependencyUnavailable with Retry-After, nothing written. It is not run again here, for nobody but its
caller knows what it read before; callers over HTTP, consumers and workers come again by themselves.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from revcart.kit import clock, errors, sqlite_connection, telemetry

WAIT_SECONDS = 10  # for the write lock, and for a connection of the pool
_BUSY_MILLISECONDS = 5_000  # another process on the same file
_SQLITE_READERS = 4
_SQLITE_OUTAGES = {5, 6, 10, 13, 14}  # SQLITE_BUSY, LOCKED, IOERR, FULL, CANTOPEN
_MYSQL_OUTAGES = {
    *(1040, 1203, 1226),  # too many connections, of all and of this user
    *(1045, 1049, 1698),  # the door is closed: credentials or the database are not there (yet)
    *(1053, 1317, 1927, 1969, 3024, 4031),  # shut down, killed, out of time
    *(1205, 1213),  # lock wait timeout, deadlock
    *(1290, 1836),  # read-only: a replica that is about to be promoted
    *(2002, 2003, 2006, 2013, 2026, 2055),  # cannot connect, gone away, lost
}
# A connection that was used so lately is taken as alive: a ping before every transaction costs more than the rare
# server that went away and came back within that time, which a caller meets as an outage.
_ALIVE_SECONDS = 1.0

log = telemetry.get_logger(__name__)


class Database:
    """`url`: `sqlite+aiosqlite:///file` (`:memory:` is a file in a temporary folder) or `mysql+aiomysql://…`.

    A lost connection, a locked or full database raise DependencyUnavailable("database") from every method.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        clock: clock.Clock,
        pool_size: int = 10,
        wait_seconds: float = WAIT_SECONDS,
        metrics: telemetry.Metrics | None = None,
    ) -> None:
        self.service = service
        self.clock = clock
        self.metrics = metrics or telemetry.Metrics(service)
        self.metadata = sa.MetaData()
        self.outbox_added = asyncio.Event()  # set after a commit that left rows in the outbox; the relay waits for it
        self._url = sa.make_url(url)
        self._pool_size = pool_size
        self._wait_seconds = wait_seconds
        self._temporary: Path | None = None
        self._writing = asyncio.Lock()
        self._writer_task: asyncio.Task[Any] | None = None
        self.dialect = self._url.get_backend_name()
        if self.dialect == "sqlite":
            self._writer, self._reader = self._sqlite()
        else:
            self._writer, self._reader = self._server()
        self._measure()

    @property
    def url(self) -> sa.URL:
        """Where it is; the password does not show in its text."""
        return self._url

    async def open(self, metadata: sa.MetaData) -> None:
        """See that it answers. `metadata`: the tables it has; `migrations` makes them."""
        self.metadata = metadata
        await self.ping()

    async def close(self) -> None:
        """Give all connections back; the database may be opened again."""
        await self._reader.dispose()
        await self._writer.dispose()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    async def ping(self) -> None:
        """Ask for one value."""
        async with self.read() as connection:
            await connection.execute(sa.text("SELECT 1"))

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end of the block, rolled back when an error leaves it."""
        with outages():
            async with self._turn(), self._writer.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view that cannot write."""
        with outages():
            async with self._reader.connect() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """SQLite's one writer. A server's rows have locks of their own."""
        if self.dialect != "sqlite":
            yield
            return
        assert self._writer_task is not asyncio.current_task(), (
            "a transaction inside a transaction would wait for itself"
        )
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._writing.acquire()
        except TimeoutError as error:
            raise errors.DependencyUnavailable("database") from error
        self._writer_task = asyncio.current_task()
        try:
            yield
        finally:
            self._writer_task = None
            self._writing.release()

    def _sqlite(self) -> tuple[AsyncEngine, AsyncEngine]:
        if self._url.database in (None, "", ":memory:"):
            self._temporary = Path(tempfile.mkdtemp(prefix="revcart-"))
            self._url = self._url.set(database=str(self._temporary / "memory.db"))
        Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
        writer = self._sqlite_engine(1, begin="BEGIN IMMEDIATE", query_only=False)
        return writer, self._sqlite_engine(min(_SQLITE_READERS, self._pool_size), begin="BEGIN", query_only=True)

    def _sqlite_engine(self, size: int, *, begin: str, query_only: bool) -> AsyncEngine:
        engine = create_async_engine(
            self._url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self._wait_seconds,
            hide_parameters=True,  # they are people's data, and errors are logged
            # The driver would begin late, and deferred, by itself: None leaves BEGIN to the listener below.
            connect_args={"isolation_level": None, "async_creator_fn": sqlite_connection.connect},
        )

        @sa.event.listens_for(engine.sync_engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            for pragma in (
                f"busy_timeout={_BUSY_MILLISECONDS}",
                "journal_mode=WAL",
                "synchronous=NORMAL",  # survives a killed process; a power cut may lose the last commits, not the file
                "foreign_keys=ON",
                f"query_only={int(query_only)}",
            ):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @sa.event.listens_for(engine.sync_engine, "begin")
        def start(connection: sa.Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine

    def _measure(self) -> None:
        engines = {self._writer, self._reader}
        used = self.metrics.gauge("revcart_database_pool_used", "Connections of the pool in use")
        used.set_function(lambda: sum(_pool(engine).checkedout() for engine in engines))
        size = self.metrics.gauge("revcart_database_pool_size", "Connections that the pool may have")
        size.set(sum(_pool(engine).size() for engine in engines))

    def _server(self) -> tuple[AsyncEngine, AsyncEngine]:
        """A writer and a reader, which share the pool's size; each has one connection at least."""
        readers = max(1, self._pool_size // 2)
        writers = max(1, self._pool_size - readers)
        engines = self._server_engine(writers, read_only=False), self._server_engine(readers, read_only=True)
        pings = _Pings()
        for engine in engines:
            pings.watch(engine.sync_engine)
        return engines

    def _server_engine(self, size: int, *, read_only: bool) -> AsyncEngine:
        from revcart.kit import mysql_connection  # the extra `mysql`

        url, arguments = mysql_connection.options(self._url, read_only=read_only)
        return create_async_engine(
            url,
            connect_args=arguments,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self._wait_seconds,
            hide_parameters=True,  # they are people's data, and errors are logged
            pool_recycle=1_800,
            pool_reset_on_return=None,  # both doors end their transaction themselves
        )


class _Pings:
    """As SQLAlchemy's `pool_pre_ping`, but for connections that were not used within the last second.

    Once one connection of a database was found lost, every older one is asked before its next use.
    """

    def __init__(self) -> None:
        self._lost = 0.0

    def watch(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "checkin", self._note)
        sa.event.listen(engine, "checkout", self._check)
        sa.event.listen(engine, "handle_error", self._suspect)

    def _note(self, _: Any, record: sa.pool.ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def _check(self, connection: Any, record: sa.pool.ConnectionPoolEntry, _: Any) -> None:
        used = record.info.get("used", 0.0)
        if used > self._lost and time.monotonic() - used < _ALIVE_SECONDS:
            return
        try:
            connection.ping(False)
        except connection.dbapi.Error as error:
            self._lost = time.monotonic()
            raise sa.exc.InvalidatePoolError from error  # the others are as old: each is opened anew

    def _suspect(self, context: sa.engine.ExceptionContext) -> None:
        if context.is_disconnect:
            self._lost = time.monotonic()


def _pool(engine: AsyncEngine) -> sa.QueuePool:
    pool = engine.sync_engine.pool
    assert isinstance(pool, sa.QueuePool)
    return pool


@contextlib.contextmanager
def outages() -> Iterator[None]:
    """Raise DependencyUnavailable("database") for what the driver says when the database is away."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        log.warning("database.pool-full")
        raise errors.DependencyUnavailable("database") from error
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated or _is_outage(error.orig):
            log.warning("database.away", reason=str(error.orig))  # what the server says; no statement, no parameters
            raise errors.DependencyUnavailable("database") from error
        raise


def _is_outage(error: BaseException | None) -> bool:
    sqlite_code = getattr(error, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return sqlite_code & 0xFF in _SQLITE_OUTAGES
    return error is not None and error.args[:1] != () and error.args[0] in _MYSQL_OUTAGES
