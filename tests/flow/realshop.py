"""A shop on five real stores of its own, and the clients by which tests look at the stores from outside."""

import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import subprocess
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib import parse

import aiokafka
import pymongo
import pymysql
import pytest
import redis

from revcart.kit import topics
from revcart_operator.platform import catalogue
from tests import shop as shops
from tests.flow import test_kill

DATABASES = tuple(service.database for service in catalogue.SERVICES if service.database)


@dataclass(frozen=True)
class World:
    shop: shops.Shop
    servers: Mapping[str, "Server"]

    def rows(self, sql: str, database: str = "") -> list[tuple[Any, ...]]:
        """What MySQL's own client gets."""
        with contextlib.closing(_mysql(self.servers["mysql"].url, database)) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            return list(cursor.fetchall())

    def keys(self, pattern: str) -> list[str]:
        with redis.Redis.from_url(self.servers["redis"].url, decode_responses=True) as client:
            return sorted(client.scan_iter(pattern, count=1_000))

    @contextlib.contextmanager
    def documents(self, database: str) -> Iterator[Any]:
        with pymongo.MongoClient(self.servers["mongodb"].url, serverSelectionTimeoutMS=5_000) as client:
            yield client[database]

    def consul(self, path: str) -> Any:
        address = self.servers["consul"].url.replace("consul://", "http://")
        with urllib.request.urlopen(f"{address}/v1/{path}", timeout=5) as answer:
            return json.load(answer)

    async def event_ids(self) -> collections.Counter[str]:
        """The ids of all events in Kafka, and how often each is there."""
        found: collections.Counter[str] = collections.Counter()
        async with self._reading(group=f"onlooker-{uuid.uuid4()}") as (consumer, parts):
            ends = await consumer.end_offsets(parts)
            await consumer.seek_to_beginning(*parts)
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for messages in (await consumer.getmany(timeout_ms=500, max_records=5_000)).values():
                    found.update(json.loads(message.value)["id"] for message in messages)
        return found

    async def committed(self, group: str, topic: str) -> int:
        """How many messages of `topic` the consumer group is done with."""
        async with self._reading(group=group) as (consumer, parts):
            return sum([await consumer.committed(part) or 0 for part in parts if part.topic == topic])

    @contextlib.asynccontextmanager
    async def _reading(self, *, group: str) -> AsyncIterator[tuple[Any, list[Any]]]:
        """A client that reads all partitions and is no member of any group."""
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.servers["kafka"].url.removeprefix("kafka://"),
            group_id=group,
            enable_auto_commit=False,
        )
        async with asyncio.timeout(60):
            await consumer.start()
            try:
                parts = [
                    aiokafka.TopicPartition(topic.name, number)
                    for topic in topics.TOPICS
                    for number in range(topic.partitions)
                ]
                consumer.assign(parts)
                yield consumer, parts
            finally:
                await consumer.stop()

    def unsent(self) -> dict[str, int]:
        """Per database: how many events still wait in its outbox."""
        return {
            database: self.rows("SELECT count(*) FROM outbox WHERE published_at IS NULL", database)[0][0]
            for database in DATABASES
            if self.rows("SHOW TABLES LIKE 'outbox'", database)
        }

    def published(self) -> set[str]:
        """The ids of all events that the databases' outboxes count as sent."""
        return {
            row[0]
            for database in self.unsent()
            for row in self.rows("SELECT event_id FROM outbox WHERE published_at IS NOT NULL", database)
        }


@dataclass(frozen=True)
class Server:
    """A store of the test's own. It keeps its port and its data while it is stopped."""

    name: str
    state: Path
    url: str = ""

    def start(self) -> None:
        """Returns once it answers."""
        self._stores("up")

    def stop(self) -> None:
        self._stores("down")

    def located(self) -> "Server":
        """The same with its URL, once it runs."""
        return dataclasses.replace(self, url=self._stores("env").partition("=")[2].strip().strip("'"))

    def _stores(self, word: str) -> str:
        command = [shops.ROOT / "scripts" / "stores", "--state", self.state, word, self.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def servers(state: Path) -> Iterator[dict[str, Server]]:
    """All five, running; skips by name where the machine lacks one."""
    for name in shops.STORES:
        if not os.environ.get(variable := f"REVCART_TEST_{name.upper()}_URL"):
            pytest.skip(f"set {variable} (scripts/stores run does) to run the platform on five real stores")
    made = [Server(name, state) for name in shops.STORES]
    try:
        with futures.ThreadPoolExecutor() as pool:
            list(pool.map(Server.start, made))
        yield {server.name: server.located() for server in made}
    finally:
        with futures.ThreadPoolExecutor() as pool:
            list(pool.map(Server.stop, made))


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """A shop without rate limits on five servers that nobody else uses; all ended at the end of the block."""
    with servers(folder / "stores") as running:
        urls = {name: server.url for name, server in running.items()}
        with shops.running(folder, test_kill.WITHOUT_LIMITS, stores=urls) as shop:
            yield World(shop, running)


def _mysql(url: str, database: str) -> Any:
    parts = parse.urlsplit(url)
    return pymysql.connect(
        host=parts.hostname, port=parts.port or 3306, user=parts.username,
        password=parse.unquote(parts.password or ""), database=database or None, connect_timeout=5, read_timeout=30,
    )  # fmt: skip
