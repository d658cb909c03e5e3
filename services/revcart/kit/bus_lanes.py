"""Hands messages to a handler: one of a key at a time, up to 8 keys side by side; knows how far all of it is done.

What both adapters of the bus have in common. A key whose handler failed gets the same message again after a second.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from revcart.kit import bus, clock, telemetry

SIDE_BY_SIDE = 8  # keys
REDELIVERY_SECONDS = 1.0

log = telemetry.get_logger(__name__)


class Lanes:
    """`reached(topic, offset)` is called when every message of `topic` up to `offset` is done."""

    def __init__(self, group: str, *, handler: bus.Handler, reached: Callable[[str, int], None]) -> None:
        self._group = group
        self._handler = handler
        self._reached = reached
        self._open: dict[str, deque[int]] = {}  # per topic, in order; a done one stays until it is the first
        self._done: set[tuple[str, int]] = set()
        self._queues: dict[tuple[str, str], deque[bus.Delivery]] = {}
        self._workers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)
        self._stopped = asyncio.Event()

    @property
    def unfinished(self) -> int:
        """How many messages are held: waiting, in hand, or done before an older one is."""
        return sum(map(len, self._open.values()))

    def take(self, delivery: bus.Delivery) -> None:
        """Queue a message behind those of its key. Messages of one topic are taken in order of their offsets."""
        topic, key = delivery.message.topic, (delivery.message.topic, delivery.message.key)
        self._open.setdefault(topic, deque()).append(delivery.offset)
        self._queues.setdefault(key, deque()).append(delivery)
        if key not in self._workers:
            self._workers[key] = asyncio.create_task(self._work(key), name=f"bus-{self._group}-{topic}")

    async def stop(self, grace_seconds: float) -> None:
        """Hand out nothing more; let what is in hand finish for so long, then cancel it."""
        self._stopped.set()
        workers = list(self._workers.values())
        if workers:
            _, late = await asyncio.wait(workers, timeout=grace_seconds)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _work(self, key: tuple[str, str]) -> None:
        queue = self._queues[key]
        try:
            while queue and not self._stopped.is_set():
                async with self._slots:
                    if not self._stopped.is_set() and await self._handled(queue[0]):
                        self._finish(queue.popleft())
                        continue
                await clock.wait(self._stopped, REDELIVERY_SECONDS)
        finally:
            del self._workers[key]
            if not queue:
                del self._queues[key]

    async def _handled(self, delivery: bus.Delivery) -> bool:
        try:
            await self._handler(delivery)
        except Exception:  # the port promises redelivery, whatever went wrong
            log.warning("bus.handler-failed", group=self._group, topic=delivery.message.topic, exc_info=True)
            return False
        return True

    def _finish(self, delivery: bus.Delivery) -> None:
        topic = delivery.message.topic
        self._done.add((topic, delivery.offset))
        pending = self._open[topic]
        reached = None
        while pending and (topic, pending[0]) in self._done:
            reached = pending.popleft()
            self._done.remove((topic, reached))
        if reached is not None:
            self._reached(topic, reached)
