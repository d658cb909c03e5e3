"""One service's SQL database: SQLite in a file, or MySQL, behind the same two doors, `begin` and `read`.

SQLite has one writer: writes queue on an asyncio lock and start with BEGIN IMMEDIATE, so that none of them meets
"database is locked" half way; readers have connections of their own and see the last committed state (WAL).
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
# Too many connections, shutdown, lock wait timeout, deadlock, cannot connect (2), gone away, lost.
_MYSQL_OUTAGES = {1040, 1053, 1205, 1213, 2002, 2003, 2006, 2013}


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
        metrics: telemetry.Metrics | None = None,
    ) -> None:
        self.service = service
        self.clock = clock
        self.metrics = metrics or telemetry.Metrics(service)
        self.metadata = sa.MetaData()
        self.outbox_added = asyncio.Event()  # set after a commit that left rows in the outbox; the relay waits for it
        self._url = sa.make_url(url)
        self._pool_size = pool_size
        self._temporary: Path | None = None
        self._writing = asyncio.Lock()
        self._writer_task: asyncio.Task[Any] | None = None
        self.dialect = self._url.get_backend_name()
        if self.dialect == "sqlite":
            self._writer, self._reader = self._sqlite()
        else:
            self._writer = self._reader = self._server()

    async def open(self, metadata: sa.MetaData) -> None:
        """Make the tables that are missing."""
        self.metadata = metadata
        with _outages():
            async with self._writer.begin() as connection:
                await connection.run_sync(metadata.create_all)

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
        with _outages():
            async with self._turn(), self._writer.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view that cannot write."""
        with _outages():
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
            async with asyncio.timeout(WAIT_SECONDS):
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
            pool_timeout=WAIT_SECONDS,
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

    def _server(self) -> AsyncEngine:
        return create_async_engine(
            self._url,
            pool_size=self._pool_size,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            hide_parameters=True,  # they are people's data, and errors are logged
            pool_pre_ping=True,
            pool_recycle=1_800,
            isolation_level="READ COMMITTED",
        )


@contextlib.contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise errors.DependencyUnavailable("database") from error
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated or _is_outage(error.orig):
            raise errors.DependencyUnavailable("database") from error
        raise


def _is_outage(error: BaseException | None) -> bool:
    sqlite_code = getattr(error, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return sqlite_code & 0xFF in _SQLITE_OUTAGES
    return error is not None and error.args[:1] != () and error.args[0] in _MYSQL_OUTAGES
