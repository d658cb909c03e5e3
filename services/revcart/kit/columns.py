"""Column types and the two writes whose SQL differs between SQLite and MySQL."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


class Instant(sa.types.TypeDecorator[dt.datetime]):
    """An aware UTC datetime in a zone-less DATETIME(3) column: what goes in with any offset comes out as UTC."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.DATETIME(fsp=3))
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, "an instant is aware"
        return value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        return None if value is None else value.replace(tzinfo=dt.UTC)


# A primary key BIGINT AUTO_INCREMENT; SQLite numbers rows by itself only where the type is exactly INTEGER.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# A JSON document; Python's None is SQL NULL.
Json = sa.JSON(none_as_null=True)

# Text of up to 16 MB; MySQL's TEXT ends at 64 KB.
LongText = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql")

# A double; MySQL's plain FLOAT has 24 bits, with which a place on the map moves by a metre.
Double = sa.Float(53)

_TAKEN = 2**62  # no table numbers its rows that far


async def upsert(
    connection: AsyncConnection,
    table: sa.Table,
    values: Mapping[str, Any],
    keys: Sequence[str],
) -> None:
    """Insert `values`, or, where a row with these `keys` (a unique key) exists, set the others of its columns."""
    changes = {name: value for name, value in values.items() if name not in keys}
    assert changes, "nothing to update: use insert_if_absent"
    if connection.dialect.name == "mysql":
        await connection.execute(mysql.insert(table).values(**values).on_duplicate_key_update(**changes))
        return
    statement = sqlite.insert(table).values(**values)
    await connection.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=changes))


async def insert_if_absent(connection: AsyncConnection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    """Insert `values` unless a unique key forbids it; whether the row is new."""
    if connection.dialect.name == "mysql":
        return await _insert_if_absent_on_mysql(connection, table, values)
    result = await connection.execute(sqlite.insert(table).values(**values).on_conflict_do_nothing())
    return result.rowcount == 1


async def _insert_if_absent_on_mysql(connection: AsyncConnection, table: sa.Table, values: Mapping[str, Any]) -> bool:
    # Not IGNORE, which also passes over values that are too long and checks that fail, and which takes a shared lock on
    # the row that is there: two who wait for the same new row would both get it, and deadlock on their next step.
    # ON DUPLICATE KEY takes the exclusive lock; that it found a row is told through LAST_INSERT_ID(…), since SQLAlchemy
    # asks for found rows, with which both cases count 1.
    key = next(iter(table.primary_key.columns))
    unchanged = sa.func.if_(sa.func.last_insert_id(_TAKEN), key, key)
    statement = mysql.insert(table).values(**values).on_duplicate_key_update({key.name: unchanged})
    return (await connection.execute(statement)).lastrowid != _TAKEN


def new_id(result: sa.CursorResult[Any]) -> int:
    """The primary key that the database gave to the row of an INSERT."""
    key = result.inserted_primary_key
    assert key is not None, "not the result of one INSERT"
    return int(key[0])
