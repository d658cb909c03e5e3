"""Migrations: the newest revision is what the code expects, on both databases; no service runs on another schema."""

import asyncio
import importlib
import sqlite3
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests import databases

from revcart.kit import clock, migrations, sql

FIRST = "v0001"


def models(service: str) -> sa.MetaData:
    name = "tables" if service in ("auth", "user", "product", "order") else "store"
    metadata: sa.MetaData = importlib.import_module(f"revcart.{service}.{name}").metadata
    return metadata


def checks(connection: sa.Connection, tables: Iterable[str]) -> set[tuple[str, str, str]]:
    """Table, name and text of all checks, which alembic does not compare."""
    inspector = sa.inspect(connection)
    return {
        (table, str(check["name"]), check["sqltext"])
        for table in tables
        for check in inspector.get_check_constraints(table)
    }


def opened(service: str, url: str) -> sql.Database:
    return sql.Database(url, service=service, clock=clock.System())


async def started(service: str, url: str) -> None:
    """What a service's start does to its schema."""
    database = opened(service, url)
    try:
        await database.open(models(service))
        await migrations.ready(database)
    finally:
        await database.close()


@pytest.mark.parametrize("kind", databases.KINDS)
@pytest.mark.parametrize("service", databases.SERVICES)
def test_the_newest_revision_is_what_the_code_expects(service: str, kind: str, tmp_path: Path) -> None:
    migrated, made = (
        databases.empty_mysql() if kind == "mysql" else f"sqlite:///{tmp_path}/{name}.db" for name in ("a", "b")
    )
    migrations.upgrade(service, sa.make_url(migrated))
    wanted = models(service)
    # Compared with what the models make on the same server: it gives some types back under other names.
    with databases.engine(made).connect() as target, databases.engine(migrated).connect() as connection:
        wanted.create_all(target)
        reflected = sa.MetaData()
        reflected.reflect(target)
        assert set(reflected.tables) == set(wanted.tables)
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), reflected) == []
        assert checks(connection, wanted.tables) == checks(target, wanted.tables)
        # An empty SQLite file gets its tables from the models: rows that a revision wrote would be missing there.
        assert [name for name in wanted.tables if connection.exec_driver_sql(f"SELECT 1 FROM {name}").first()] == []


@pytest.mark.parametrize("service", databases.SERVICES)
def test_a_history_is_one_line(service: str) -> None:
    history = migrations.History.of(service)
    config = Config()
    config.set_main_option("script_location", str(history.folder))
    config.set_main_option("version_locations", str(history.folder))
    config.set_main_option("path_separator", "newline")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(reversed([script.revision for script in scripts.walk_revisions()])) == history.revisions


def test_every_service_with_tables_has_a_history() -> None:
    with_tables = {service for service in databases.SERVICES if migrations.History.exists(service)}
    assert with_tables == set(databases.SERVICES)
    assert not migrations.History.exists("gateway")


async def test_tables_on_mysql_are_stated(tmp_path: Path) -> None:
    url = databases.url("order", kind="mysql")
    rows = databases.execute(
        url, "SELECT DISTINCT engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    assert rows == [("InnoDB", "utf8mb4_bin")]


async def test_an_embedded_database_is_brought_to_the_newest_at_start(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/order.db"
    for _ in range(2):
        await started("order", url)
        assert databases.execute(url, "SELECT version_num FROM alembic_version") == [(FIRST,)]


@pytest.mark.parametrize("service", databases.SERVICES)
async def test_an_embedded_database_from_before_is_taken_over(service: str, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/old.db"
    engine = databases.engine(url)
    models(service).create_all(engine)  # as releases before migrations did
    engine.dispose()
    table = "audit_head" if service == "admin" else "inbox"
    row = "(1, 7, 'h')" if service == "admin" else "('g', 'e', '2026-01-31 00:00:00.000000')"
    databases.execute(url, f"INSERT INTO {table} VALUES {row}")
    await started(service, url)
    assert databases.execute(url, "SELECT version_num FROM alembic_version") == [(migrations.History.of(service).head,)]
    assert databases.execute(url, f"SELECT COUNT(*) FROM {table}") == [(1,)]


async def refused(doing: Any) -> str:
    with pytest.raises(migrations.UnknownSchema) as caught:
        await doing
    return str(caught.value)


async def test_somebody_elses_file_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as other:
        other.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    other.close()
    url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
    assert "they are not those of order" in await refused(started("order", url))
    assert databases.execute(url, "SELECT name FROM sqlite_master") == [("orders",)]


async def test_a_file_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/x.db"
    await started("order", url)
    databases.execute(url, "UPDATE alembic_version SET version_num = 'v9999'")
    assert "v9999, which this release does not know" in await refused(started("order", url))


async def test_on_mysql_a_service_starts_on_the_schema_it_knows_and_on_no_other() -> None:
    url = databases.empty_mysql()
    name = sa.make_url(url).database
    command = "run `revcart-service migrate order`."
    assert await refused(started("order", url)) == f"The database {name} has no schema yet: {command}"
    assert databases.execute(url, "SHOW TABLES") == []

    assert migrations.upgrade("order", sa.make_url(url)) == (None, FIRST)
    assert migrations.upgrade("order", sa.make_url(url)) == (FIRST, FIRST)
    await started("order", url)

    databases.execute(url, "UPDATE alembic_version SET version_num = 'v9999'")
    newer = f"The database {name} has schema v9999, which this release does not know (its newest is {FIRST}): start "
    assert (await refused(started("order", url))).startswith(newer)
    with pytest.raises(migrations.UnknownSchema):
        migrations.upgrade("order", sa.make_url(url))


async def test_on_mysql_tables_without_a_version_are_left_alone() -> None:
    url = databases.empty_mysql()
    databases.execute(url, "CREATE TABLE orders (id INT PRIMARY KEY)")
    with pytest.raises(migrations.UnknownSchema, match="has tables and no schema version"):
        migrations.upgrade("order", sa.make_url(url))
    assert databases.execute(url, "SHOW TABLES") == [("orders",)]


def test_the_sentence_for_an_older_schema_names_the_command() -> None:
    history = migrations.History("order", Path(), ("v0001", "v0002"))
    assert migrations.refusal(history, "v0001", where="orders") == (
        "The database orders has schema v0001 and this release needs v0002: run `revcart-service migrate order`."
    )


def test_two_who_migrate_at_once_make_one_schema() -> None:
    url = sa.make_url(databases.empty_mysql())
    outcomes: list[Any] = []

    def upgrade() -> None:
        try:
            outcomes.append(migrations.upgrade("payment", url))
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == sorted([(None, FIRST), (FIRST, FIRST), (FIRST, FIRST)], key=str)


async def test_services_of_one_process_migrate_side_by_side(tmp_path: Path) -> None:
    urls = {service: f"sqlite+aiosqlite:///{tmp_path}/{service}.db" for service in databases.SERVICES}
    await asyncio.gather(*(started(service, url) for service, url in urls.items()))
    for url in urls.values():
        assert databases.execute(url, "SELECT version_num FROM alembic_version") == [(FIRST,)]


async def test_a_start_with_nothing_to_change_imports_no_alembic(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from revcart.kit import clock, database, migrations\n"
        f"made = database.Database('sqlite+aiosqlite:///{tmp_path}/x.db', service='order', clock=clock.System())\n"
        "asyncio.run(migrations.ready(made))\n"
        "sys.exit('alembic' in sys.modules)\n"
    )
    for _ in ("empty", "the newest"):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        assert await process.wait() == 0


async def test_a_file_made_at_once_is_no_other_than_one_that_was_migrated(tmp_path: Path) -> None:
    for service in databases.SERVICES:
        made, migrated = tmp_path / f"{service}-a.db", tmp_path / f"{service}-b.db"
        await started(service, f"sqlite+aiosqlite:///{made}")
        migrations.upgrade(service, sa.make_url(f"sqlite:///{migrated}"))
        shapes = []
        for file in (made, migrated):
            with databases.engine(f"sqlite:///{file}").connect() as connection:
                shapes.append(migrations.tables_of(connection))
        assert shapes[0] == shapes[1]
