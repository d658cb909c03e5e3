"""Which instance gets a call: of two random ones that which has less to do, and none that cannot be reached."""

import contextlib
import random
from collections.abc import Container, Iterator
from dataclasses import dataclass

from revcart.kit import clock, registry

CONNECT_FAILURES = 3
OUT_SECONDS = 10


@dataclass(slots=True)
class _Load:
    in_flight: int = 0
    connect_failures: int = 0
    out_until: float = 0.0


class Balancer:
    """Counts calls in flight per instance; three connect failures in a row take one out for 10 s, not the last."""

    def __init__(self, *, registry: registry.Registry, clock: clock.Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._loads: dict[str, _Load] = {}

    def pick(self, service: str, *, exclude: Container[str] = ()) -> registry.Instance | None:
        """An instance of `service` whose id is not in `exclude`; an excluded one when there is no other; else None."""
        known = self._registry.instances(service)
        if len(known) < 2:
            return known[0] if known else None
        now = self._clock.now().timestamp()
        fresh = [instance for instance in known if instance.id not in exclude] or list(known)
        reachable = [instance for instance in fresh if self._load(instance).out_until <= now] or fresh
        if len(reachable) == 1:
            return reachable[0]
        first, second = random.sample(reachable, 2)
        return first if self._load(first).in_flight <= self._load(second).in_flight else second

    @contextlib.contextmanager
    def busy(self, instance: registry.Instance) -> Iterator[None]:
        """Counts one call in flight on `instance` for the length of the block."""
        load = self._load(instance)
        load.in_flight += 1
        try:
            yield
        finally:
            load.in_flight -= 1
            if load == _Load():  # nothing to remember; instances come and go, this table must not grow
                self._loads.pop(instance.id, None)

    def reached(self, instance: registry.Instance) -> None:
        load = self._loads.get(instance.id)
        if load is not None:
            load.connect_failures = 0
            load.out_until = 0.0

    def unreachable(self, instance: registry.Instance) -> None:
        load = self._load(instance)
        load.connect_failures += 1
        if load.connect_failures >= CONNECT_FAILURES:
            load.connect_failures = 0
            load.out_until = self._clock.now().timestamp() + OUT_SECONDS

    def in_flight(self, instance: registry.Instance) -> int:
        load = self._loads.get(instance.id)
        return load.in_flight if load else 0

    def _load(self, instance: registry.Instance) -> _Load:
        return self._loads.setdefault(instance.id, _Load())


class Budget:
    """Retries allowed to one callee: a tenth of its calls, and up to ten saved up, so that quiet callers may retry."""

    def __init__(self, *, ratio: float = 0.1, saved: float = 10.0) -> None:
        self._ratio = ratio
        self._most = saved
        self._left = saved

    def tune(self, *, ratio: float) -> None:
        """Another share of retries, from the next call on; with 0 there are none, not even those saved up."""
        self._ratio = ratio
        self._left = self._left if ratio else 0.0

    def earn(self) -> None:
        """One call was made."""
        self._left = min(self._most, self._left + self._ratio)

    def spend(self) -> bool:
        """Whether one retry may be made; if so it is counted."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
