"""How the services are: each registered instance is asked for its actuator when somebody looks, at most every 5 s."""

import asyncio
import collections
import dataclasses
import datetime as dt
import json
import re
from typing import Any, Final

from revcart.admin import domain, schemas
from revcart.kit import clock, registry, transport

_PROBE_SECONDS: Final = 1.0
_KEPT: Final = dt.timedelta(seconds=5)
_WINDOW: Final = dt.timedelta(seconds=60)
_LARGEST: Final = 4 * 1024 * 1024
_SAMPLE = re.compile(r"http_server_requests_seconds_(count|sum|bucket)\{([^}]*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_STARTED = re.compile(r"^process_start_time_seconds (\S+)", re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scrape:
    """The request counters of an instance at one time."""

    at: dt.datetime
    started_at: dt.datetime | None = None
    requests: float = 0
    errors: float = 0
    seconds: float = 0
    within: dict[float, float] = dataclasses.field(default_factory=dict)  # upper bound in s -> requests


class Monitor:
    """Probes all instances of a service at once, 1 s each."""

    def __init__(self, *, registry: registry.Registry, clock: clock.Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._known: dict[str, schemas.ServiceHealth] = {}
        self._scrapes: dict[str, collections.deque[Scrape]] = {}
        self._locks: collections.defaultdict[str, asyncio.Lock] = collections.defaultdict(asyncio.Lock)

    async def registered(self) -> schemas.ServiceCount:
        """How many of the services have an instance that takes calls."""
        await asyncio.gather(*(self._registry.watch(name) for name in domain.SERVICES))
        up = sum(1 for name in domain.SERVICES if self._registry.instances(name))
        return schemas.ServiceCount(up=up, total=len(domain.SERVICES))

    async def all(self) -> list[schemas.ServiceHealth]:
        """Every service, also those that are not registered."""
        return list(await asyncio.gather(*(self.one(name) for name in domain.SERVICES)))

    async def one(self, name: str) -> schemas.ServiceHealth:
        """One service of `domain.SERVICES`."""
        async with self._locks[name]:
            known = self._known.get(name)
            if known is None or self._clock.now() - known.checked_at >= _KEPT:
                known = self._known[name] = await self._probe(name)
            return known

    async def _probe(self, name: str) -> schemas.ServiceHealth:
        await self._registry.watch(name)
        instances = self._registry.instances(name)
        calls = transport.Transport()
        try:
            probed = await asyncio.gather(*(self._instance(instance, calls) for instance in instances))
        finally:
            await calls.close()
        gone = [key for key in self._scrapes if key.startswith(f"{name}:")
                and key.removeprefix(f"{name}:") not in {instance.id for instance in instances}]  # fmt: skip
        for key in gone:
            del self._scrapes[key]
        healths = [health for health, _ in probed]
        return schemas.ServiceHealth(
            name=name,
            status=_status(healths, ready=any(ready for _, ready in probed)),
            instances=healths,
            required_replicas=None,
            checked_at=self._clock.now(),
        )

    async def _instance(
        self, instance: registry.Instance, calls: transport.Transport
    ) -> tuple[schemas.InstanceHealth, bool]:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                health, ready, info, metrics = await asyncio.gather(
                    _get(calls, instance, "/actuator/health"),
                    _get(calls, instance, "/actuator/health/readiness"),
                    _get(calls, instance, "/actuator/info"),
                    _get(calls, instance, "/actuator/prometheus"),
                )
        except transport.Failure:
            return _silent(instance), False
        now = scrape(metrics[1].decode(errors="replace"), at=self._clock.now())
        before = self._remember(f"{instance.service}:{instance.id}", now)
        told, about = _json(health[1]), _json(info[1])
        components = told.get("components") or {}
        return schemas.InstanceHealth(
            id=instance.id,
            address=instance.address,
            status=str(told.get("status", "UNKNOWN")),
            version=(about.get("app") or {}).get("version"),
            started_at=now.started_at,
            components={name: str(part.get("status")) for name, part in components.items()},
            **_figures(now, before),
        ), ready[0] == 200

    def _remember(self, key: str, now: Scrape) -> Scrape | None:
        """Keep a scrape; gives the one to compare with: about a minute old, or the start of a younger process."""
        kept = self._scrapes.setdefault(key, collections.deque(maxlen=64))
        while len(kept) > 1 and now.at - kept[1].at >= _WINDOW:
            kept.popleft()
        before = kept[0] if kept else None
        if before is not None and before.requests > now.requests:  # it was restarted under the same id
            kept.clear()
            before = None
        kept.append(now)
        if now.started_at is not None and now.at - now.started_at <= _WINDOW:
            return Scrape(at=now.started_at)
        return before


def scrape(text: str, *, at: dt.datetime) -> Scrape:
    """The request counters in a Prometheus exposition."""
    sums = {"count": 0.0, "sum": 0.0, "errors": 0.0}
    within: dict[float, float] = {}
    for kind, labels, number in _SAMPLE.findall(text):
        label = dict(_LABEL.findall(labels))
        value = float(number)
        if label.get("uri", "").startswith("/actuator"):
            continue  # the probes themselves
        if kind == "bucket":
            bound = float(label["le"].replace("+Inf", "inf"))
            within[bound] = within.get(bound, 0) + value
            continue
        sums[kind] += value
        if kind == "count" and label.get("status", "").startswith("5"):
            sums["errors"] += value
    started = _STARTED.search(text)
    return Scrape(
        at=at,
        started_at=dt.datetime.fromtimestamp(float(started[1]), dt.UTC) if started else None,
        requests=sums["count"],
        errors=sums["errors"],
        seconds=sums["sum"],
        within=within,
    )


async def _get(calls: transport.Transport, instance: registry.Instance, path: str) -> tuple[int, bytes]:
    body = bytearray()
    request = transport.Request(method="GET", target=path, headers=[(b"accept-encoding", b"identity")])
    async with calls.exchange(instance, request) as exchange:
        async for piece in exchange.pieces():
            body += piece
            if len(body) > _LARGEST:
                raise transport.BrokenOff("the answer is too large")
        return exchange.status, bytes(body)


def _figures(now: Scrape, before: Scrape | None) -> dict[str, Any]:
    """What happened between two scrapes; unknown after the first one of an old process.

    `max_ms` is the upper bound of the slowest bucket that was hit: a histogram knows no more.
    """
    if before is None:
        return dict.fromkeys(("requests", "errors", "error_rate", "mean_ms", "max_ms"))
    requests = int(now.requests - before.requests)
    failed = int(now.errors - before.errors)
    most, slower = None, 0.0
    for bound in sorted(now.within):
        hits = now.within[bound] - before.within.get(bound, 0)
        if hits > slower:
            most, slower = bound, hits
    return {
        "requests": requests,
        "errors": failed,
        "error_rate": round(failed / requests, 4) if requests else None,
        "mean_ms": round((now.seconds - before.seconds) * 1000 / requests, 1) if requests else None,
        "max_ms": most * 1000 if most is not None and most != float("inf") else None,
    }


def _status(instances: list[schemas.InstanceHealth], *, ready: bool) -> schemas.Status:
    if not instances:
        return "UNKNOWN"
    if not ready:
        return "DOWN"
    return "UP" if all(instance.status == "UP" for instance in instances) else "DEGRADED"


def _silent(instance: registry.Instance) -> schemas.InstanceHealth:
    return schemas.InstanceHealth(
        id=instance.id,
        address=instance.address,
        status="DOWN",
        version=None,
        started_at=None,
        components={},
        requests=None,
        errors=None,
        error_rate=None,
        mean_ms=None,
        max_ms=None,
    )


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
