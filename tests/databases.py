"""The SQL databases of tests: SQLite files, or, with REVCART_TEST_DATABASES=mysql, new databases on a MySQL server.

The server is named by REVCART_TEST_MYSQL_URL (mysql+aiomysql://user:password@host:port, of somebody who may create
databases and users). What was made is dropped when the process ends.
"""

import atexit
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from revcart import provision
from revcart.kit import migrations, mysql_connection, provisioning

SERVER = "REVCART_TEST_MYSQL_URL"
KINDS = ("sqlite", "mysql")
SERVICES = ("auth", "user", "product", "order", "payment", "delivery", "admin")
WANTED = f"set {SERVER} (mysql+aiomysql://user:password@host:port) to test on MySQL"
_made: dict[tuple[str, Path], str] = {}


def kind() -> str:
    """What flow tests run on."""
    return os.environ.get("REVCART_TEST_DATABASES", "sqlite")


def url(service: str, folder: Path | None = None, *, kind: str | None = None) -> str:
    """The database of a service, at the newest schema; the same one for the same folder.

    On MySQL the service's user may read and write rows and nothing else; another one made the tables.
    """
    if (kind or globals()["kind"]()) == "sqlite":
        return f"sqlite+aiosqlite:///{folder / f'{service}.db' if folder else ':memory:'}"
    if folder is not None and (service, folder) in _made:
        return _made[service, folder]
    made = sa.make_url(empty_mysql())
    served, migrator = _somebody(made), _somebody(made)
    for step in range(2):  # as the Job on a cluster: the tables get their rights once they are there
        provisioning.make(server(), service=served, migrator=migrator, rights=provision.rights(service))
        if step == 0:
            migrations.upgrade(service, migrator)
    if folder is not None:
        _made[service, folder] = text(served)
    return text(served)


def user_of(database: sa.URL, *grants: str) -> str:
    """A new user with these rights on the whole database."""
    made = _somebody(database)
    execute(
        database,
        f"CREATE USER '{made.username}' IDENTIFIED BY '{made.password}'",
        *(f"GRANT {grant} ON {database.database}.* TO '{made.username}'" for grant in grants),
    )
    return text(made)


def _somebody(database: sa.URL) -> sa.URL:
    """A user who is to be made, and who is gone when the process ends."""
    name, password = f"t{secrets.token_hex(8)}", secrets.token_hex(8)
    atexit.register(execute, server(), f"DROP USER IF EXISTS '{name}'")
    return database.set(username=name, password=password)


def with_tables(metadata: sa.MetaData, folder: Path, *, kind: str) -> str:
    """A database that has the tables of `metadata`, for tests of the kit, which has no history."""
    made = f"sqlite+aiosqlite:///{folder / 'tables.db'}" if kind == "sqlite" else empty_mysql()
    outside = engine(made)
    metadata.create_all(outside)
    outside.dispose()
    return made


def server() -> sa.URL:
    """The MySQL server of the tests; without one the test is skipped."""
    address = os.environ.get(SERVER)
    if not address:
        pytest.skip(WANTED)
    return sa.make_url(address)


def empty_mysql() -> str:
    """A new database without tables."""
    name = f"revcart_test_{secrets.token_hex(6)}"
    execute(server(), f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    atexit.register(execute, server(), f"DROP DATABASE {name}")
    return text(server().set(database=name))


def text(address: sa.URL) -> str:
    """With its password."""
    return address.render_as_string(hide_password=False)


def execute(address: sa.URL | str, *statements: str) -> list[Sequence[Any]]:
    """Run statements from outside, as somebody who may do everything; the rows of the last one."""
    rows: list[Sequence[Any]] = []
    outside = engine(address)
    with outside.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
    outside.dispose()
    return rows


def content(address: str) -> bytes:
    """Everything that is written in a database: SQLite's files as they are, MySQL's rows."""
    parsed = sa.make_url(address)
    if parsed.get_backend_name() == "sqlite":
        file = Path(str(parsed.database))
        return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))
    tables = [str(name) for (name,) in execute(address, "SHOW TABLES")]
    values = [value for table in tables for row in execute(address, f"SELECT * FROM {table}") for value in row]
    return b"\0".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def engine(address: sa.URL | str) -> sa.Engine:
    """From outside, as somebody who may do everything."""
    parsed = sa.make_url(address)
    if parsed.get_backend_name() == "mysql":
        return mysql_connection.blocking_engine(server().set(database=parsed.database))
    return sa.create_engine(parsed.set(drivername="sqlite"))
