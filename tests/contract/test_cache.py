"""The cache port, on its double and, where REVCART_TEST_REDIS_URL names one, on Redis."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from revcart.kit import cache, cache_memory, clock, errors, ids, telemetry


class Stores:
    """A cache and what moves its time: the clock of the double, real waiting for Redis."""

    def __init__(self, cache: cache.Cache, clock: clock.Manual | None) -> None:
        self.cache, self._clock = cache, clock
        self.prefix = f"test:{ids.uuid7()}:"

    async def wait(self, seconds: float) -> None:
        if self._clock is not None:
            self._clock.advance(seconds)
        else:
            await asyncio.sleep(seconds)


@pytest.fixture(params=["memory", "redis"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    url = os.environ.get("REVCART_TEST_REDIS_URL")
    if request.param == "redis" and not url:
        pytest.skip("set REVCART_TEST_REDIS_URL to test on Redis")
    time = clock.Manual()
    memory = cache_memory.Memory(None, clock=time)
    opened = cache.connect(
        url if request.param == "redis" and url else "memory://",
        memory=memory,
        metrics=telemetry.Metrics("test"),
    )
    await opened.open()
    yield Stores(opened, time if request.param == "memory" else None)
    await opened.close()
    await memory.close()


async def test_a_value_is_kept_until_it_expires(stores: Stores) -> None:
    key = stores.prefix + "a"
    assert await stores.cache.get(key) is None
    assert await stores.cache.set(key, "grün", ttl=1)
    assert await stores.cache.get(key) == "grün".encode()
    await stores.wait(1.1)
    assert await stores.cache.get(key) is None


async def test_only_the_first_sets_if_absent(stores: Stores) -> None:
    key = stores.prefix + "a"
    results = await asyncio.gather(*(stores.cache.set(key, str(n), only_if_absent=True) for n in range(5)))
    assert results.count(True) == 1
    assert await stores.cache.delete(key, stores.prefix + "none") == 1
    assert await stores.cache.set(key, b"again", only_if_absent=True)


async def test_a_count_starts_anew_a_time_after_its_first(stores: Stores) -> None:
    key = stores.prefix + "n"
    assert [await stores.cache.incr(key, ttl=1) for _ in range(2)] == [1, 2]
    await stores.wait(0.6)
    assert await stores.cache.incr(key, ttl=1) == 3
    await stores.wait(0.6)
    assert await stores.cache.incr(key, ttl=1) == 1


async def test_a_script_is_atomic_and_sees_its_arguments(stores: Stores) -> None:
    key = stores.prefix + "h"
    script = "redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2]); return redis.call('HGETALL', KEYS[1])"
    await asyncio.gather(*(stores.cache.eval(script, keys=[key], args=["field", 2]) for _ in range(20)))
    assert await stores.cache.eval(script, keys=[key], args=["field", 2]) == [b"field", b"42"]


async def test_subscribers_get_what_is_published_after_they_came(stores: Stores) -> None:
    channel = stores.prefix + "news"
    await stores.cache.publish(channel, "before")
    async with stores.cache.subscribe(channel, channel + "2") as messages:
        await stores.cache.publish(channel, "one")
        await stores.cache.publish(channel + "2", b"two")
        async with asyncio.timeout(5):
            assert [await anext(messages) for _ in range(2)] == [
                cache.Message(channel, b"one"),
                cache.Message(channel + "2", b"two"),
            ]


async def test_cached_loads_once_for_all_who_ask(stores: Stores) -> None:
    loads = 0

    async def load() -> dict[str, int]:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.02)
        return {"loads": loads}

    async def ask() -> object:
        return await stores.cache.cached(stores.prefix + "c", ttl=1, load=load)

    impatient = asyncio.create_task(ask())
    await asyncio.sleep(0)
    others = [asyncio.create_task(ask()) for _ in range(3)]
    await asyncio.sleep(0.005)
    impatient.cancel()  # who leaves must not take the load from the others
    assert [await other for other in others] == [{"loads": 1}] * 3
    assert await ask() == {"loads": 1}
    await stores.wait(1.1)
    assert await ask() == {"loads": 2}


async def test_cache_away_is_a_dependency_away_but_cached_loads() -> None:
    metrics = telemetry.Metrics("test")
    away = cache.connect(
        "redis://127.0.0.1:1/0", memory=cache_memory.Memory(None, clock=clock.System()), metrics=metrics
    )
    await away.open()

    async def load() -> str:
        return "loaded"

    try:
        with pytest.raises(errors.DependencyUnavailable) as raised:
            await away.get("a")
        assert raised.value.service == "cache"
        assert await away.cached("a", ttl=5, load=load) == "loaded"
        assert b"revcart_cache_errors_total" in metrics.exposition()
    finally:
        await away.close()


async def test_the_double_can_be_cut_and_healed() -> None:
    memory = cache_memory.Memory(None, clock=clock.System())
    opened = cache.connect("memory://", memory=memory, metrics=telemetry.Metrics("test"))
    await opened.set("a", "1")
    memory.cut()
    for _ in range(2):
        with pytest.raises(errors.DependencyUnavailable):
            await opened.get("a")
    memory.heal()
    assert await opened.get("a") == b"1"
    await opened.close()


async def test_durable_keys_of_every_kind_outlive_the_memory(tmp_path: Path) -> None:
    time = clock.Manual()
    write = """
    redis.call('SET', 'session:text', 'a'); redis.call('HSET', 'cart:1', 'x', '1', 'y', '2')
    redis.call('RPUSH', 'inbox:1', 'a', 'b'); redis.call('SADD', 'inbox:2', 'a')
    redis.call('ZADD', 'inbox:3', 1.5, 'z'); redis.call('PEXPIRE', 'cart:1', 60000); redis.call('SET', 'other', 'gone')
    redis.call('SET', 'session:late', 'b'); redis.call('PEXPIRE', 'session:late', 5000)
    redis.call('SET', 'cart:2', 'c'); redis.call('DEL', 'cart:2')
    """
    read = """
    return {redis.call('GET', 'session:text'), redis.call('HGET', 'cart:1', 'y'), redis.call('LINDEX', 'inbox:1', 1),
      redis.call('SISMEMBER', 'inbox:2', 'a'), redis.call('ZSCORE', 'inbox:3', 'z'), redis.call('PTTL', 'cart:1'),
      redis.call('EXISTS', 'other', 'session:late', 'cart:2')}
    """
    names = ["session:text", "cart:1", "cart:2", "inbox:1", "inbox:2", "inbox:3", "other", "session:late"]
    async with _Memory(tmp_path / "cache.sqlite", time) as first:
        await first.eval(write, keys=names)
    time.advance(10)
    async with _Memory(tmp_path / "cache.sqlite", time) as second:
        assert await second.eval(read, keys=names) == [b"a", b"2", b"b", 1, b"1.5", 50000, 0]


async def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("cache_writer.py")),
        str(path),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    answered = 0
    while answered < 50:  # the child prints each number once its write was answered
        answered = int(await child.stdout.readline())
    child.kill()
    rest = await child.stdout.read()
    answered = max([answered, *(int(line) for line in rest.split(b"\n")[:-1])])
    await child.wait()
    async with _Memory(path, clock.System()) as kept:
        count = await kept.get("cart:count")
        assert count is not None
        assert answered <= int(count) <= answered + 1
        assert await kept.get(f"session:{answered}") == b"x"


class _Memory:
    def __init__(self, path: Path, time: clock.Clock) -> None:
        self._memory = cache_memory.Memory(path, clock=time)

    async def __aenter__(self) -> cache.Cache:
        await self._memory.open()
        self._cache = cache.connect("memory://", memory=self._memory, metrics=telemetry.Metrics("test"))
        return self._cache

    async def __aexit__(self, *_: object) -> None:
        await self._cache.close()
        await self._memory.close()
