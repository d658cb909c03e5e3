"""One service's SQL database: SQLite in a file, or MySQL, behind the same two doors, `begin` and `read`.

SQLite has one writer: writes queue on an asyncio lock and start with BEGIN IMMEDIATE, so that none of them meets
"database is locked" half way; readers have connections of their own and see the last committed state (WAL).

MySQL has row locks: writers are READ COMMITTED, so that a locked row is read as it is and gaps stay free; readers get
one snapshot and cannot write, as on SQLite. A deadlock or a lock that nobody gives back (5 s) ends the transaction as
an outage does: DependencyUnavailable with Retry-After, nothing written. It is not run again here, for nobody but its
caller knows what it read before; callers over HTTP, consumers and workers come again by themselves.
"""

import asyncio
import contextlib
import shutil
import tempfile
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
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"  # of the next transaction alone

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
            self._writer = self._reader = self._server()
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
                if self.dialect != "sqlite":
                    await connection.exec_driver_sql(_SNAPSHOT)
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

    def _server(self) -> AsyncEngine:
        from revcart.kit import mysql_connection  # the extra `mysql`

        url, arguments = mysql_connection.options(self._url)
        return create_async_engine(
            url,
            connect_args=arguments,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=self._wait_seconds,
            hide_parameters=True,  # they are people's data, and errors are logged
            pool_pre_ping=True,
            pool_recycle=1_800,
            isolation_level="READ COMMITTED",
        )


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
