"""Tells a process that lives from one that only looks so: a watch can fall silent while every task is still there."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from revcart_operator.engine import cluster, queue
from revcart_operator.kube import watching

SILENT_SECONDS = 240.0  # a generation that lists show and the watch of platforms never told
IDLE_SECONDS = 300.0  # a generation without an observation and without a pass, well above the queue's longest backoff


@dataclass
class _Seen:
    """`unheard`, `unworked`: since when, in monotonic seconds."""

    heard: int = 0
    unheard: float | None = None
    unworked: float | None = None


class Vigil:
    """Gathers signs of life. `now`: monotonic seconds."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: dict[queue.Key, _Seen] = {}
        self._watchers: list[watching.Watcher] = []

    def over(self, watchers: Iterable[watching.Watcher]) -> None:
        """Look after these watchers too."""
        self._watchers += watchers

    def told(self, key: queue.Key, generation: int) -> None:
        """The watch of platforms named this one."""
        seen = self._seen.setdefault(key, _Seen())
        seen.heard, seen.unheard = max(seen.heard, generation), None

    def passed(self, key: queue.Key) -> None:
        """A pass over this one ended, well or not."""
        if key in self._seen:
            self._seen[key].unworked = None

    def listed(self, platforms: Iterable[cluster.Object]) -> None:
        """These are all the platforms there are."""
        known, self._seen = self._seen, {}
        for platform in platforms:
            meta, observed = platform["metadata"], platform.get("status", {}).get("observedGeneration", 0)
            key = queue.Key(meta["namespace"], meta["name"])
            seen = self._seen[key] = known.get(key, _Seen())
            seen.unheard = None if seen.heard >= meta["generation"] else seen.unheard or self._now()
            seen.unworked = None if observed >= meta["generation"] else seen.unworked or self._now()

    def problems(self) -> list[str]:
        """Why this process had better be started anew, one sentence each; none: it lives."""
        now, found = self._now(), []
        for key, seen in self._seen.items():
            if seen.unheard is not None and now - seen.unheard > SILENT_SECONDS:
                found.append(f"the watch of platforms never told of {key.namespace}/{key.name}")
            if seen.unworked is not None and now - seen.unworked > IDLE_SECONDS:
                found.append(f"{key.namespace}/{key.name} waits for a pass since {now - seen.unworked:.0f} s")
        dead = [watcher for watcher in self._watchers if now - watcher.last_sign > watching.DEAD_SECONDS]
        return found + [f"the watch of {it.kind} is dead since {now - it.last_sign:.0f} s" for it in dead]
