"""The users of mongowire, our stand-in for MongoDB on a cluster without a registry: who comes in, and how far.

MongoDB's own server behaves so with authorization on; a service that works behind this door works behind that one.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pymongo.errors
import pytest
from tests import servers

PASSWORD = 'it\'s a \\ "pass" pä'
Client = pymongo.MongoClient[dict[str, Any]]


class Door:
    def __init__(self, port: int) -> None:
        self.port = port
        self._open = contextlib.ExitStack()

    def signed_in(self, name: str = "root", password: str = PASSWORD, source: str = "admin", **options: Any) -> Client:
        login = {"username": name, "password": password, "authSource": source} if name else {}
        client: Client = pymongo.MongoClient(
            "127.0.0.1", self.port, serverSelectionTimeoutMS=5000, **{**login, **options}
        )
        return self._open.enter_context(client)

    def close(self) -> None:
        self._open.close()


@pytest.fixture
async def server(tmp_path: Path) -> Any:
    async with servers.mongodb(tmp_path, user="root", password=PASSWORD) as running:
        yield running


@pytest.fixture
def door(server: servers.Server) -> Iterator[Door]:
    made = Door(server.port)
    yield made
    made.close()


def refused(code: int) -> Any:
    """Expects MongoDB's number of a refusal: 11 no such user, 13 not authorized, 18 not signed in, 31 no such role."""
    return pytest.raises(pymongo.errors.OperationFailure, check=lambda error: error.code == code)


def test_only_who_proves_the_password_comes_in(door: Door) -> None:
    door.signed_in().shop.things.insert_one({"a": 1})
    assert door.signed_in("").admin.command("hello")["ok"]
    with refused(13):
        door.signed_in("").shop.things.find_one()
    for name, password, source in (
        ("root", "other", "admin"),
        ("nobody", PASSWORD, "admin"),
        ("root", PASSWORD, "shop"),
    ):
        with refused(18):
            door.signed_in(name, password, source).shop.things.find_one()


def test_a_service_has_its_own_database_and_no_other(door: Door) -> None:
    root = door.signed_in()
    root.other.things.insert_one({"a": 1})
    root.shop.command("createUser", "service", pwd="one", roles=[{"role": "readWrite", "db": "shop"}])
    own = door.signed_in("service", "one", "shop")
    own.shop.things.create_index("a")
    own.shop.things.insert_one({"a": 1})
    assert own.shop.things.find_one_and_update({"a": 1}, {"$inc": {"a": 1}}) is not None
    for attempt in (
        lambda: own.other.things.find_one(),
        lambda: own.other.things.insert_one({}),
        lambda: own.drop_database("shop"),
        lambda: own.shop.command("createUser", "friend", pwd="x", roles=["dbOwner"]),
        lambda: own.shop.command("updateUser", "service", roles=[{"role": "root", "db": "admin"}]),
    ):
        with refused(13):
            attempt()
    own.other.get_collection("things", write_concern=pymongo.WriteConcern(w=0)).insert_one({"a": 2})
    assert own.shop.things.count_documents({}) == 1  # the same connection has carried the one before
    assert root.other.things.count_documents({}) == 1


def test_a_password_can_be_changed_and_a_user_removed(door: Door) -> None:
    shop = door.signed_in().shop
    with refused(11):
        shop.command("updateUser", "service", pwd="two")
    shop.command("createUser", "service", pwd="one", roles=["readWrite"])
    with refused(51003):
        shop.command("createUser", "service", pwd="one", roles=["readWrite"])
    with refused(31):
        shop.command("updateUser", "service", roles=["king"])
    shop.command("updateUser", "service", pwd="two")
    with refused(18):
        door.signed_in("service", "one", "shop").shop.things.find_one()
    door.signed_in("service", "two", "shop").shop.things.find_one()
    (known,) = shop.command("usersInfo", "service")["users"]
    assert known["roles"] == [{"role": "readWrite", "db": "shop"}]
    assert "storedKey" not in str(known)
    shop.command("dropUser", "service")
    with refused(18):
        door.signed_in("service", "two", "shop").shop.things.find_one()


async def test_users_are_there_after_a_kill(server: servers.Server, door: Door) -> None:
    door.signed_in().shop.command("createUser", "service", pwd="one", roles=["readWrite"])
    await server.stop()
    await server.start()
    door.signed_in("service", "one", "shop").shop.things.insert_one({})
