"""Health, readiness, metrics and build information, in the shape of Spring Boot's actuator (the original's probes)."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

import revcart
from revcart.kit import errors, settings, telemetry

MEDIA_TYPE = "application/vnd.spring-boot.actuator.v3+json"
PROBE_SECONDS = 1.0
DISK_THRESHOLD_BYTES = 10 * 1024 * 1024

Status = Literal["UP", "UNKNOWN", "DOWN", "OUT_OF_SERVICE"]
_WORST_FIRST: tuple[Status, ...] = ("DOWN", "OUT_OF_SERVICE", "UNKNOWN", "UP")

# A probe gives the details of a component that is up, and raises when it is not.
Probe = Callable[[], Awaitable[Mapping[str, Any]]]


class Health:
    """The health of one service. `ready`: what readiness asks, its own stores and never Kafka or another service."""

    def __init__(self, *, components: Mapping[str, Probe], ready: tuple[str, ...]) -> None:
        self._components = {**components, "diskSpace": _disk, "ping": _ping}
        self._ready = ready
        self.draining = False

    async def all(self) -> tuple[Status, dict[str, Any]]:
        """The worst status and every component."""
        answers = await asyncio.gather(*(self._probe(name) for name in self._components))
        components = dict(zip(self._components, answers, strict=True))
        return _worst(components), components

    async def one(self, name: str) -> dict[str, Any]:
        """One component. Raises NotFound."""
        if name not in self._components:
            raise errors.NotFound
        return await self._probe(name)

    async def readiness(self) -> tuple[Status, dict[str, Any]]:
        """Whether requests should be sent here: the own stores answer, and it is not shutting down."""
        if self.draining:
            return "OUT_OF_SERVICE", {}
        components = {name: await self._probe(name) for name in self._ready}
        return _worst(components), components

    async def _probe(self, name: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return {"status": "UP", "details": dict(await self._components[name]())}
        except Exception as error:  # whatever a probe raises, it is the answer
            return {"status": "DOWN", "details": {"error": type(error).__name__}}


def router(health: Health, *, settings: settings.Settings, metrics: telemetry.Metrics) -> APIRouter:
    """The actuator's endpoints; they are for probes and are left out of the API's documentation."""
    routes = APIRouter(prefix="/actuator", include_in_schema=False)

    @routes.get("")
    async def links() -> Response:
        names = ("health", "info", "prometheus")
        return _answer(200, {"_links": {name: {"href": f"/actuator/{name}"} for name in names}})

    @routes.get("/health")
    async def everything() -> Response:
        status, components = await health.all()
        return _answer(
            _code(status),
            {"status": status, "components": components, "groups": ["liveness", "readiness"]},
        )

    @routes.get("/health/liveness")
    async def liveness() -> Response:
        return _answer(200, {"status": "UP"})

    @routes.get("/health/readiness")
    async def readiness() -> Response:
        status, components = await health.readiness()
        return _answer(_code(status), {"status": status, "components": components})

    @routes.get("/health/{name}")
    async def component(name: str) -> Response:
        found = await health.one(name)
        return _answer(_code(found["status"]), found)

    @routes.get("/info")
    async def info() -> Response:
        build = {"commit": settings.build_commit or None, "time": settings.build_time or None}
        return _answer(200, {"app": {"name": settings.service, "version": revcart.__version__}, "build": build})

    @routes.get("/prometheus")
    async def prometheus() -> Response:
        return Response(metrics.exposition(), media_type=telemetry.CONTENT_TYPE)

    return routes


def _answer(status: int, body: Mapping[str, Any]) -> Response:
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def _code(status: Status) -> int:
    return 200 if status in {"UP", "UNKNOWN"} else 503


def _worst(components: Mapping[str, Mapping[str, Any]]) -> Status:
    found = {component["status"] for component in components.values()}
    return next((status for status in _WORST_FIRST if status in found), "UP")


async def _ping() -> Mapping[str, Any]:
    return {}


async def _disk() -> Mapping[str, Any]:
    usage = shutil.disk_usage(Path.cwd())
    if usage.free < DISK_THRESHOLD_BYTES:
        raise OSError("the disk is full")
    return {"total": usage.total, "free": usage.free, "threshold": DISK_THRESHOLD_BYTES}
