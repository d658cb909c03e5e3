"""Chooses a service's adapters by the scheme of their URLs, and opens and closes them with the application.

| setting | embedded | real (adapters follow) |
|---|---|---|
| `REVCART_DATABASE_URL` | `sqlite+aiosqlite://` | `mysql+aiomysql://` |
| `REVCART_DOCUMENTS_URL` | `sqlite-documents://` | `mongodb://` |
| `REVCART_CACHE_URL` | `memory://` | `redis://` |
| `REVCART_BUS_URL` | `memory://` | `kafka://` |
| `REVCART_REGISTRY_URL` | `memory://` | `consul://`, or without a registry `dns://`, `static://` |
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self

import sqlalchemy
from starlette.types import ASGIApp

from revcart.kit import (
    actuator,
    auth,
    bus,
    cache,
    database,
    documents,
    events,
    http,
    hub,
    idempotency,
    ids,
    live,
    migrations,
    outbox,
    registry,
    settings,
    telemetry,
)


class Wiring:
    """The adapters of one service. A port that is asked for is opened when the application starts."""

    def __init__(self, *, settings: settings.Settings, hub: hub.Hub | None = None) -> None:
        self.settings = settings
        self._hub = hub or _own_hub()
        self._owns_hub = hub is None
        self.clock = self._hub.clock
        self.pressure = self._hub.pressure
        self.metrics = telemetry.Metrics(settings.service)
        self.registry = registry.connect(
            settings.registry_url,
            memory=self._hub.registry,
            names=registry.Names(
                template=settings.registry_dns_template,
                ports=settings.registry_ports,
                static=settings.registry_static,
            ),
            metrics=self.metrics,
        )
        self.live = live.Live(
            live.connect(settings.registry_url, folder=settings.config_dir),
            service=settings.service,
            metrics=self.metrics,
        )
        self.bus = bus.connect(settings.bus_url, memory=self._hub.bus, metrics=self.metrics)
        self.cache = cache.connect(settings.cache_url, memory=self._hub.cache, metrics=self.metrics)
        self.service_tokens = auth.ServiceTokens(settings.service_token_secrets, clock=self.clock)
        self.http = http.Client(
            caller=settings.service,
            registry=self.registry,
            tokens=self.service_tokens,
            clock=self.clock,
            metrics=self.metrics,
            pressure=self.pressure,
            total_seconds=settings.call_timeout_seconds,
        )
        self._keys = self._hub.keys or auth.JwksKeys(self.http, settings.jwt_jwks_url, clock=self.clock)
        self.verifier = auth.Verifier(settings=settings, keys=self._keys, clock=self.clock)
        self.stream = events.Stream(bus=self.bus, service=settings.service, clock=self.clock, metrics=self.metrics)
        self._databases: list[tuple[database.Database, sqlalchemy.MetaData]] = []
        self._documents: list[documents.Documents] = []
        self._instance: registry.Instance | None = None
        self._stack = contextlib.AsyncExitStack()

    def database(self, metadata: sqlalchemy.MetaData) -> database.Database:
        """The service's SQL database with the tables of `metadata`."""
        made = database.Database(
            self.settings.database_url,
            service=self.settings.service,
            clock=self.clock,
            pool_size=self.settings.database_pool_size,
            metrics=self.metrics,
        )
        self._databases.append((made, metadata))
        return made

    def documents(self) -> documents.Documents:
        """The service's document store."""
        made = documents.Documents(self.settings.documents_url)
        self._documents.append(made)
        return made

    def health(self) -> actuator.Health:
        """Probes of the adapters in use; the service is ready when its own stores are."""
        probes: dict[str, actuator.Probe] = {}
        for made, _ in self._databases:
            probes["db"] = _pinging(made)
        for store in self._documents:
            probes["mongo"] = _pinging(store)
        ready = tuple(probes)
        return actuator.Health(
            components={
                **probes,
                "redis": _pinging(self.cache),
                "kafka": _pinging(self.bus),
                "discoveryComposite": _pinging(self.registry),
            },
            ready=ready,
        )

    @contextlib.asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """Send what the outbox holds, as long as the block runs; drain it at the end."""
        async with contextlib.AsyncExitStack() as stack:
            for made, metadata in self._databases:
                if outbox.TABLE in metadata.tables:
                    await stack.enter_async_context(
                        outbox.relaying(database=made, bus=self.bus, pressure=self.pressure)
                    )
            yield

    @contextlib.asynccontextmanager
    async def announced(self, app: ASGIApp, *, health: actuator.Health) -> AsyncIterator[None]:
        """Tell the registry that this instance takes calls, as long as the block runs or until it is withdrawn."""
        self._instance = self._own_instance(app, health)
        await self.registry.register(self._instance)
        try:
            yield
        finally:
            await self.withdraw()

    async def withdraw(self) -> None:
        """Get no more calls. A server says so before it drains, its lifespan at its end."""
        instance, self._instance = self._instance, None
        if instance is not None:
            await self.registry.deregister(instance)

    def _own_instance(self, app: ASGIApp, health: actuator.Health) -> registry.Instance:
        name = self.settings.service
        unique = f"{name}-{ids.uuid7()}"
        if self.registry is self._hub.registry:
            return registry.Instance(service=name, id=unique, address=f"asgi://{name}", app=app)
        host = self.settings.advertise_host or self.settings.host
        host = f"[{host}]" if ":" in host else host

        async def ready() -> bool:
            return (await health.readiness())[0] in ("UP", "UNKNOWN")

        return registry.Instance(service=name, id=unique, address=f"http://{host}:{self.settings.port}", ready=ready)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            if self._owns_hub:
                await stack.enter_async_context(self._hub)
            stack.callback(telemetry.configure_tracing(self.settings))
            for made, metadata in self._databases:
                stack.push_async_callback(made.close)
                await made.open(metadata)
                await migrations.ready(made)
                await idempotency.free_abandoned(made)
            for store in self._documents:
                await store.open()
                stack.push_async_callback(store.close)
            await self.cache.open()
            stack.push_async_callback(self.cache.close)
            stack.push_async_callback(self.registry.close)
            stack.push_async_callback(self.http.close)
            if isinstance(self._keys, auth.JwksKeys) and self.verifier.keys is self._keys:
                await stack.enter_async_context(_beside(self._keys.learn()))
            await self.live.start()
            stack.push_async_callback(self.live.stop)
            if self.bus is not self._hub.bus:
                stack.push_async_callback(self.bus.close)
                await self.bus.open()
            await self.stream.start()
            stack.push_async_callback(self.stream.stop)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()


def _own_hub() -> hub.Hub:
    return hub.Hub()


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` beside the block, no longer than that."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _pinging(store: Any) -> actuator.Probe:
    async def probe() -> Mapping[str, Any]:
        await store.ping()
        return {}

    return probe
