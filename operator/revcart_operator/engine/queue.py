"""The queue of platforms to reconcile: each key at most once in it and at most once in work.

Edges (watch events, timers, resync) only add keys; how often, in which order or twice does not matter. A key that comes
while it is in work is worked once more after. A platform that fails waits longer each time and holds up no other.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from revcart.kit import telemetry
from revcart_operator.engine import errors, metrics

GAP = 0.5  # seconds from the end of a pass to the next one of the same platform: a rollout sends hundreds of events
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
RESYNC = 120.0  # seconds; a watch may fall silent without a word

logger = telemetry.get_logger(__name__)


class Key(NamedTuple):
    """Which platform."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Outcome:
    """How a pass ended: `requeue_after` seconds it wants another one; None: nothing is left to do."""

    requeue_after: float | None = None


@dataclass
class _Entry:
    """What is known of one key: it rests, has a timer, is queued or in work."""

    working: bool = False
    again: bool = False
    queued: bool = False
    failures: int = 0
    rests_until: float = 0.0
    timer: asyncio.TimerHandle | None = None


class Queue:
    """`run` works until `close`. All methods belong to one event loop."""

    def __init__(
        self,
        reconcile: Callable[[Key], Awaitable[Outcome]],
        *,
        workers: int,
        metrics: metrics.Metrics,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._reconcile = reconcile
        self._workers = workers
        self._metrics = metrics
        self._jitter = jitter
        self._entries: dict[Key, _Entry] = {}
        # Bounded by the number of platforms, since no key is in it twice; None tells a worker to go home.
        self._ready: asyncio.Queue[Key | None] = asyncio.Queue()
        self._closing = asyncio.Event()

    def add(self, key: tuple[str, str]) -> None:
        """This platform may have changed."""
        entry = self._entries.setdefault(Key(*key), _Entry())
        if entry.working:
            entry.again = True
        elif not entry.queued:
            self._later(Key(*key), entry.rests_until - time.monotonic())

    async def run(self) -> None:
        """Work. Returns after `close`, when the passes in work are over."""
        workers = [asyncio.create_task(self._work()) for _ in range(self._workers)]
        try:
            await self._closing.wait()
            for _ in workers:
                self._ready.put_nowait(None)
            await asyncio.gather(*workers)
        finally:
            for task in workers:
                task.cancel()
            for entry in self._entries.values():
                if entry.timer:
                    entry.timer.cancel()

    def close(self) -> None:
        """No new pass is begun."""
        self._closing.set()

    def _later(self, key: Key, seconds: float) -> None:
        """Queue the key after `seconds`, unless it comes sooner anyway."""
        entry, loop = self._entries[key], asyncio.get_running_loop()
        due = loop.time() + max(0.0, seconds)
        if entry.timer and entry.timer.when() <= due:
            return
        if entry.timer:
            entry.timer.cancel()
        entry.timer = loop.call_at(due, self._enqueue, key)

    def _enqueue(self, key: Key) -> None:
        entry = self._entries[key]
        entry.timer, entry.queued = None, True
        self._ready.put_nowait(key)
        self._metrics.queue_depth.set(self._ready.qsize())

    async def _work(self) -> None:
        while not self._closing.is_set():
            key = await self._ready.get()
            if key is None or self._closing.is_set():
                return
            entry = self._entries[key]
            entry.queued, entry.working, entry.again = False, True, False
            self._metrics.queue_depth.set(self._ready.qsize())
            wanted = await self._pass(key, entry)
            entry.working = False
            self._rest(key, entry, wanted)

    async def _pass(self, key: Key, entry: _Entry) -> float | None:
        """One pass. After how many seconds the next one is wanted."""
        begun = time.monotonic()
        try:
            outcome = await self._reconcile(key)
        except Exception as error:
            entry.failures += 1
            seconds = self._backoff(entry.failures, error)
            known = isinstance(error, errors.ClusterError)
            logger.warning("reconcile.failed", platform=key.name, namespace=key.namespace, error=repr(error),
                           retry_in=round(seconds, 1), exc_info=not known)  # fmt: skip
            self._metrics.passes.labels("error").inc()
            entry.rests_until = time.monotonic() + seconds
            return seconds
        finally:
            self._metrics.duration.observe(time.monotonic() - begun)
        entry.failures, entry.rests_until = 0, time.monotonic() + GAP
        wanted = outcome.requeue_after
        self._metrics.passes.labels("done" if wanted is None else "waiting").inc()
        return None if wanted is None else wanted * (1 - self._jitter() / 4)  # never later than what is promised

    def _rest(self, key: Key, entry: _Entry, wanted: float | None) -> None:
        if entry.again:
            self._later(key, entry.rests_until - time.monotonic())
        elif wanted is not None:
            self._later(key, wanted)

    def _backoff(self, failures: int, error: Exception) -> float:
        """Full doubling with jitter between half and the whole; a server that names a time is obeyed."""
        longest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 10))
        seconds = longest * (0.5 + self._jitter() / 2)
        asked = error.retry_after if isinstance(error, errors.Unreachable) else None
        return max(seconds, asked or 0.0)


async def resync(
    queue: Queue, *, platforms: Callable[[], Awaitable[Iterable[tuple[str, str]]]], every: float = RESYNC
) -> None:
    """Add every platform there is, now and every `every` seconds, whatever the watches say. Runs until cancelled."""
    while True:
        try:
            for key in await platforms():
                queue.add(key)
        except errors.ClusterError as error:
            logger.warning("resync.failed", error=repr(error))
        await asyncio.sleep(every)
