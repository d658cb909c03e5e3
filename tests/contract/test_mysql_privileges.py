"""On MySQL a service's user reads and writes rows; it makes, changes and removes no table, and sees no other database.

`databases.url` makes such users for every test on MySQL, and another one that migrates and may do no more than that;
so all flows run with them, and here is what they cannot do.
"""

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests import databases
from tests.flow import backoffice

from revcart.kit import clock, migrations, sql


@pytest.mark.parametrize("service", databases.SERVICES)
async def test_a_services_user_changes_rows_and_no_table(service: str) -> None:
    url = databases.url(service, kind="mysql")
    database = sql.Database(url, service=service, clock=clock.System())
    await migrations.ready(database)
    tables = [name for (name,) in databases.execute(url, "SHOW TABLES")]
    assert len(tables) > 2
    forbidden = [
        "CREATE TABLE extra (id INT)",
        f"ALTER TABLE {tables[0]} ADD COLUMN extra INT",
        f"DROP TABLE {tables[0]}",
        f"TRUNCATE TABLE {tables[0]}",
        "UPDATE alembic_version SET version_num = 'v9999'",
        "CREATE USER someone",
        "SELECT * FROM mysql.user",
        "SELECT * FROM information_schema.innodb_trx",
    ]
    for statement in forbidden:
        with pytest.raises(sa.exc.DBAPIError, match="denied"):
            async with database.begin() as connection:
                await connection.exec_driver_sql(statement)
    await database.close()


async def test_the_audit_log_is_added_to_and_never_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVCART_TEST_DATABASES", "mysql")
    async with backoffice.world(tmp_path) as world:
        await asyncio.gather(*(world.ask("PUT", f"/products/{n}", json={"n": n}) for n in range(1, 4)))
        assert (await world.get("/audit/verify"))["rows"] == 6
    database = sql.Database(databases.url("admin", tmp_path), service="admin", clock=clock.System())
    for statement in ("UPDATE audit_log SET actor_id = 2", "DELETE FROM audit_log", "DELETE FROM audit_head"):
        with pytest.raises(sa.exc.DBAPIError, match="denied"):
            async with database.begin() as connection:
                await connection.exec_driver_sql(statement)
    await database.close()
