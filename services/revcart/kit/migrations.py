"""The schema of a service's database: its history, and who may change it.

A history is a row of alembic revisions, `revcart/<service>/migrations/v0001_….py` and so on, which run on SQLite and
on MySQL. An embedded database (SQLite) is brought to the newest when its service starts. A server's is changed by
`revcart-service migrate` alone, under a user that may: services start on the schema they know, and on no other.

alembic takes a third of a second to import, so it is imported only where a revision is to run: whether one is, a query
and the names of the files tell.
"""

import asyncio
import contextlib
import dataclasses
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

import revcart
from revcart.kit import database, errors, telemetry

log = telemetry.get_logger(__name__)

_ONE_AT_A_TIME = threading.Lock()  # alembic's `op` is one per process
_LOCK_SECONDS = 60  # for another `migrate` of the same database
_NO_SUCH_TABLE = 1146  # MySQL
_COMMAND = "revcart-service migrate"


class UnknownSchema(Exception):
    """The database's schema is not the one this release works on. The text says what to do."""


@dataclasses.dataclass(frozen=True)
class History:
    """The revisions of one service, oldest first."""

    service: str
    folder: Path
    revisions: tuple[str, ...]

    @classmethod
    def exists(cls, service: str) -> bool:
        """Whether the service has a SQL database of its own."""
        return _folder(service).is_dir()

    @classmethod
    def of(cls, service: str) -> Self:
        """Raises LookupError for a service without a history."""
        folder = _folder(service)
        revisions = tuple(sorted(file.stem.partition("_")[0] for file in folder.glob("v*.py")))
        if not revisions:
            raise LookupError(f"{service} has no migrations")
        return cls(service, folder, revisions)

    @property
    def head(self) -> str:
        """The newest."""
        return self.revisions[-1]


def _folder(service: str) -> Path:
    return Path(revcart.__file__).parent / service / "migrations"


async def ready(database: database.Database) -> None:
    """See that the schema is the newest of the history: by bringing SQLite there, by refusing elsewhere.

    Raises UnknownSchema, DependencyUnavailable.
    """
    history = History.of(database.service)
    async with database.read() as connection:
        version = await _version_of(connection)
    if version == history.head:
        return
    if database.dialect != "sqlite":
        raise UnknownSchema(refusal(history, version, where=str(database.url.database)))
    async with database.begin() as connection:
        if await connection.run_sync(_made_at_once, database.metadata, history.head):
            return
    await asyncio.to_thread(upgrade, history.service, database.url)
    log.info("database.migrated", before=version or "", after=history.head)


def upgrade(service: str, url: sa.URL) -> tuple[str | None, str]:
    """Bring the database to the newest revision; gives the version before and after. Blocks.

    A SQLite file without a version that has just the tables of the first revision was made before there were
    revisions: it is taken over. Raises UnknownSchema, DependencyUnavailable.
    """
    history = History.of(service)
    with _ONE_AT_A_TIME, _connected(url) as connection:
        before = _version(connection)
        if before == history.head:
            return before, before
        if before is not None and before not in history.revisions:
            raise UnknownSchema(refusal(history, before, where=str(url.database)))
        if before is None and sa.inspect(connection).get_table_names():
            before = _taken_over(history, connection, where=str(url.database))
        elif before is None and connection.dialect.name == "mysql":
            # Compared as bytes and sorted by code point, as on SQLite; tables made from here on inherit it.
            connection.exec_driver_sql("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        _run(history, connection, to=history.head)
        return before, history.head


def _made_at_once(connection: sa.Connection, metadata: sa.MetaData, head: str) -> bool:
    """Make the newest schema in an empty file out of the models, which spares the import; False where it holds tables.

    It is the same: tests compare the two, and that revisions leave no rows behind.
    """
    if sa.inspect(connection).get_table_names():
        return False
    metadata.create_all(connection)
    table = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))
    table.create(connection)
    connection.execute(table.insert().values(version_num=head))
    return True


async def _version_of(connection: AsyncConnection) -> str | None:
    return await connection.run_sync(_version)


def _version(connection: sa.Connection) -> str | None:
    """The version that the database says it has, None where it says nothing."""
    try:
        found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        said = error.orig.args[0] if error.orig is not None else None
        if said == _NO_SUCH_TABLE or "no such table" in str(said):
            return None
        raise
    return found


def refusal(history: History, version: str | None, *, where: str) -> str:
    """Why a service does not start on this version, and what to do about it."""
    if version is None:
        return f"The database {where} has no schema yet: run `{_COMMAND} {history.service}`."
    if version in history.revisions:
        return (
            f"The database {where} has schema {version} and this release needs {history.head}:"
            f" run `{_COMMAND} {history.service}`."
        )
    return (
        f"The database {where} has schema {version}, which this release does not know (its newest is {history.head}):"
        f" start the release whose `{_COMMAND} {history.service}` made it, or a newer one."
    )


def _taken_over(history: History, connection: sa.Connection, *, where: str) -> str:
    first = history.revisions[0]
    if connection.dialect.name == "sqlite":
        with _connected(sa.make_url("sqlite://")) as scratch:
            _run(history, scratch, to=first)
            same = tables_of(scratch) == tables_of(connection)
        if same:
            _run(history, connection, to=first, stamp=True)
            return first
    raise UnknownSchema(
        f"The database {where} has tables and no schema version, and they are not those of {history.service}:"
        " move it away, or name an empty one."
    )


def tables_of(connection: sa.Connection) -> dict[str, frozenset[str]]:
    """Columns and constraints of the tables and indexes of a SQLite file, as they were defined, in any order."""
    made = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name != 'alembic_version'"
    )
    return {name: frozenset(line.strip(" \t,") for line in definition.splitlines()) for name, definition in made}


def _run(history: History, connection: sa.Connection, *, to: str, stamp: bool = False) -> None:
    """Run the revisions up to `to`; `stamp`: only write down that they ran."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each of its parts
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(history.folder))
    config.set_main_option("version_locations", str(history.folder))
    config.set_main_option("path_separator", "newline")
    scripts = ScriptDirectory.from_config(config)

    def steps(at: Any, _: Any) -> Any:
        return scripts._stamp_revs(to, at) if stamp else scripts._upgrade_revs(to, at)

    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()


@contextlib.contextmanager
def _connected(url: sa.URL) -> Iterator[sa.Connection]:
    """A blocking connection: one transaction on SQLite; MySQL commits each change of a table by itself."""
    with database.outages():
        if url.get_backend_name() == "sqlite":
            engine = sa.create_engine(
                sa.make_url("sqlite://").set(database=url.database), connect_args={"isolation_level": None}
            )
            with engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.exec_driver_sql("COMMIT")
            engine.dispose()
            return
        from revcart.kit import mysql_connection  # the extra `mysql`

        engine = mysql_connection.blocking_engine(url)
        with engine.connect() as connection:
            lock = {"name": f"revcart.migrate.{url.database}", "seconds": _LOCK_SECONDS}
            if connection.scalar(sa.text("SELECT GET_LOCK(:name, :seconds)"), lock) != 1:
                raise errors.DependencyUnavailable("database")
            yield connection
        engine.dispose()
