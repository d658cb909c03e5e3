"""Rate limits: what GCRA promises, on the double of Redis and its clock."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from revcart.kit import cache, cache_memory, clock, limits, telemetry


class World(NamedTuple):
    limiter: limits.Limiter
    clock: clock.Manual


@pytest.fixture
async def world() -> AsyncIterator[World]:
    time = clock.Manual()
    memory = cache_memory.Memory(None, clock=time)
    opened = cache.connect("memory://", memory=memory, metrics=telemetry.Metrics("test"))
    yield World(limits.Limiter(opened), time)
    await opened.close()


async def test_a_burst_then_the_rate(world: World) -> None:
    decisions = [await world.limiter.hit("a", quota=60, window_seconds=60, burst=5) for _ in range(6)]
    assert [decision.allowed for decision in decisions] == [True] * 5 + [False]
    assert [decision.remaining for decision in decisions] == [4, 3, 2, 1, 0, 0]
    assert decisions[4].reset_seconds == 5, "all are back after five intervals"
    assert decisions[5].reset_seconds == 1, "one is back after one interval"
    world.clock.advance(1)
    assert (await world.limiter.hit("a", quota=60, window_seconds=60, burst=5)).allowed
    assert not (await world.limiter.hit("a", quota=60, window_seconds=60, burst=5)).allowed


async def test_never_more_than_quota_and_burst_in_a_window(world: World) -> None:
    allowed = 0
    for _ in range(600):
        allowed += (await world.limiter.hit("a", quota=30, window_seconds=60)).allowed
        world.clock.advance(0.1)
    assert 30 <= allowed <= 30 + limits.default_burst(30)


async def test_keys_do_not_touch_each_other(world: World) -> None:
    for _ in range(6):
        await world.limiter.hit("a", quota=5, window_seconds=60)
    assert (await world.limiter.hit("b", quota=5, window_seconds=60)).allowed


async def test_hits_at_once_are_counted_one_by_one(world: World) -> None:
    hits = (world.limiter.hit("a", quota=100, window_seconds=60, burst=10) for _ in range(40))
    assert sum(decision.allowed for decision in await asyncio.gather(*hits)) == 10


async def test_of_several_limits_the_tightest_rules_and_a_refusal_counts_against_none(world: World) -> None:
    minute = limits.Limit(key="minute", quota=10, window_seconds=60, burst=10)
    hour = limits.Limit(key="hour", quota=12, window_seconds=3600, burst=12)
    for _ in range(10):
        assert all(decision.allowed for decision in await world.limiter.hit_all([minute, hour]))
    refused = await world.limiter.hit_all([minute, hour])
    assert [decision.allowed for decision in refused] == [False, True]
    world.clock.advance(60)
    again = [await world.limiter.hit_all([minute, hour]) for _ in range(3)]
    assert [all(decision.allowed for decision in decisions) for decisions in again] == [True, True, False]


def test_default_burst_is_a_fifth_and_at_least_five() -> None:
    assert [limits.default_burst(quota) for quota in (3, 10, 100, 300)] == [3, 5, 20, 60]
