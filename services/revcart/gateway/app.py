"""Composition of the gateway, top to bottom; the only place where its parts are put together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Literal

import pydantic
from starlette import types

from revcart.gateway import (
    access,
    api,
    cors,
    documentation,
    domain,
    front,
    quotas,
    records,
    routes,
    switches,
    transportsecurity,
    tuning,
    upstreams,
    visits,
)
from revcart.kit import actuator, asgi, hub, limits, registry, sessions, settings, wiring


class Settings(settings.Settings):
    """`gateway_routes` is the table of the operator's catalogue; without it nothing is served."""

    service: str = "gateway"
    port: int = 8080
    gateway_routes: list[domain.Route] = []
    gateway_cors_origins: list[str] = []  # empty: the storefront's
    gateway_trusted_proxies: list[str] = ["127.0.0.0/8", "::1/128"]  # networks whose X-Forwarded-* are believed
    gateway_allowed_hosts: list[str] = []  # without port; empty: that of the public URL, and this machine's own
    gateway_https: Literal["Off", "Redirect"] | None = None  # None: Redirect in production
    gateway_docs: Literal["Open", "Admin", "Off"] = "Open"
    gateway_rate_limits: Literal["On", "Off"] = "On"  # Off for load tests
    gateway_log_sample: float | None = pydantic.Field(default=None, ge=0, le=1)  # None: 1 in development, else 0.1
    gateway_log_slow_ms: int = 1000

    @pydantic.field_validator("gateway_cors_origins")
    @classmethod
    def _origins_are_named(cls, origins: list[str]) -> list[str]:
        try:
            return [cors.origin(origin) for origin in origins]
        except ValueError as error:
            raise ValueError(f"REVCART_GATEWAY_CORS_ORIGINS: {error}") from error

    @property
    def origins(self) -> list[str]:
        return self.gateway_cors_origins or [self.storefront_url]

    @property
    def https_only(self) -> bool:
        return (self.gateway_https or ("Redirect" if self.environment == "production" else "Off")) == "Redirect"

    @property
    def log_sample(self) -> float:
        if self.gateway_log_sample is not None:
            return self.gateway_log_sample
        return 1.0 if self.environment == "development" else 0.1


class Wires(wiring.Wiring):
    """The gateway's adapters; its health shows the breakers, and no service behind them makes it unready."""

    upstreams: upstreams.Upstreams

    def health(self) -> actuator.Health:
        async def cache() -> Mapping[str, Any]:
            await self.cache.ping()
            return {}

        async def breakers() -> Mapping[str, Any]:
            return self.upstreams.breakers()

        return actuator.Health(components={"redis": cache, "breakers": breakers}, ready=())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.upstreams.aclose()
        await super().__aexit__(kind, error, traceback)


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> types.ASGIApp:
    """The gateway: a pure ASGI application in front of a small FastAPI one for its own pages."""
    wires = Wires(settings=settings, hub=hub)
    local: dict[str, registry.Instance] = {}
    wires.upstreams = upstreams.Upstreams(
        registry=wires.registry, clock=wires.clock, metrics=wires.metrics, pressure=wires.pressure, local=local
    )
    docs = documentation.Documentation(
        routes_=settings.gateway_routes, client=wires.http, clock=wires.clock, public_url=settings.public_url
    )
    own = asgi.create(wires=wires, ports=docs, routers=[api.router], on_start=_discovering(wires))
    local["gateway"] = registry.Instance(service="gateway", id="self", address="asgi://gateway", app=own)
    gatekeeper = access.Gatekeeper(
        verifier=wires.verifier,
        revocations=sessions.Revocations(wires.cache, metrics=wires.metrics),
        clock=wires.clock,
    )
    made = front.Front(
        own=own,
        reception=visits.Reception(settings.gateway_trusted_proxies),
        security=transportsecurity.Guard(
            hosts=settings.gateway_allowed_hosts, public_url=settings.public_url, https_only=settings.https_only
        ),
        cors=cors.Cors(settings.origins, public_origin=settings.public_url),
        table=routes.Table(settings.gateway_routes),
        gatekeeper=gatekeeper,
        quotas=quotas.Quotas(limits.Limiter(wires.cache), clock=wires.clock, metrics=wires.metrics),
        switches=switches.Switches(gatekeeper),
        upstreams=wires.upstreams,
        records=records.Records(
            metrics=wires.metrics, sample=settings.log_sample, slow_ms=settings.gateway_log_slow_ms
        ),
        docs={"Open": domain.Access.OPEN, "Admin": domain.Access.ADMIN, "Off": None}[settings.gateway_docs],
    )
    _tune(made, wires=wires, settings=settings)
    return made


def _tune(made: front.Front, *, wires: Wires, settings: Settings) -> None:
    """Follow the live settings, beginning with those of the start."""
    defaults = tuning.Defaults(
        origins=settings.origins,
        rate_limits=settings.gateway_rate_limits == "On",
        sample=settings.log_sample,
        slow_ms=settings.gateway_log_slow_ms,
        routes=settings.gateway_routes,
    )
    tuned = tuning.Tuning(defaults, front=made)
    tuned.apply(tuning.Document())
    wires.live.use(tuning.Document, tuned.apply, names=tuned.names)


def _discovering(wires: Wires) -> Callable[..., Awaitable[None]]:
    """The first request to a service must not be the one that waits for its whereabouts."""

    async def discover(*, ports: documentation.Documentation) -> None:
        await asyncio.gather(*(wires.registry.watch(service) for service in ports.services))

    return discover
