"""The External stores of a platform on this machine: asked whether they serve before anything starts, then prepared."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from revcart.kit import bus, cache, causes, clock, consul, database, documents, hub, telemetry
from revcart_operator.local import refusals
from revcart_operator.platform import catalogue, spec
from revcart_operator.render import references, stores

ANSWER_SECONDS = 2.0

Probe = Callable[[str], Awaitable[None]]


def places(
    platform: spec.RevCartPlatform, services: Sequence[catalogue.Service], secrets: references.References
) -> list[stores.Place]:
    """Every External store once per user that services have there. Raises MissingSecret."""
    found: dict[str, stores.Place] = {}
    for name in stores.external(platform):
        for service in services:
            if stores.uses(service, name):
                place = stores.place(platform, name=name, service=service.name, secrets=secrets)
                found.setdefault(place.url(), place)
    return list(found.values())


async def check(asked: Sequence[stores.Place]) -> None:
    """Ask all at once. Raises StoresAway, which names each that does not serve, and why."""
    troubles = await asyncio.gather(*(_trouble(place) for place in asked))
    away = [
        refusals.Away(store=place.store, address=place.hosts, reason=trouble)
        for place, trouble in zip(asked, troubles, strict=True)
        if trouble
    ]
    if away:
        raise refusals.StoresAway(tuple(dict.fromkeys(away)))


async def _trouble(place: stores.Place) -> str:
    """Why a store does not serve; empty when it does."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await _connect(place.hosts)
            await _PROBES[place.store](place.url("admin" if place.store == "mongodb" else ""))
    except TimeoutError:
        return f"it did not answer within {ANSWER_SECONDS:.0f} s"
    except Exception as error:  # whatever a driver raises is the reason
        return causes.reason(error, hidden=(place.password,))
    return ""


async def _connect(hosts: str) -> None:
    """Reach one of them: drivers that go on trying would hide that nobody listens. Raises OSError."""
    *first, last = hosts.split(",")
    for host in first:
        with contextlib.suppress(OSError):
            await _open(host)
            return
    await _open(last)


async def _open(host: str) -> None:
    name, _, port = host.rpartition(":")
    _, writer = await asyncio.open_connection(name.strip("[]"), int(port))
    writer.close()


async def _mysql(url: str) -> None:
    asked = database.Database(url, service="revcart", clock=clock.System(), pool_size=1)
    try:
        await asked.ping()
    finally:
        await asked.close()


async def _mongodb(url: str) -> None:
    asked = documents.Documents(url)
    await asked.open()
    try:
        await asked.ping()
    finally:
        await asked.close()


async def _redis(url: str) -> None:
    asked = cache.connect(url, memory=hub.Hub().cache, metrics=telemetry.Metrics("revcart"))
    try:
        await asked.ping()
    finally:
        await asked.close()


async def _kafka(url: str) -> None:
    asked = bus.connect(url, memory=hub.Hub().bus, metrics=telemetry.Metrics("revcart"))
    try:
        await asked.open()
        await asked.ping()
    finally:
        await asked.close()


async def _consul(url: str) -> None:
    asked = consul.Agent(url)
    try:
        reply = await asked.get("v1/status/leader")
        if not json.loads(reply.body or b'""'):
            raise consul.Away("it has no leader")
    finally:
        await asked.close()


_PROBES: Mapping[str, Probe] = {
    "mysql": _mysql,
    "mongodb": _mongodb,
    "redis": _redis,
    "kafka": _kafka,
    "consul": _consul,
}
