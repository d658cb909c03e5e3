"""What only the MongoDB adapter can promise: outages end by themselves, waits are bounded, nobody sees the password."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests import mongodb, stores

from revcart.kit import documents, errors

pytestmark = pytest.mark.asyncio


class Door:
    """A way to the server that can be shut, opened again on the same port, and made slow."""

    def __init__(self, url: str) -> None:
        address, self.database = url.removeprefix("mongodb://").split("/")
        self._host, port = address.rsplit(":", 1)
        self._port = int(port)
        self.port = 0
        self.passing = asyncio.Event()
        self.passing.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/{self.database}"

    async def open(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Take no connection and break those there are, as a server that is killed does."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        ways = [(reader, back), (there, writer)]
        tasks = [asyncio.create_task(self._carry(source, sink)) for source, sink in ways]
        self._carrying.update(tasks)
        self._open |= {writer, back}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.transport.abort()
            self._open.discard(end)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._carrying.difference_update(tasks)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await source.read(65_536):
                await self.passing.wait()
                sink.write(part)
                await sink.drain()


@pytest_asyncio.fixture
async def door() -> AsyncIterator[Door]:
    async with mongodb.database() as url:
        door = Door(url)
        await door.open()
        yield door
        door.passing.set()
        await door.shut()


@pytest_asyncio.fixture
async def things(door: Door) -> AsyncIterator[documents.Collection]:
    store = documents.Documents(door.url)
    collection = store.collection("things")
    collection.index(["kind"])
    await store.open()
    yield collection
    await store.close()


def every_call(things: documents.Collection) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: things.get("a"),
        lambda: things.put({"_id": "a", "n": 0}),
        lambda: things.put({"_id": "new"}, if_absent=True),
        lambda: things.update({"_id": "a"}, {"$set": {"x": 1}}),
        lambda: things.update({"_id": "other"}, {"$set": {"x": 1}}, upsert=True),
        things.find,
        things.count,
        lambda: things.delete({"_id": "nobody"}),
    ]


async def refused(calls: list[Callable[[], Awaitable[Any]]]) -> float:
    """All at once are DependencyUnavailable; the seconds that took."""
    began = time.monotonic()
    answers = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    assert [getattr(answer, "service", answer) for answer in answers] == ["documents"] * len(calls)
    assert all(isinstance(answer, errors.DependencyUnavailable) for answer in answers)
    return time.monotonic() - began


async def eventually(call: Callable[[], Awaitable[Any]], seconds: float) -> Any:
    """What `call` gives once the store is there again."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await call()
            except errors.DependencyUnavailable:
                await asyncio.sleep(0.1)


async def test_a_server_that_went_comes_back_by_itself(door: Door, things: documents.Collection) -> None:
    await things.put({"_id": "a", "n": 1})
    await door.shut()
    assert await refused(every_call(things)) < 5
    await door.open()
    assert await eventually(lambda: things.get("a"), 3) == {"_id": "a", "n": 1}
    assert await things.update({"_id": "a"}, {"$inc": {"n": 1}}) == {"_id": "a", "n": 2}


async def test_a_read_on_a_broken_connection_is_tried_again(door: Door, things: documents.Collection) -> None:
    await things.put({"_id": "a"})
    await door.shut()
    await door.open()
    assert await things.get("a") == {"_id": "a"}


async def test_a_connection_lost_in_a_write_leaves_all_or_nothing(door: Door, things: documents.Collection) -> None:
    await things.put({"_id": "a", "n": 0, "log": []})
    door.passing.clear()
    writing = [
        asyncio.create_task(things.update({"_id": "a"}, {"$inc": {"n": 1}, "$push": {"log": n}})) for n in range(5)
    ]
    await asyncio.sleep(0.2)
    await asyncio.gather(door.shut(), refused([lambda task=task: task for task in writing]))  # type: ignore[misc]
    door.passing.set()
    await door.open()
    found = await eventually(lambda: things.get("a"), 3)
    assert found["n"] == len(found["log"])


async def test_a_slow_server_is_an_outage_in_bounded_time(door: Door, things: documents.Collection) -> None:
    await things.put({"_id": "a", "n": 1})
    door.passing.clear()
    assert await refused(every_call(things)) < 11
    door.passing.set()
    assert await eventually(lambda: things.get("a"), 5) is not None


async def test_no_server_is_an_outage_at_open() -> None:
    store = documents.Documents("mongodb://127.0.0.1:9/revcart_test")  # nothing listens on "discard"
    store.collection("things")
    began = time.monotonic()
    with pytest.raises(errors.DependencyUnavailable):
        await store.open()
    assert time.monotonic() - began < 4
    with pytest.raises(errors.DependencyUnavailable):
        await store.ping()
    await store.close()


@pytest.mark.parametrize("query", ["", "?tls=maybe", "?tls=true&ca=/nowhere/ca.pem", "?w=x&authMechanism=NOPE"])
async def test_an_address_that_cannot_be_used_is_named_without_its_password(query: str) -> None:
    host = "host:port" if not query else "127.0.0.1"
    with pytest.raises(ValueError, match="REVCART_DOCUMENTS_URL") as caught:
        await documents.Documents(f"mongodb://me:hush-hush@{host}/revcart_test{query}").open()
    assert "hush" not in f"{caught.value} {caught.value!r}"


async def test_an_address_names_its_database() -> None:
    with pytest.raises(ValueError, match="mongodb://host/revcart_notifications"):
        documents.Documents("mongodb://me:hush-hush@host")


async def test_tls_trusts_the_authority_that_the_address_names(door: Door, tmp_path: Path) -> None:
    authority, server = certificate(tmp_path / "mine"), certificate(tmp_path / "other")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority)
    guarded = Door(f"mongodb://127.0.0.1:{door.port}/{door.database}")
    await guarded.open(tls)
    good = documents.Documents(f"{guarded.url}?tls=true&ca={authority}")
    things = good.collection("things")
    await good.open()
    assert await things.put({"_id": "a"})
    await good.close()
    for query in (f"?tls=true&ca={server}", "?tls=true", ""):
        with pytest.raises(errors.DependencyUnavailable):
            await documents.Documents(guarded.url + query).open()
    await guarded.shut()


def certificate(path: Path) -> Path:
    """A key and its self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost"), _loopback()]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(text + signed.public_bytes(serialization.Encoding.PEM))
    return path


def _loopback() -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest_asyncio.fixture
async def notes() -> AsyncIterator[tuple[documents.Collection, pymongo.collection.Collection[dict[str, Any]]]]:
    """A collection with indexes that expires, and what MongoDB's own client sees of it."""
    async with mongodb.database() as url:
        store = documents.Documents(url)
        kept = store.collection("notes")
        kept.index(["userId", "at"])
        kept.index(["endpoint"], unique=True)
        kept.expire("at", after=dt.timedelta(days=90))
        await store.open()
        await store.close()
        await store.open()  # what is there already is no mistake
        with pymongo.MongoClient[dict[str, Any]](url, tz_aware=True, timeoutMS=5000) as client:
            yield kept, client.get_default_database()["notes"]
        await store.close()


async def test_its_own_client_sees_the_documents_and_when_they_end(notes: Any) -> None:
    kept, seen = notes
    await kept.put({"_id": "a", "userId": 7, "at": "2026-01-31T09:05:00.000Z", "a.b": {"$where": 1}})
    await kept.put({"_id": "none", "at": None})
    await kept.update({"_id": "b"}, {"$set": {"at": "2026-02-01T00:00:00.000Z"}}, upsert=True)
    await kept.update({"_id": "none"}, {"$set": {"at": "2026-02-02T00:00:00.000Z"}})
    end = dt.datetime(2026, 1, 31, tzinfo=dt.UTC) + dt.timedelta(days=90)
    assert list(seen.find({}, {"at": 0}).sort("_id", 1)) == [
        {"_id": "a", "userId": 7, "a%2Eb": {"%24where": 1}, "%ends": end + dt.timedelta(hours=9, minutes=5)},
        {"_id": "b", "%ends": end + dt.timedelta(days=1)},
        {"_id": "none", "%ends": end + dt.timedelta(days=2)},
    ]
    await kept.update({"_id": "b"}, {"$set": {"at": None}})
    await kept.update({"_id": "none"}, {"$unset": {"at": ""}})
    assert [document["_id"] for document in seen.find({"%ends": {"$exists": True}})] == ["a"]


async def test_its_own_client_sees_the_indexes(notes: Any) -> None:
    _, seen = notes
    indexes = {tuple(field for field, _ in index["key"]): index for index in seen.index_information().values()}
    assert set(indexes) == {("%ends",), ("_id",), ("endpoint",), ("userId", "at", "_id")}
    assert indexes["endpoint",]["unique"]
    if not mongodb.is_ferretdb(f"mongodb://{seen.database.client.address[0]}:{seen.database.client.address[1]}"):
        assert indexes["%ends",]["expireAfterSeconds"] == 0  # FerretDB knows no TTL; there the sweep is alone


async def test_a_killed_and_a_hanging_server_come_back_with_all_that_was_acknowledged(tmp_path: Path) -> None:
    with stores.private(tmp_path, "mongodb") as own:
        store = documents.Documents(f"{own.url('mongodb')}/revcart_test")
        things = store.collection("things")
        await store.open()
        acknowledged: list[str] = []

        async def write() -> None:
            for n in range(10_000):
                with contextlib.suppress(errors.DependencyUnavailable):
                    if await things.put({"_id": f"{n:05}"}, if_absent=True):
                        acknowledged.append(f"{n:05}")

        writing = asyncio.create_task(write())
        while len(acknowledged) < 50:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.to_thread(own.kill, "mongodb")
        assert await refused(every_call(things)) < 5
        writing.cancel()
        await asyncio.to_thread(own.start, "mongodb")
        found = {item["_id"] for item in await eventually(things.find, 5)}
        assert found >= set(acknowledged)
        own.pause("mongodb")
        assert await refused(every_call(things)) < 11
        own.resume("mongodb")
        assert await eventually(lambda: things.put({"_id": "afterwards"}), 5)
        await store.close()
