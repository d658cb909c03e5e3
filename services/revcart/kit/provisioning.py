"""Databases and their users on a server, brought to what they should be: safe to run again, and from several at once.

Three kinds of user, each with less than the one before: root, who is used here alone; the migrator, who makes and
alters the tables of one database; the service, who reads and writes rows. MySQL 8 and MariaDB 10.6 or newer.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from revcart.kit import database, errors

ROWS = ("SELECT", "INSERT", "UPDATE", "DELETE")
READ = ("SELECT",)
_TABLES = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES"
_VERSION = "alembic_version"  # the service reads it, the migrator writes it
_MAY_NOT_MAKE_DATABASES = 1044
_LOCK_SECONDS = 60


def make_database(url: sa.URL) -> None:
    """The database of `url`, unless it is there or its user may not: then somebody else has done it. Blocks.

    Raises DependencyUnavailable, sa.exc.DBAPIError.
    """
    with _connected(url) as connection:
        try:
            _create(connection, str(url.database))
        except sa.exc.DBAPIError as error:
            if error.orig is None or error.orig.args[0] != _MAY_NOT_MAKE_DATABASES:
                raise


def make(admin: sa.URL, *, service: sa.URL, migrator: sa.URL, rights: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The database, its migrator and its service's user, with the passwords of their URLs; the tables that there are.

    `rights`: table → what the service may do there, where that is not all of `ROWS`. A table that is made later gets
    its rights when this runs again. Blocks. Raises DependencyUnavailable, sa.exc.DBAPIError.
    """
    name = str(service.database)
    with _connected(admin) as connection:
        lock = {"name": f"revcart.provision.{name}", "seconds": _LOCK_SECONDS}
        if connection.scalar(sa.text("SELECT GET_LOCK(:name, :seconds)"), lock) != 1:
            raise errors.DependencyUnavailable("database")
        _create(connection, name)
        for user in (migrator, service):
            _make_user(connection, user)
        quoted = _quoted(connection, name)
        who = {"user": migrator.username, "host": "%"}
        connection.execute(sa.text(f"GRANT {_TABLES} ON {quoted}.* TO :user@:host"), who)
        tables = sa.inspect(connection).get_table_names(schema=name)
        wanted = {table: rights.get(table, READ if table == _VERSION else ROWS) for table in tables}
        _grant(connection, service, wanted)
        return tuple(tables)


def _create(connection: sa.Connection, name: str) -> None:
    quoted = _quoted(connection, name)
    connection.execute(sa.text(f"CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"))


def _make_user(connection: sa.Connection, user: sa.URL) -> None:
    """The driver puts values in as quoted literals, here too, where MySQL itself takes no parameters."""
    values = {"user": user.username, "host": "%", "password": user.password}
    connection.execute(sa.text("CREATE USER IF NOT EXISTS :user@:host IDENTIFIED BY :password"), values)
    connection.execute(sa.text("ALTER USER :user@:host IDENTIFIED BY :password"), values)


def _grant(connection: sa.Connection, service: sa.URL, wanted: Mapping[str, Sequence[str]]) -> None:
    """Give what lacks, and take what is too much; a right that stays is never away in between."""
    who = {"user": service.username, "host": "%"}
    found = connection.execute(
        sa.text(
            "SELECT table_name, privilege_type FROM information_schema.table_privileges "
            "WHERE grantee = :grantee AND table_schema = :database"
        ),
        {"grantee": f"'{service.username}'@'%'", "database": service.database},
    )
    have = {(str(table), str(right)) for table, right in found}
    want = {(table, right) for table, rights in wanted.items() for right in rights}
    for table, right in sorted(want - have):
        where = f"{_quoted(connection, str(service.database))}.{_quoted(connection, table)}"
        connection.execute(sa.text(f"GRANT {_word(right)} ON {where} TO :user@:host"), who)
    for table, right in sorted(have - want):
        where = f"{_quoted(connection, str(service.database))}.{_quoted(connection, table)}"
        connection.execute(sa.text(f"REVOKE {_word(right)} ON {where} FROM :user@:host"), who)


def _word(right: str) -> str:
    """A privilege's name; it cannot be a parameter."""
    if not right.replace(" ", "").isalpha():
        raise ValueError(f"{right!r} is no privilege")
    return right


def _quoted(connection: sa.Connection, name: str) -> str:
    """An identifier; it cannot be a parameter. A colon in it would be read as one."""
    if ":" in name:
        raise ValueError(f"a database's or table's name without a colon is needed, not {name!r}")
    return connection.dialect.identifier_preparer.quote_identifier(name)


@contextlib.contextmanager
def _connected(url: sa.URL) -> Iterator[sa.Connection]:
    from revcart.kit import mysql_connection  # the extra `mysql`

    engine = mysql_connection.blocking_engine(url.set(database=""))
    try:
        with database.outages(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
