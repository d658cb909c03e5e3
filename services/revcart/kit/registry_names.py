"""Services found without a registry: by DNS, or by a list in the settings. Also what stands in for a lost Consul."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, Protocol

from revcart.kit import registry, telemetry

REFRESH_SECONDS: Final = 10.0
LOOKUP_SECONDS: Final = 2.0
SOURCES: Final = ("consul", "last-known", "dns", "static", "none")

_log = telemetry.get_logger(__name__)


class Finder(Protocol):
    """Knows where services should be, not whether they are there."""

    source: str

    async def find(self, service: str) -> tuple[registry.Instance, ...]:
        """Empty when it knows nothing of `service`."""


class Static:
    """The list in the settings."""

    source = "static"

    def __init__(self, names: registry.Names) -> None:
        self._names = names

    async def find(self, service: str) -> tuple[registry.Instance, ...]:
        return tuple(_instance(service, address.rstrip("/")) for address in self._names.static.get(service, ()))


class Dns:
    """One instance for each address that a name resolves to."""

    source = "dns"

    def __init__(self, names: registry.Names) -> None:
        self._names = names

    async def find(self, service: str) -> tuple[registry.Instance, ...]:
        place = self._place(service)
        if place is None:
            return ()
        host, port = place
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError):
            return ()
        hosts = sorted({str(address[0]) for *_, address in found})
        return tuple(
            _instance(service, f"http://[{each}]:{port}" if ":" in each else f"http://{each}:{port}") for each in hosts
        )

    def _place(self, service: str) -> tuple[str, int] | None:
        port = self._names.ports.get(service)
        if not self._names.template or (port is None and "{port}" in self._names.template):
            return None
        host, _, number = self._names.template.format(service=service, port=port).rpartition(":")
        return (host, int(number)) if host and number.isdigit() else None


class Sources:
    """`revcart_discovery_source{service,source}`: 1 at where the instances of a service are known from now."""

    def __init__(self, metrics: telemetry.Metrics) -> None:
        self._gauge = metrics.gauge(
            "revcart_discovery_source", "1: where a service's instances come from", ("service", "source")
        )

    def tell(self, service: str, source: str) -> None:
        for each in SOURCES:
            self._gauge.labels(service, each).set(each == source)


class Named:
    """The registry of `dns://` and `static://`: asks its finders in turn, every 10 s. Registering is others' work."""

    def __init__(self, finders: Sequence[Finder], *, metrics: telemetry.Metrics) -> None:
        self._finders = finders
        self._sources = Sources(metrics)
        self._known: dict[str, tuple[registry.Instance, ...]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def register(self, instance: registry.Instance) -> None:
        """Names are given by who runs the shop."""

    async def deregister(self, instance: registry.Instance) -> None:
        """As little as registering."""

    async def watch(self, service: str) -> None:
        if service not in self._tasks:
            self._tasks[service] = asyncio.create_task(self._follow(service), name=f"names-{service}")
            await self._refresh(service)

    def instances(self, service: str) -> Sequence[registry.Instance]:
        return self._known.get(service, ())

    async def ping(self) -> None:
        """There is nobody to ask."""

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    async def _follow(self, service: str) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            await self._refresh(service)

    async def _refresh(self, service: str) -> None:
        source, self._known[service] = await find(self._finders, service)
        self._sources.tell(service, source)


async def find(finders: Sequence[Finder], service: str) -> tuple[str, tuple[registry.Instance, ...]]:
    """What the first finder that knows `service` says, and which one that is; ("none", ()) when none does."""
    for finder in finders:
        found = await finder.find(service)
        if found:
            return finder.source, found
    return "none", ()


def _instance(service: str, address: str) -> registry.Instance:
    return registry.Instance(service=service, id=address, address=address)
