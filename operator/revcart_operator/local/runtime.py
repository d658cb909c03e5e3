"""All services of a platform in this process: what `revcart up` runs, and what the flow tests run.

Managed stores are embedded, files under the data folder; External ones are connected to.

async with runtime.Runtime(platform=platform, data=tmp_path, ports=ports.EPHEMERAL) as shop:
    shop.addresses["gateway"]   # "http://127.0.0.1:43211"
    shop.app("order")           # the ASGI application, with or without a port
"""

import asyncio
import contextlib
import difflib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from starlette.types import ASGIApp

from revcart.kit import clock as clocks
from revcart.kit import hub as hubs
from revcart.kit import serving, telemetry
from revcart_operator.local import externals, folder, modules, preparing, refusals, secrets, server, state
from revcart_operator.local import ports as port_binding
from revcart_operator.platform import catalogue, effective, spec, store, workload
from revcart_operator.render import references, settings, stores

HOST = "127.0.0.1"


def services_of(platform: spec.RevCartPlatform) -> tuple[catalogue.Service, ...]:
    """What runs for a platform: the eleven services, and paysim while payments are simulated."""
    simulated = platform.spec.services.payment.razorpay.mode is workload.RazorpayMode.SIMULATED
    return (*catalogue.SERVICES, *((catalogue.PAYSIM,) if simulated else ()))


class Runtime:
    """A platform in this process, durable under `data` (None: in a folder that goes with it).

    `port_offset` moves every port; `ports="ephemeral"` takes free ones instead. `serve=False` opens no port: the
    applications run and reach each other, tests reach them through `app`. `overrides`: service → setting (full name, as
    `REVCART_ORDER_UNPAID_SECONDS`, or the field's) → value. `only`: start just these services.
    """

    def __init__(
        self,
        *,
        platform: spec.RevCartPlatform,
        data: Path | None = None,
        port_offset: int = 0,
        ports: Literal["catalogue", "ephemeral"] = "catalogue",
        serve: bool = True,
        clock: clocks.Clock | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        only: Collection[str] | None = None,
        load: modules.Load = modules.load,
        on_state: Callable[[str, state.State], None] = lambda service, reached: None,
        on_progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.platform = effective.resolve(platform)
        self.services: Sequence[catalogue.Service] = [
            service for service in services_of(self.platform) if only is None or service.name in only
        ]
        self.addresses: dict[str, str] = {}
        self._data = data
        self._offset = None if ports == port_binding.EPHEMERAL else port_offset
        self._serve = serve
        self._clock = clock
        self._overrides = overrides or {}
        self._load = load
        self._on_state = on_state
        self._on_progress = on_progress
        self._stores: list[folder.Store] = []
        self._apps: dict[str, ASGIApp] = {}
        self._stack = contextlib.AsyncExitStack()

    def app(self, service: str) -> ASGIApp:
        """The application of a service that was started."""
        return self._apps[service]

    async def start(self) -> None:
        """Start everything, or nothing: raises a Refusal (or MissingSecret) with all that was begun undone."""
        async with contextlib.AsyncExitStack() as stack:
            place = folder.Folder(self._data or Path(stack.enter_context(_temporary())))
            place.prepare()
            stack.enter_context(place.held())
            bound = self._bind(stack)
            facts = self._facts(place, port_binding.numbers(bound))
            self.addresses.update(facts.addresses)
            external = externals.places(self.platform, self.services, facts.referred)
            self._stores = _stores(external)
            await externals.check(external)
            place.note(self._run(folder.STARTING))
            loaded = await self._load_all()
            self._refuse_unread_variables(loaded)
            await preparing.prepare(self.platform, self.services, facts=facts, tell=self._on_progress)
            hub = hubs.Hub(place.path, self._clock)
            await stack.enter_async_context(hub)
            self._apps = {
                service.name: self._create(service, loaded[service.name], facts=facts, hub=hub)
                for service in self.services
            }
            await stack.enter_async_context(self._living())
            await stack.enter_async_context(self._serving(bound))
            place.note(self._run(folder.SERVING))
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """First no more connections, then requests in flight, then the ends of services (outbox), last the hub."""
        for service in self._apps:
            self._on_state(service, state.State.STOPPING)
        await self._stack.aclose()
        for service in self._apps:
            self._on_state(service, state.State.STOPPED)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _refuse_unread_variables(self, loaded: Mapping[str, modules.ServiceModule]) -> None:
        """A setting in the CR's `env` that no service reads is a slip of the pen; services would pass over it."""
        read = {name for module in loaded.values() for name in modules.names(module.Settings)}
        for service in self.services:
            if service is catalogue.PAYSIM:
                continue
            for variable in self.platform.spec.services.of(service.name).env:
                if variable.name.startswith("REVCART_") and variable.name not in read:
                    close = difflib.get_close_matches(variable.name, read, n=1)
                    raise refusals.UnreadVariable(name=variable.name, meant=close[0] if close else "")

    def _run(self, phase: str) -> folder.Run:
        pid = os.getpid()
        return folder.Run(
            pid=pid,
            started=folder.start_time(pid),
            platform=self.platform.name,
            state=phase,
            since=clocks.to_text(clocks.System().now()),
            addresses=self.addresses,
            stores=self._stores,
        )

    def _bind(self, stack: contextlib.AsyncExitStack) -> dict[str, socket.socket]:
        if not self._serve:
            return {}
        bound = port_binding.bind(self.services, host=HOST, offset=self._offset)
        for sock in bound.values():
            stack.callback(sock.close)
        return bound

    def _facts(self, place: folder.Folder, numbers: Mapping[str, int]) -> settings.Facts:
        numbers = numbers or {service.name: service.port for service in self.services}
        gateway = numbers.get("gateway", catalogue.BY_NAME["gateway"].port)
        return settings.Facts(
            host=HOST,
            ports=numbers,
            databases={
                **{
                    service.database: f"sqlite+aiosqlite:///{place.database(service.database)}"
                    for service in catalogue.SERVICES
                    if service.database
                },
                catalogue.PAYSIM.database: f"sqlite:///{place.database(catalogue.PAYSIM.database)}",
            },
            documents={
                service.documents: f"sqlite-documents:///{place.documents(service.documents)}"
                for service in catalogue.SERVICES
                if service.documents
            },
            cache_url="memory://",
            bus_url="memory://",
            registry_url="memory://",
            public_url=f"http://localhost:{gateway}",
            storefront_url="http://localhost:4200",
            razorpay_url=f"http://{HOST}:{numbers.get(catalogue.PAYSIM.name, catalogue.PAYSIM.port)}",
            secrets=secrets.load_or_make(place.secrets),
            addresses={service.name: f"http://{HOST}:{numbers[service.name]}" for service in self.services},
            referred=references.References(values=place.referred(), folder=str(place.path / "secrets")),
        )

    async def _load_all(self) -> dict[str, modules.ServiceModule]:
        loaded = {}
        for service in self.services:
            self._on_state(service.name, state.State.STARTING)
            loaded[service.name] = self._load(service)
            await asyncio.sleep(0)  # let a live table draw
        return loaded

    def _create(
        self,
        service: catalogue.Service,
        module: modules.ServiceModule,
        *,
        facts: settings.Facts,
        hub: hubs.Hub,
    ) -> ASGIApp:
        values = settings.of(self.platform, service=service.name, facts=facts)
        made = modules.make_settings(
            module.Settings,
            service=service.name,
            values={**values, **_full_names(service, self._overrides.get(service.name, {}))},
        )
        try:
            return module.create_app(made) if service is catalogue.PAYSIM else module.create_app(made, hub=hub)
        except ValueError as error:  # how a service refuses a setting
            raise refusals.FailedToStart(service=service.name, why=str(error)) from error

    @contextlib.asynccontextmanager
    async def _living(self) -> AsyncIterator[None]:
        """The lifespans, started and stopped side by side; when one fails, those that began are ended."""
        lifespans = {service: server.Lifespan(app) for service, app in self._apps.items()}
        try:
            await _together(lifespans, self._begin)
            yield
        finally:
            await asyncio.gather(*(lifespan.stop() for lifespan in lifespans.values()), return_exceptions=True)

    async def _begin(self, service: str, lifespan: server.Lifespan) -> None:
        try:
            with telemetry.context(service=service):
                await lifespan.start()
        except (RuntimeError, TimeoutError) as error:
            self._on_state(service, state.State.FAILED)
            why = "it took too long" if isinstance(error, TimeoutError) else str(error)
            raise refusals.FailedToStart(service=service, why=why) from error
        if not self._serve:
            self._on_state(service, state.State.UP)

    @contextlib.asynccontextmanager
    async def _serving(self, bound: Mapping[str, socket.socket]) -> AsyncIterator[None]:
        servers = {service: server.Server(self._apps[service], sock) for service, sock in bound.items()}
        ticking = asyncio.create_task(_tick(list(servers.values())))
        try:
            for service, each in servers.items():
                await each.start()
                self._on_state(service, state.State.UP)
            yield
        finally:
            # The gateway first: its requests in flight may still need connections to the others.
            if gateway := servers.pop("gateway", None):
                await self._withdraw("gateway")
                await asyncio.gather(gateway.stop(), return_exceptions=True)
            await self._withdraw(*servers)  # what others call must not be found where it has gone
            await asyncio.gather(*(each.stop() for each in servers.values()), return_exceptions=True)
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)

    async def _withdraw(self, *services: str) -> None:
        await asyncio.gather(*(serving.withdraw(self._apps[service]) for service in services), return_exceptions=True)


async def _together(
    lifespans: Mapping[str, server.Lifespan],
    begin: Callable[[str, server.Lifespan], Any],
) -> None:
    """Start all, and raise the first refusal once every start has ended, so that none is left half way."""
    outcomes = await asyncio.gather(
        *(begin(service, lifespan) for service, lifespan in lifespans.items()), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _tick(servers: Sequence[server.Server]) -> None:
    while True:
        await asyncio.sleep(1)
        for each in servers:
            await each.tick()


def _stores(external: Sequence[stores.Place]) -> list[folder.Store]:
    addresses = {place.store: place.hosts for place in external}
    return [
        folder.Store(
            name=name, kind=folder.EXTERNAL if name in addresses else folder.EMBEDDED, address=addresses.get(name, "")
        )
        for name in store.NAMES
    ]


def _full_names(service: catalogue.Service, given: Mapping[str, Any]) -> dict[str, Any]:
    prefix = "REVCART_PAYSIM_" if service is catalogue.PAYSIM else "REVCART_"
    return {name if name.isupper() else f"{prefix}{name.upper()}": value for name, value in given.items()}


@contextlib.contextmanager
def _temporary() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="revcart-", ignore_cleanup_errors=True) as path:
        yield path
