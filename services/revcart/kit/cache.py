"""The cache: Redis where there is one, its double in this process otherwise (`cache_memory`).

Both speak Redis, Lua included, so that atomic steps are written once. Values are bytes; text is encoded as UTF-8.
"""

import asyncio
import contextlib
import json
import socket
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import redis.asyncio as redis
from redis import exceptions, maint_notifications
from redis.asyncio import retry
from redis.backoff import NoBackoff

from revcart.kit import breaker, cache_memory, clock, errors, telemetry, tls

CONNECTIONS: Final = 50
CONNECT_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 2.0
RECONNECT_SECONDS: Final = 1.0
# A server that is gone without a word is noticed within 30 s, also by those who only listen.
KEEP_ALIVE: Final = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

Value = str | bytes

# Nobody there, too slow, starting, a replica, or full: what may well be better in a moment.
_AWAY: Final = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    OSError,
)
# The same in answers that the client has no class for: a disk that takes no snapshot, a script that does not end, too
# few replicas.
_AWAY_CODES: Final = frozenset({"MISCONF", "BUSY", "UNKILLABLE", "NOREPLICAS"})

_log = telemetry.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """What was published on a channel."""

    channel: str
    data: bytes


class Cache:
    """Every method but `open` and `cached` raises errors.DependencyUnavailable("cache") when Redis is away."""

    def __init__(self, client: redis.Redis, *, metrics: telemetry.Metrics) -> None:
        self._client = client
        self._is_away = False
        # A server that hangs must not make everybody wait for it; one that refuses costs nothing to ask.
        self._breaker = breaker.Breaker(clock=clock.System(), open_seconds=1, trials=1)
        self._errors = metrics.counter("revcart_cache_errors_total", "Commands that the cache did not answer")
        self._scripts: dict[str, Callable[..., Awaitable[Any]]] = {}
        self._loading: dict[str, asyncio.Task[Any]] = {}

    async def open(self) -> None:
        """Connect, so that the first request need not wait. A cache that is away is no reason not to start."""
        with contextlib.suppress(errors.DependencyUnavailable):
            await self.ping()

    async def ping(self) -> None:
        with self._translated():
            await self._client.ping()

    async def get(self, key: str) -> bytes | None:
        with self._translated():
            return cast(bytes | None, await self._client.get(key))

    async def set(self, key: str, value: Value, *, ttl: float | None = None, only_if_absent: bool = False) -> bool:
        """Store `value`, for `ttl` seconds if given. False when `only_if_absent` and there was one."""
        with self._translated():
            return bool(await self._client.set(key, value, px=_milliseconds(ttl), nx=only_if_absent))

    async def delete(self, *keys: str) -> int:
        """How many of `keys` there were."""
        with self._translated():
            return int(await self._client.delete(*keys))

    async def incr(self, key: str, *, ttl: float | None = None) -> int:
        """Add one and return the sum; with `ttl`, the count starts anew that many seconds after its first one."""
        arguments = [_milliseconds(ttl) or 0]
        return int(await self.eval(_INCREMENT, keys=[key], args=arguments))

    async def eval(self, script: str, *, keys: Sequence[str] = (), args: Sequence[Value | int | float] = ()) -> Any:
        """Run a Lua script, atomically and in one round trip. Name every key in `keys`. Strings come back as bytes."""
        with self._translated():
            run = self._scripts.get(script)
            if run is None:
                run = self._scripts[script] = self._client.register_script(script)
            return await run(keys=list(keys), args=list(args))

    async def publish(self, channel: str, data: Value) -> None:
        """Tell everybody who is subscribed at this moment; nobody else will learn of it."""
        with self._translated():
            await self._client.publish(channel, data)

    @contextlib.asynccontextmanager
    async def subscribe(self, *channels: str) -> AsyncIterator[AsyncIterator[Message]]:
        """`async with cache.subscribe("a") as messages: async for message in messages: …`

        What is published after entering arrives. While Redis is away nothing arrives; afterwards it goes on by itself,
        without what was published meanwhile.
        """
        pubsub = self._client.pubsub(ignore_subscribe_messages=False)
        try:
            with self._translated():
                await pubsub.subscribe(*channels)
                for _ in channels:  # the confirmations: from now on nothing is missed
                    await pubsub.get_message(timeout=ANSWER_SECONDS)
            yield _messages(pubsub)
        finally:
            with contextlib.suppress(exceptions.RedisError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def cached(self, key: str, *, ttl: float, load: Callable[[], Awaitable[Any]]) -> Any:
        """What `load` gave within the last `ttl` seconds, as JSON gives it back.

        Callers at the same time share one load. With the cache away it loads: slower, never wrong.
        """
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = asyncio.create_task(self._cached(key, ttl=ttl, load=load))
            loading.add_done_callback(lambda _: self._loading.pop(key, None))
        return await asyncio.shield(loading)  # a caller that leaves must not take the load from the others

    async def close(self) -> None:
        for task in list(self._loading.values()):
            task.cancel()
        await self._client.aclose()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with self._breaker.admit() as permit:
                try:
                    yield
                except (exceptions.TimeoutError, TimeoutError):
                    permit.failed()
                    raise
                permit.succeeded()
        except (*_AWAY, exceptions.ResponseError, breaker.Open) as error:
            if not isinstance(error, (*_AWAY, breaker.Open)) and str(error).partition(" ")[0] not in _AWAY_CODES:
                raise  # our own mistake
            self._errors.inc()
            if not self._is_away:
                _log.warning("cache.away", reason=type(error).__name__)
            self._is_away = True
            raise errors.DependencyUnavailable("cache") from error
        if self._is_away:
            self._is_away = False
            _log.info("cache.back")

    async def _cached(self, key: str, *, ttl: float, load: Callable[[], Awaitable[Any]]) -> Any:
        try:
            stored = await self.get(key)
        except errors.DependencyUnavailable:
            return await load()
        if stored is not None:
            return json.loads(stored)
        text = json.dumps(await load(), ensure_ascii=False, separators=(",", ":"))
        with contextlib.suppress(errors.DependencyUnavailable):
            await self.set(key, text, ttl=ttl)
        return json.loads(text)


def connect(url: str, *, memory: cache_memory.Memory, metrics: telemetry.Metrics) -> Cache:
    """The cache at `url`, or the double of this process for `memory://`.

    `redis://[user:password@]host:port/0[?tls=true&verify=…&ca=…]`; `rediss://` is the same with `tls=true`.
    """
    if url.startswith("memory:"):
        return Cache(memory.client(), metrics=metrics)
    address, options = _address(url)
    pool = redis.BlockingConnectionPool.from_url(
        address,
        **options,
        max_connections=CONNECTIONS,
        timeout=ANSWER_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        socket_keepalive_options=KEEP_ALIVE,
        health_check_interval=15,
        # A feature of Redis Enterprise; with it the pool gives out connections that the server has closed.
        maint_notifications_config=maint_notifications.MaintNotificationsConfig(enabled=False),
        retry=retry.Retry(NoBackoff(), 0),  # a script may have run before its answer was lost: the caller decides
    )
    return Cache(redis.Redis.from_pool(pool), metrics=metrics)


def _address(url: str) -> tuple[str, dict[str, Any]]:
    """The URL as the client reads it, and its options for TLS. Raises ValueError."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("a Redis URL is redis://[user:password@]host:port/0[?tls=true&verify=…&ca=…]")
    query = dict(urllib.parse.parse_qsl(parts.query))
    encrypted = tls.asked({"tls": "true", **query} if parts.scheme == "rediss" else query)
    others = urllib.parse.urlencode({name: value for name, value in query.items() if name not in tls.KEYS})
    address = urllib.parse.urlunsplit(parts._replace(scheme="rediss" if encrypted else "redis", query=others))
    if encrypted is None:
        return address, {}
    return address, {
        "ssl_cert_reqs": "required" if encrypted.valid else "none",
        "ssl_check_hostname": encrypted.names_host,
        "ssl_ca_certs": encrypted.ca,
    }


async def _messages(pubsub: Any) -> AsyncIterator[Message]:
    while True:
        try:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
        except exceptions.RedisError as error:
            _log.warning("cache.subscription-interrupted", reason=type(error).__name__)
            await asyncio.sleep(RECONNECT_SECONDS)
            with contextlib.suppress(exceptions.RedisError):
                await pubsub.connect()  # subscribes again to its channels
            continue
        if message is not None and message["type"] == "message":
            yield Message(channel=message["channel"].decode(), data=message["data"])


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds * 1000))


_INCREMENT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 and tonumber(ARGV[1]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count
"""
