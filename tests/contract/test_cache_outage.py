"""The cache on a Redis of the test's own: stopped, frozen, full and started again under traffic; passwords and TLS."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio as redis
from redis import exceptions
from tests import servers

from revcart.cart import domain, store
from revcart.kit import cache, cache_memory, clock, errors, ids, limits, sessions, telemetry


@contextlib.asynccontextmanager
async def _cache(url: str, metrics: telemetry.Metrics | None = None) -> AsyncIterator[cache.Cache]:
    opened = cache.connect(
        url,
        memory=cache_memory.Memory(None, clock=clock.System()),
        metrics=metrics or telemetry.Metrics("test"),
    )
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()


def _url(server: servers.Server, login: str = "", query: str = "") -> str:
    return f"redis://{login}127.0.0.1:{server.port}/0{query}"


async def test_a_restart_under_traffic_loses_no_answered_count_and_heals_by_itself(tmp_path: Path) -> None:
    metrics = telemetry.Metrics("test")
    async with servers.redis(tmp_path, "--appendfsync", "always") as server, _cache(_url(server), metrics) as opened:
        answered = refused = 0
        running = True

        async def traffic() -> None:
            nonlocal answered, refused
            while running:
                try:
                    await opened.incr("count")
                    answered += 1
                except errors.DependencyUnavailable:
                    refused += 1
                await asyncio.sleep(0.005)

        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(traffic())
            await asyncio.sleep(0.5)
            await server.stop()
            await asyncio.sleep(1)
            before = answered
            await server.start()
            await asyncio.sleep(1.5)
            running = False
        assert answered > before, "it healed"
        assert refused > 0
        count = await opened.get("count")
        assert count is not None
        assert answered <= int(count) <= answered + 10, "at most one unanswered command per client"
        assert (metrics.registry.get_sample_value("revcart_cache_errors_total") or 0) == refused


async def test_a_redis_that_hangs_is_waited_for_by_few(tmp_path: Path) -> None:
    async with servers.redis(tmp_path) as server, _cache(_url(server)) as opened:
        await opened.set("a", "1")
        server.freeze()
        with contextlib.suppress(errors.DependencyUnavailable, ExceptionGroup):
            await asyncio.gather(*(opened.get("a") for _ in range(8)), return_exceptions=True)
        began = time.perf_counter()
        for _ in range(10):
            with pytest.raises(errors.DependencyUnavailable):
                await opened.get("a")
        assert time.perf_counter() - began < 0.5
        server.thaw()
        await asyncio.sleep(1.1)
        assert await opened.get("a") == b"1"


async def test_scripts_and_subscriptions_come_back_after_a_restart(tmp_path: Path) -> None:
    async with servers.redis(tmp_path) as server, _cache(_url(server)) as opened, _cache(_url(server)) as other:
        limiter = limits.Limiter(opened)
        assert (await limiter.hit("a", quota=10, window_seconds=60)).allowed
        async with opened.subscribe("news") as messages:
            received: list[bytes] = []

            async def listen() -> None:
                async for message in messages:
                    received.append(message.data)  # noqa: PERF401  it never ends

            listening = asyncio.create_task(listen())
            await other.publish("news", "before")
            await server.stop()
            await asyncio.sleep(0.3)
            await server.start()
            assert (await limiter.hit("a", quota=10, window_seconds=60)).remaining == 3, "the script and the count"
            async with asyncio.timeout(5):
                while b"after" not in received:
                    await other.publish("news", "after")
                    await asyncio.sleep(0.1)
            assert received[0] == b"before"
            listening.cancel()


async def test_without_redis_carts_are_refused_and_revocation_fails_open(tmp_path: Path) -> None:
    metrics = telemetry.Metrics("test")
    milk = domain.Product(
        name="Milk", category="dairy", image_url=None, unit="ML", pack_size=500, price_paise=2_600, available=100,
        max_per_order=20, active=True,
    )  # fmt: skip
    async with servers.redis(tmp_path) as server, _cache(_url(server), metrics) as opened:
        carts = store.Store(opened, clock=clock.System(), seconds=60)
        revocations = sessions.Revocations(opened, metrics=metrics)
        owner = domain.Owner(session=ids.token("gs_", bits=192))
        await revocations.add("ended")
        await carts.add(owner, product_id=1, quantity=2, substitution=None, product=milk)
        await server.stop()
        with pytest.raises(errors.DependencyUnavailable):
            await carts.get(owner)
        with pytest.raises(errors.DependencyUnavailable):
            await carts.add(owner, product_id=1, quantity=1, substitution=None, product=milk)
        assert not await revocations.has("ended"), "losing the check beats losing the shop"
        assert metrics.registry.get_sample_value("revcart_session_checks_skipped_total") == 1
        await server.start()
        assert (await carts.get(owner)).quantity == 2, "kept, and nothing was added"
        assert await revocations.has("ended")


async def test_a_full_redis_is_a_redis_that_is_away(tmp_path: Path) -> None:
    async with servers.redis(tmp_path, "--maxmemory", "1mb") as server, _cache(_url(server)) as opened:
        with contextlib.suppress(errors.DependencyUnavailable):
            for number in range(64):
                await opened.set(f"a{number}", "x" * 100_000)
        with pytest.raises(errors.DependencyUnavailable):
            await opened.incr("count", ttl=60)


async def test_a_redis_that_cannot_save_refuses_writes_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").mkdir()
    async with servers.redis(tmp_path, "--dbfilename", "in-the-way") as server, _cache(_url(server)) as opened:
        limiter = limits.Limiter(opened)
        assert (await limiter.hit("a", quota=10, window_seconds=60)).allowed
        await _told(server, "CONFIG", "SET", "save", "3600 1")
        await _saved(server, "err")
        for refused in (
            opened.set("a", "1"),
            opened.incr("count", ttl=60),
            limiter.hit("a", quota=10, window_seconds=60),
        ):
            with pytest.raises(errors.DependencyUnavailable) as raised:
                await refused
            assert str(raised.value.__cause__).startswith("MISCONF")
        assert await opened.get("b") is None, "it still answers"
        (tmp_path / "in-the-way").rmdir()
        await _saved(server, "ok")
        assert await opened.set("a", "1")


async def test_a_redis_that_runs_an_endless_script_is_away_until_it_ends(tmp_path: Path) -> None:
    async with (
        servers.redis(tmp_path, "--busy-reply-threshold", "20") as server,
        _cache(_url(server)) as stuck,
        _cache(_url(server)) as opened,
    ):
        running = asyncio.create_task(stuck.eval("while true do end"))
        await asyncio.sleep(0.3)
        with pytest.raises(errors.DependencyUnavailable) as raised:
            await opened.get("a")
        assert str(raised.value.__cause__).startswith("BUSY")
        await _told(server, "SCRIPT", "KILL")
        with contextlib.suppress(exceptions.ResponseError, errors.DependencyUnavailable):
            await running
        assert await opened.set("a", "1")


async def test_what_a_command_says_of_us_is_no_outage(tmp_path: Path) -> None:
    async with servers.redis(tmp_path) as server, _cache(_url(server)) as opened:
        await opened.set("a", "no number")
        with pytest.raises(exceptions.ResponseError, match="not an integer"):
            await opened.incr("a")


async def _told(server: servers.Server, *words: str) -> dict[str, object]:
    """What a server answers to a command of its administrator."""
    client = redis.Redis(port=server.port)
    try:
        answer: dict[str, object] = await client.execute_command(*words)
        return answer
    finally:
        await client.aclose()


async def _saved(server: servers.Server, wanted: str) -> None:
    """Returns once a snapshot ended that way."""
    async with asyncio.timeout(10):
        await _told(server, "BGSAVE")
        while (await _told(server, "INFO", "persistence"))["rdb_last_bgsave_status"] != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_user_and_password_are_sent_and_told_to_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("DEBUG", "json", "tests")
    try:
        acl = ("--user", "shop", "on", ">p/ss:w@rd-7731", "~*", "&*", "+@all", "--user", "default", "off")
        async with servers.redis(tmp_path, *acl) as server:
            async with _cache(_url(server, "shop:p%2Fss%3Aw%40rd-7731@")) as opened:
                assert await opened.set("a", "1")
            async with _cache(_url(server, "shop:wrong-8842@")) as opened:
                with pytest.raises(errors.DependencyUnavailable) as raised:
                    await opened.get("a")
    finally:
        telemetry.configure("WARNING", "console", "tests")
    printed = capsys.readouterr().out
    assert "AuthenticationError" in printed, "an operator sees why"
    for secret in ("p/ss", "7731", "8842"):
        assert secret not in printed + repr(raised.value)


async def test_over_tls_the_certificate_must_be_known(tmp_path: Path) -> None:
    certificate, key = servers.certificate(tmp_path)
    files = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate)
    options = ("--tls-port", "{port}", "--port", "0", "--tls-auth-clients", "no", *files)
    async with servers.redis(tmp_path, *options) as server:
        for query in (f"?tls=true&ca={certificate}", f"?tls=true&verify=ca&ca={certificate}", "?tls=true&verify=none"):
            async with _cache(_url(server, query=query)) as opened:
                await opened.ping()
        async with _cache(_url(server).replace("redis:", "rediss:") + f"?ca={certificate}") as opened:
            await opened.ping()
        for query in ("?tls=true", ""):
            async with _cache(_url(server, query=query)) as opened:
                with pytest.raises(errors.DependencyUnavailable):
                    await opened.ping()


@pytest.mark.parametrize("url", ["redis://", "redis://h?tls=maybe", "rediss://h?verify=some", "memcached://h"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        cache.connect(
            url,
            memory=cache_memory.Memory(None, clock=clock.System()),
            metrics=telemetry.Metrics("test"),
        )
