"""Kafka for tests: topics of a test's own on the server of REVCART_TEST_KAFKA_URL, or a server of its own to stop."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from revcart.kit import ids, kafka_topics, topics
from tests import stores

_ROOT = Path(__file__).parents[1]


def server() -> str:
    """The server's address, `kafka://host:port`; without one the test is skipped by name."""
    url = os.environ.get("REVCART_TEST_KAFKA_URL")
    if not url:
        pytest.skip("set REVCART_TEST_KAFKA_URL (kafka://host:port) to test on Kafka")
    return url


@contextlib.asynccontextmanager
async def topic(url: str, *, partitions: int = 1) -> AsyncIterator[str]:
    """A new topic and its dead-letter topic, which go with the block."""
    made = topics.Topic(name=f"test-{ids.uuid7()}", key="orderId", partitions=partitions, retention_days=1)
    async with kafka_topics.administering(url) as admin:
        await kafka_topics.ensure_topics(admin, topics=[made])
    yield made.name
    async with kafka_topics.administering(url) as admin:
        await admin.delete_topics([made.name, made.dead_letters.name])


class Broker:
    """A broker of one's own. It keeps its port and its data when it is stopped."""

    def __init__(self, own: stores.Stores) -> None:
        self._own = own
        self.url = own.url("kafka")

    async def start(self) -> None:
        await asyncio.to_thread(self._own.start, "kafka")

    async def stop(self, *, kill: bool = False) -> None:
        await asyncio.to_thread(self._own.kill if kill else self._own.stop, "kafka")


@contextlib.asynccontextmanager
async def own(folder: Path) -> AsyncIterator[Broker]:
    """A running broker that is stopped and deleted with the block."""
    server()
    with stores.private(folder, "kafka") as private:
        yield Broker(private)


async def python(script: Path, *arguments: str) -> asyncio.subprocess.Process:
    """A script of the tests in a process of its own, whose output can be read."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
    )
