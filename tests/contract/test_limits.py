"""Rate limits: what GCRA promises, on the double of Redis and, where REVCART_TEST_REDIS_URL names one, on Redis."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from revcart.kit import cache, cache_memory, clock, ids, limits, telemetry

QUICK = 20  # on Redis a minute is three seconds, where a test waits for one


@dataclass(kw_only=True)
class World:
    """Two replicas that count together, and what moves their time."""

    limiter: limits.Limiter
    other: limits.Limiter
    clock: clock.Manual | None
    prefix: str

    def key(self, name: str) -> str:
        return f"test:{self.prefix}:{name}"

    def seconds(self, given: float) -> float:
        """As long as a test can wait for."""
        return given if self.clock else given / QUICK

    async def wait(self, seconds: float) -> None:
        if self.clock is not None:
            self.clock.advance(seconds)
        else:
            await asyncio.sleep(seconds + 0.02)


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    url = os.environ.get("REVCART_TEST_REDIS_URL")
    is_memory = request.param == "memory"
    if not is_memory and not url:
        pytest.skip("set REVCART_TEST_REDIS_URL to test on Redis")
    time = clock.Manual()
    memory = cache_memory.Memory(None, clock=time)
    opened = [
        cache.connect("memory://" if is_memory else str(url), memory=memory, metrics=telemetry.Metrics("test"))
        for _ in range(2)
    ]
    yield World(
        limiter=limits.Limiter(opened[0]),
        other=limits.Limiter(opened[1]),
        clock=time if is_memory else None,
        prefix=ids.uuid7(),
    )
    for each in opened:
        await each.close()
    await memory.close()


async def test_a_burst_then_the_rate(world: World) -> None:
    key = world.key("a")
    decisions = [await world.limiter.hit(key, quota=60, window_seconds=60, burst=5) for _ in range(6)]
    assert [decision.allowed for decision in decisions] == [True] * 5 + [False]
    assert [decision.remaining for decision in decisions] == [4, 3, 2, 1, 0, 0]
    assert decisions[4].reset_seconds == 5, "all are back after five intervals"
    assert decisions[5].reset_seconds == 1, "one is back after one interval"
    await world.wait(1)
    assert (await world.limiter.hit(key, quota=60, window_seconds=60, burst=5)).allowed
    assert not (await world.limiter.hit(key, quota=60, window_seconds=60, burst=5)).allowed


async def test_never_more_than_quota_and_burst_in_a_window(world: World) -> None:
    allowed, window = 0, world.seconds(60)
    end = asyncio.get_running_loop().time() + window
    for _ in range(600):
        allowed += (await world.limiter.hit(world.key("a"), quota=30, window_seconds=window)).allowed
        await (world.wait(0.1) if world.clock else asyncio.sleep(0.005))
        if not world.clock and asyncio.get_running_loop().time() > end:
            break
    assert 30 <= allowed <= 30 + limits.default_burst(30)


async def test_keys_do_not_touch_each_other(world: World) -> None:
    for _ in range(6):
        await world.limiter.hit(world.key("a"), quota=5, window_seconds=60)
    assert (await world.limiter.hit(world.key("b"), quota=5, window_seconds=60)).allowed


async def test_hits_at_once_of_two_replicas_are_counted_one_by_one(world: World) -> None:
    hits = [
        limiter.hit(world.key("a"), quota=100, window_seconds=600, burst=10)
        for limiter in (world.limiter, world.other)
        for _ in range(20)
    ]
    assert sum(decision.allowed for decision in await asyncio.gather(*hits)) == 10


async def test_of_several_limits_the_tightest_rules_and_a_refusal_counts_against_none(world: World) -> None:
    minute = limits.Limit(key=world.key("minute"), quota=10, window_seconds=world.seconds(60), burst=10)
    hour = limits.Limit(key=world.key("hour"), quota=12, window_seconds=world.seconds(3600), burst=12)
    for _ in range(10):
        assert all(decision.allowed for decision in await world.limiter.hit_all([minute, hour]))
    refused = await world.limiter.hit_all([minute, hour])
    assert [decision.allowed for decision in refused] == [False, True]
    await world.wait(world.seconds(60))
    again = [await world.limiter.hit_all([minute, hour]) for _ in range(3)]
    assert [all(decision.allowed for decision in decisions) for decisions in again] == [True, True, False]


def test_default_burst_is_a_fifth_and_at_least_five() -> None:
    assert [limits.default_burst(quota) for quota in (3, 10, 100, 300)] == [3, 5, 20, 60]
