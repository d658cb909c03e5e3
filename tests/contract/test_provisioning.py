"""`revcart-service provision`: databases and users come to what they should be, from whatever they were."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any
from urllib import parse

import pymongo
import pymongo.errors
import pytest
import sqlalchemy as sa
from tests import databases, mongodb
from typer import testing

from revcart import service_cli
from revcart.kit import documents, provisioning, telemetry

AWKWARD = "a'b\"c\\d%e:f@g/h ;--`"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    yield
    telemetry.configure("WARNING", "console", "tests")


def run(verb: str, service: str, **given: str) -> str:
    done = testing.CliRunner().invoke(service_cli.app, [verb, service], env=given)
    assert done.exit_code == 0, done.output
    return done.output


class Shop:
    """The database of one service, and what its Job is given."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.admin = databases.server()
        made = sa.make_url(databases.empty_mysql())
        self.own = made.set(username=f"s{secrets.token_hex(6)}", password=AWKWARD)
        self.migrator = made.set(username=f"m{secrets.token_hex(6)}", password=AWKWARD)

    def provision(self) -> str:
        return run(
            "provision",
            self.service,
            REVCART_PROVISION_ADMIN_URL=databases.text(self.admin),
            REVCART_PROVISION_MIGRATOR_URL=databases.text(self.migrator),
            REVCART_DATABASE_URL=databases.text(self.own),
        )

    def migrate(self) -> str:
        return run("migrate", self.service, REVCART_DATABASE_URL=databases.text(self.migrator))

    def as_root(self, *statements: str) -> list[object]:
        return [row[0] for row in databases.execute(self.own, *statements)]

    def as_service(self, statement: str) -> None:
        from revcart.kit import mysql_connection

        engine = mysql_connection.blocking_engine(self.own)
        try:
            with engine.connect() as connection:
                connection.execute(sa.text(statement))
        finally:
            engine.dispose()

    def forget(self) -> None:
        for user in (self.own, self.migrator):
            databases.execute(self.admin, f"DROP USER IF EXISTS '{user.username}'")


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop("admin")
    yield made
    made.forget()


def test_from_nothing_to_users_who_may_what_they_need(shop: Shop) -> None:
    databases.execute(shop.admin, f"DROP DATABASE {shop.own.database}")
    assert "0 tables" in shop.provision()
    shop.migrate()
    shop.provision()
    shop.as_service("SELECT * FROM audit_log")
    shop.as_service("SELECT * FROM audit_head")
    for forbidden in ("DELETE FROM audit_log", "DROP TABLE audit_log", "DELETE FROM alembic_version"):
        with pytest.raises(sa.exc.DBAPIError, match="denied"):
            shop.as_service(forbidden)


def test_again_it_changes_nothing(shop: Shop) -> None:
    shop.provision()
    shop.migrate()
    shop.provision()
    grants = f"SHOW GRANTS FOR '{shop.own.username}'"
    before = shop.as_root(grants)
    shop.provision()
    assert len(before) > 3
    assert sorted(map(str, shop.as_root(grants))) == sorted(map(str, before))


def test_a_right_too_much_is_taken_back(shop: Shop) -> None:
    shop.provision()
    shop.migrate()
    shop.provision()
    databases.execute(shop.own, f"GRANT DELETE ON {shop.own.database}.audit_log TO '{shop.own.username}'")
    shop.as_service("DELETE FROM audit_log")
    shop.provision()
    with pytest.raises(sa.exc.DBAPIError, match="denied"):
        shop.as_service("DELETE FROM audit_log")


def test_another_password_is_the_password(shop: Shop) -> None:
    shop.provision()
    shop.migrate()
    old = shop.own
    shop.own = old.set(password="another")
    shop.provision()
    shop.as_service("SELECT 1")
    shop.own = old
    with pytest.raises(sa.exc.DBAPIError, match="denied"):
        shop.as_service("SELECT 1")


def test_without_root_only_the_database_is_made_where_its_user_may() -> None:
    url = sa.make_url(databases.empty_mysql())
    databases.execute(databases.server(), f"DROP DATABASE {url.database}")
    said = run("provision", "order", REVCART_DATABASE_URL=databases.text(url))
    assert "made by others" in said
    databases.execute(url, "SELECT 1")
    url = sa.make_url(databases.user_of(url, "SELECT"))
    provisioning.make_database(url.set(database="revcart_not_mine"))  # denied, which is no mistake
    assert not databases.execute(databases.server(), "SHOW DATABASES LIKE 'revcart_not_mine'")


def test_a_name_that_would_be_read_as_a_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="without a colon"):
        provisioning.make_database(databases.server().set(database="a:b"))


def test_users_of_documents_are_made_and_their_passwords_changed() -> None:
    admin = mongodb.server()
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(admin)
    with client, contextlib.suppress(pymongo.errors.OperationFailure):
        client.admin.command("usersInfo")
        _make_users(admin)
        return
    pytest.skip("this server keeps no users")


def _make_users(admin: str) -> None:
    name = f"revcart_test_{secrets.token_hex(4)}"
    for password in (AWKWARD, "another"):
        own = f"mongodb://{name}:{parse.quote(password, safe='')}@{admin.partition('://')[2].partition('/')[0]}/{name}"
        said = run(
            "provision",
            "analytics",
            REVCART_PROVISION_DOCUMENTS_ADMIN_URL=f"{admin.rstrip('/')}/admin",
            REVCART_DOCUMENTS_URL=own,
        )
        assert f"documents {name}" in said


async def test_an_unreachable_document_store_is_away() -> None:
    with pytest.raises(Exception, match="documents"):
        await documents.make_user("mongodb://127.0.0.1:1/admin", user="a", password="b", database="c")
