"""The registry on Consul (`consul://`): instances with a TTL check, and blocking queries that keep their lists here.

The service renews its check itself and says with it whether it is ready: Consul needs no way to it, and one whose event
loop hangs goes out like one that was killed. With Consul away the last list holds for five minutes, then DNS, then the
list in the settings; a Consul that comes back with nothing in it is given time to learn before its list is believed.
"""

import asyncio
import contextlib
import json
import random
import urllib.parse
from collections.abc import Sequence
from typing import Any, Final

from revcart.kit import consul, registry, registry_names, telemetry

TTL_SECONDS: Final = 15
RENEW_SECONDS: Final = 5.0
REMOVE_SECONDS: Final = 60  # Consul's least
AGAIN_SECONDS: Final = 1.0
FIRST_SECONDS: Final = 2.0
KEEP_SECONDS: Final = 300.0

_log = telemetry.get_logger(__name__)


class Consul:
    """`keep_seconds`: how long the last list holds while Consul is away."""

    def __init__(
        self,
        agent: consul.Agent,
        *,
        finders: Sequence[registry_names.Finder],
        metrics: telemetry.Metrics,
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._agent = agent
        self._finders = finders
        self._sources = registry_names.Sources(metrics)
        self._keep_seconds = keep_seconds
        self._watches: dict[str, _Watch] = {}
        self._outage = _Outage()
        self._announced: dict[str, asyncio.Task[None]] = {}

    async def register(self, instance: registry.Instance) -> None:
        """Returns once Consul knows it; with Consul away at once, and it is announced when Consul is back."""
        await self._stop(instance.id)
        with contextlib.suppress(consul.Away):
            await _announce(self._agent, instance)
        task = asyncio.create_task(_renew(self._agent, instance), name=f"announce-{instance.id}")
        self._announced[instance.id] = task

    async def deregister(self, instance: registry.Instance) -> None:
        await self._stop(instance.id)
        try:
            await self._agent.put(f"v1/agent/service/deregister/{instance.id}")
        except consul.Away as away:
            _log.warning("registry.not-deregistered", instance=instance.id, reason=str(away))  # its check will lapse

    async def watch(self, service: str) -> None:
        watch = self._watches.get(service)
        if watch is None:
            watch = self._watches[service] = _Watch(
                service,
                agent=self._agent,
                finders=self._finders,
                sources=self._sources,
                outage=self._outage,
                keep_seconds=self._keep_seconds,
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await watch.known.wait()

    def instances(self, service: str) -> Sequence[registry.Instance]:
        watch = self._watches.get(service)
        return watch.instances if watch else ()

    async def ping(self) -> None:
        """Raises consul.Away."""
        await self._agent.get("v1/status/leader")

    async def close(self) -> None:
        tasks = [*self._announced.values(), *(watch.task for watch in self._watches.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._announced.clear()
        self._watches.clear()
        await self._agent.close()

    async def _stop(self, id: str) -> None:
        task = self._announced.pop(id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class _Watch:
    """Follows one service."""

    def __init__(
        self,
        service: str,
        *,
        agent: consul.Agent,
        finders: Sequence[registry_names.Finder],
        sources: registry_names.Sources,
        outage: "_Outage",
        keep_seconds: float,
    ) -> None:
        self.instances: tuple[registry.Instance, ...] = ()
        self.known = asyncio.Event()
        self._service = service
        self._agent = agent
        self._finders = finders
        self._sources = sources
        self._outage = outage
        self._keep_seconds = keep_seconds
        self._loop = asyncio.get_running_loop()
        self._index = 0
        self._listed: tuple[registry.Instance, ...] = ()  # the last list of Consul's own
        self._away_since: float | None = None
        self._distrust_until = 0.0
        self.task = asyncio.create_task(self._run(), name=f"discover-{service}")

    async def _run(self) -> None:
        while True:
            try:
                await self._ask()
            except consul.Away as away:
                await self._without(away)
                await asyncio.sleep(AGAIN_SECONDS * random.uniform(0.8, 1.2))

    async def _ask(self) -> None:
        """One blocking query; while the list is not yet believed, one that comes back when it is."""
        distrust = self._distrust_until - self._loop.time()
        reply = await self._agent.get(
            f"v1/health/service/{self._service}",
            {"passing": "1"},
            after=self._index,
            wait=consul.WAIT_SECONDS if distrust <= 0 else max(1.0, distrust),
        )
        listed = _instances(self._service, reply)
        if self._away_since is not None:
            self._away_since = None
            self._distrust_until = self._loop.time() + TTL_SECONDS
            self._outage.ended(self._service)
        self._index = max(1, consul.later(self._index, reply.index))
        if self._loop.time() < self._distrust_until:
            there = {instance.id for instance in listed}
            self._set("consul", (*listed, *(old for old in self._listed if old.id not in there)))
            return
        self._listed = listed
        self._set("consul", listed)

    async def _without(self, away: consul.Away) -> None:
        now = self._loop.time()
        self._index = 0
        if self._away_since is None:
            self._away_since = now
            self._outage.began(self._service, away)
        if self._listed and now - self._away_since < self._keep_seconds:
            self._set("last-known", self._listed)
        else:
            self._set(*await registry_names.find(self._finders, self._service))

    def _set(self, source: str, instances: tuple[registry.Instance, ...]) -> None:
        self.instances = instances
        self._sources.tell(self._service, source)
        self.known.set()


class _Outage:
    """Logs once that Consul is away, and once that it is back, however many services are followed."""

    def __init__(self) -> None:
        self._services: set[str] = set()

    def began(self, service: str, away: consul.Away) -> None:
        if not self._services:
            _log.warning("registry.away", reason=str(away))
        self._services.add(service)

    def ended(self, service: str) -> None:
        self._services.discard(service)
        if not self._services:
            _log.info("registry.back")


async def _renew(agent: consul.Agent, instance: registry.Instance) -> None:
    """Tell Consul every five seconds how the instance is, and of itself when Consul has forgotten it."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            state = {"Status": await _status(instance)}
            reply = await agent.put(f"v1/agent/check/update/{_check(instance)}", state)
            if reply.status != 200:
                await _announce(agent, instance)
        except consul.Away as away:
            _log.debug("registry.not-renewed", instance=instance.id, reason=str(away))


async def _announce(agent: consul.Agent, instance: registry.Instance) -> None:
    parts = urllib.parse.urlsplit(instance.address)
    reply = await agent.put(
        "v1/agent/service/register",
        {
            "ID": instance.id,
            "Name": instance.service,
            "Address": parts.hostname,
            "Port": parts.port,
            "Meta": {"scheme": parts.scheme},
            "Check": {
                "CheckID": _check(instance),
                "TTL": f"{TTL_SECONDS}s",
                "Status": await _status(instance),
                "DeregisterCriticalServiceAfter": f"{REMOVE_SECONDS}s",
            },
        },
    )
    if reply.status != 200:
        _log.error("registry.refused", instance=instance.id, status=reply.status)
        raise consul.Away(f"it answered {reply.status}")


async def _status(instance: registry.Instance) -> str:
    return "passing" if instance.ready is None or await instance.ready() else "critical"


def _check(instance: registry.Instance) -> str:
    return f"ready:{instance.id}"


def _instances(service: str, reply: consul.Reply) -> tuple[registry.Instance, ...]:
    try:
        return tuple(_instance(service, entry) for entry in json.loads(reply.body))
    except (ValueError, KeyError, TypeError) as error:
        raise consul.Away("it does not speak as Consul does") from error


def _instance(service: str, entry: dict[str, Any]) -> registry.Instance:
    told = entry["Service"]
    host = told["Address"] or entry["Node"]["Address"]
    scheme = (told.get("Meta") or {}).get("scheme", "http")
    address = f"{scheme}://[{host}]:{told['Port']}" if ":" in host else f"{scheme}://{host}:{told['Port']}"
    return registry.Instance(service=service, id=told["ID"], address=address)


def connect(url: str, *, names: registry.Names, metrics: telemetry.Metrics) -> Consul:
    """The registry of the Consul at `url`, with DNS and the settings' list to fall back on. Raises ValueError."""
    finders: list[registry_names.Finder] = [registry_names.Dns(names), registry_names.Static(names)]
    return Consul(consul.Agent(url), finders=finders, metrics=metrics)
