"""The watch of children: every change names its platform, and nothing that a server does makes it blind for good."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from tests import api_server, polling
from tests.api_server import child, listing, streams

from revcart_operator.engine import kinds
from revcart_operator.kube import watching

CONFIG_MAP = kinds.of({"apiVersion": "v1", "kind": "ConfigMap"})
SHOP, STALL = ("groceries", "shop"), ("groceries", "stall")
QUIET = streams(then="hang")


class World:
    def __init__(self, server: api_server.ApiServer) -> None:
        self.server = server
        self.changed: list[tuple[str, str]] = []
        self.watcher: watching.Watcher

    async def until(self, *, asked: int = 0, changed: int = 0) -> None:
        await polling.until(lambda: len(self.server.asked) >= asked and len(self.changed) >= changed, seconds=20)

    @contextlib.asynccontextmanager
    async def watching(self, *script: api_server.Answer, kind: kinds.Kind = CONFIG_MAP) -> AsyncIterator[None]:
        self.server.script = list(script)
        to = self.server.connection(seconds=5)
        self.watcher = watching.Watcher(
            to, kind=kind, namespace=None, changed=self.changed.append, metrics=self.server.metrics,
            asked_seconds=30, silence_seconds=0.4, jitter=lambda: 0.0,
        )  # fmt: skip
        task = asyncio.create_task(self.watcher.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await to.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with api_server.serving() as server:
        yield World(server)


async def test_what_is_there_and_what_changes_names_its_platform(world: World) -> None:
    changes = streams(
        {"type": "MODIFIED", "object": child("b", platform="stall", version="9")},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "10"}}},
        {"type": "DELETED", "object": child("a", version="11")},
        then="hang",
    )
    async with world.watching(listing(child("a"), version="5"), changes):
        await world.until(changed=3)
    assert world.changed == [SHOP, STALL, SHOP]
    listed, watched = world.server.asked[:2]
    assert listed.query == {"labelSelector": "platform.revcart.io/platform"}
    assert "PartialObjectMetadataList" in listed.headers["Accept"], "the contents of Secrets are not read"
    assert watched.query["resourceVersion"] == "5"
    assert watched.query["allowWatchBookmarks"] == "true"
    assert "PartialObjectMetadata;" in watched.headers["Accept"]


async def test_it_goes_on_where_a_watch_ended(world: World) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "42"}}}
    async with world.watching(listing(), streams(bookmark), QUIET):
        await world.until(asked=3)
    assert [asked.query.get("resourceVersion") for asked in world.server.asked[:3]] == [None, "5", "42"]


@pytest.mark.parametrize(
    "too_old",
    [
        api_server.refuses(410, "too old resource version"),
        streams({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}),
    ],
)
async def test_a_version_that_is_too_old_lists_again(world: World, too_old: api_server.Answer) -> None:
    async with world.watching(listing(child("a")), too_old, listing(child("b", platform="stall")), QUIET):
        await world.until(asked=4)
    assert world.changed[0] == SHOP
    assert set(world.changed[1:]) == {SHOP, STALL}, "shop lost its only child while nobody watched"


@pytest.mark.parametrize(
    "failure",
    [
        api_server.refuses(500, "internal error"),
        api_server.refuses(429, "slow down", Retry_After="1"),
        api_server.refuses(403, "is forbidden"),
        streams(then="drop"),
        streams({"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd"}}),
        streams(then="hang"),
    ],
)
async def test_after_a_failure_it_lists_and_watches_again(world: World, failure: api_server.Answer) -> None:
    after = streams({"type": "ADDED", "object": child("b", version="8")}, then="hang")
    async with world.watching(listing(), failure, listing(), after):
        await world.until(changed=1)
    assert world.changed == [SHOP]


async def test_it_waits_as_long_as_the_server_asks(world: World) -> None:
    begun = time.monotonic()
    async with world.watching(api_server.refuses(429, "slow down", Retry_After="1"), listing(child("a")), QUIET):
        await world.until(changed=1)
    assert time.monotonic() - begun > 0.95


async def test_an_api_that_is_not_installed_is_no_failure(world: World) -> None:
    async with world.watching(kind=kinds.HTTP_ROUTE):
        await world.until(asked=1)
        await asyncio.sleep(0.3)
    assert len(world.server.asked) == 1


async def test_what_carries_no_platform_is_left_alone(world: World) -> None:
    async with world.watching(listing(child("a", platform=None), child("b", platform="stall")), QUIET):
        await world.until(changed=1)
    assert world.changed == [STALL]


async def test_each_word_of_the_server_is_a_sign_of_life(world: World) -> None:
    async with world.watching(listing(), QUIET):
        await world.until(asked=2)
        found = world.server.registry.get_sample_value(
            "revcart_reconcile_watch_last_event_seconds", {"kind": "ConfigMap"}
        )
        assert found is not None
        assert time.time() - found < 20
        assert time.monotonic() - world.watcher.last_sign < 20
