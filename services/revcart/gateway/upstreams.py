"""The services behind the gateway: bounds, a breaker for each, an instance for each try, and at most one more try."""

import asyncio
import contextlib
import dataclasses
import hashlib
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

from revcart.gateway import domain, visits
from revcart.kit import balancer, breaker, clock, errors, pressure, registry, telemetry, transport

IN_FLIGHT_PER_SERVICE: Final = 1_000
IN_FLIGHT: Final = 5_000
RETRY_WAIT_SECONDS: Final = 0.05

_ALWAYS: Final = frozenset({"GET", "HEAD"})
_UNSENT_ONLY: Final = frozenset({"PUT", "DELETE"})


class _Again(Exception):
    """This try came to nothing that the client should see, and another may be made."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """When the breaker of a service opens and for how long, and which share of its requests may be tried again."""

    failures: int = 5
    ratio: float = 0.5
    open_seconds: int = 10
    retries: float = 0.1


class _Service:
    def __init__(self, clock: clock.Clock, rules: Rules) -> None:
        self.breaker = breaker.Breaker(clock=clock)
        self.budget = balancer.Budget()
        self.in_flight = 0
        self.tune(rules)

    def tune(self, rules: Rules) -> None:
        self.breaker.tune(failures=rules.failures, ratio=rules.ratio, open_seconds=rules.open_seconds)
        self.budget.tune(ratio=rules.retries)


class Deadline:
    """When the answer must have begun. A body that is still coming in puts it off."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._limit: asyncio.Timeout | None = None
        self.at = self._loop.time() + seconds

    def restart(self, seconds: float | None = None) -> None:
        self.at = self._loop.time() + (self._seconds if seconds is None else seconds)
        if self._limit is not None:
            self._limit.reschedule(self.at)

    @contextlib.asynccontextmanager
    async def limit(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self.at) as self._limit:
                yield
        finally:
            self._limit = None


class Upstreams:
    """Opens exchanges. `local`: services that this process answers itself, by an instance of its own."""

    def __init__(
        self,
        *,
        registry: registry.Registry,
        clock: clock.Clock,
        metrics: telemetry.Metrics,
        pressure: pressure.Pressure,
        local: Mapping[str, registry.Instance],
    ) -> None:
        self.transport = transport.Transport()
        self._registry = registry
        self._clock = clock
        self._pressure = pressure
        self._local = local
        self._balancer = balancer.Balancer(registry=registry, clock=clock)
        self._services: dict[str, _Service] = {}
        self._rules = Rules()
        self._in_flight = 0
        self._retries = metrics.counter("revcart_gateway_retries_total", "Second tries", ("service",))
        self._state = metrics.gauge("revcart_gateway_breaker_state", "0 closed, 1 half open, 2 open", ("service",))

    @contextlib.asynccontextmanager
    async def exchange(
        self,
        visit: visits.Visit,
        route: domain.Route,
        *,
        request: transport.Request,
        deadline: Deadline,
    ) -> AsyncIterator[transport.Exchange]:
        """The answer of the route's service, begun before `deadline`.

        Raises Overloaded, DependencyUnavailable (503), BadUpstream (502), UpstreamTimeout (504).
        """
        with self._slot(route.service) as service:
            service.budget.earn()
            async with contextlib.AsyncExitStack() as stack:
                yield await self._tries(visit, route, request=request, deadline=deadline, stack=stack)

    @contextlib.contextmanager
    def socket(self, visit: visits.Visit, route: domain.Route) -> Iterator[tuple[registry.Instance, breaker.Permit]]:
        """An instance for a WebSocket, and the permit to report to once it is, or is not, connected."""
        with self._slot(route.service) as service, self._admitted(service, visit, route) as permit:
            instance = self._pick(visit, route, tried=())
            with self._balancer.busy(instance):
                yield instance, permit

    def tune(self, rules: Rules) -> None:
        """Other rules for all services from now on; what is in flight is not touched."""
        self._rules = rules
        for service in self._services.values():
            service.tune(rules)

    def breakers(self) -> dict[str, str]:
        """The state of each service's breaker."""
        return {name: service.breaker.state.value for name, service in self._services.items()}

    async def aclose(self) -> None:
        await self.transport.close()

    @contextlib.contextmanager
    def _slot(self, name: str) -> Iterator[_Service]:
        service = self._services.get(name)
        if service is None:
            service = self._services[name] = _Service(self._clock, self._rules)
            self._state.labels(name).set_function(lambda: service.breaker.state.level)
        if service.in_flight >= IN_FLIGHT_PER_SERVICE or self._in_flight >= IN_FLIGHT:
            raise domain.Overloaded(retry_after=1)
        service.in_flight += 1
        self._in_flight += 1
        try:
            yield service
        finally:
            service.in_flight -= 1
            self._in_flight -= 1

    @contextlib.contextmanager
    def _admitted(self, service: _Service, visit: visits.Visit, route: domain.Route) -> Iterator[breaker.Permit]:
        visit.breaker = service.breaker.state.value
        try:
            permit = service.breaker.admit()
        except breaker.Open as open_:
            raise errors.DependencyUnavailable(route.service, retry_after=open_.retry_after) from None
        with permit:
            yield permit

    async def _tries(
        self,
        visit: visits.Visit,
        route: domain.Route,
        *,
        request: transport.Request,
        deadline: Deadline,
        stack: contextlib.AsyncExitStack,
    ) -> transport.Exchange:
        tried: list[str] = []
        try:
            return await self._one_try(visit, route, request=request, deadline=deadline, stack=stack, tried=tried)
        except _Again:
            # Not stamina, as elsewhere: entering its loop costs each request a quarter of what the gateway may take.
            await asyncio.sleep(RETRY_WAIT_SECONDS * random.uniform(0.5, 1.5))
        return await self._one_try(visit, route, request=request, deadline=deadline, stack=stack, tried=tried)

    async def _one_try(
        self,
        visit: visits.Visit,
        route: domain.Route,
        *,
        request: transport.Request,
        deadline: Deadline,
        stack: contextlib.AsyncExitStack,
        tried: list[str],
    ) -> transport.Exchange:
        service = self._services[route.service]
        with self._admitted(service, visit, route) as permit:
            instance = self._pick(visit, route, tried=tried)
            tried.append(instance.id)
            visit.service, visit.instance, visit.tries = route.service, instance.id, len(tried)
            attempt = contextlib.AsyncExitStack()
            try:
                async with deadline.limit():
                    attempt.enter_context(self._balancer.busy(instance))
                    exchange = await attempt.enter_async_context(self.transport.exchange(instance, request))
                if visit.failure is not None:
                    raise visit.failure
                self._balancer.reached(instance)
                self._judge(exchange, permit)
                if exchange.status in (502, 503):
                    self._again(visit, route, sent=True)
            except transport.Failure as error:
                await attempt.aclose()
                self._failed(error, visit, instance=instance, permit=permit)
                self._again(visit, route, sent=not isinstance(error, transport.NotConnected), error=error)
                raise _refusal(error, route) from error
            except BaseException:
                await attempt.aclose()
                raise
            stack.push_async_exit(attempt.pop_all())
            return exchange

    def _failed(
        self,
        error: Exception,
        visit: visits.Visit,
        *,
        instance: registry.Instance,
        permit: breaker.Permit,
    ) -> None:
        """Put a failure down to the service, unless the client broke off or was slow, or we are late ourselves."""
        if visit.failure is not None:
            raise visit.failure from error
        if isinstance(error, transport.NotConnected):
            self._balancer.unreachable(instance)
        late = isinstance(error, TimeoutError) and self._pressure.high
        if not visit.uploading and not late:
            permit.failed()

    def _pick(
        self, visit: visits.Visit, route: domain.Route, *, tried: list[str] | tuple[str, ...]
    ) -> registry.Instance:
        if route.service in self._local:
            return self._local[route.service]
        instance = self._sticky(visit, route) or self._balancer.pick(route.service, exclude=tried)
        if instance is None:
            raise errors.DependencyUnavailable(route.service)
        return instance

    def _sticky(self, visit: visits.Visit, route: domain.Route) -> registry.Instance | None:
        """A SockJS session, `/ws/{server}/{session}/…`, lives on one instance, the same one for all replicas."""
        if route.limit != "realtime" or visit.segments is None or len(visit.segments) < 4:
            return None
        session = visit.segments[2]
        known = self._registry.instances(route.service)
        return max(known, key=lambda it: hashlib.sha256(f"{session}|{it.id}".encode()).digest(), default=None)

    def _judge(self, exchange: transport.Exchange, permit: breaker.Permit) -> None:
        busy = exchange.status == 503 and any(name == b"retry-after" for name, _ in exchange.headers)
        if exchange.status in (502, 503, 504) and not busy:
            permit.failed()
        else:
            permit.succeeded()

    def _again(self, visit: visits.Visit, route: domain.Route, *, sent: bool, error: Exception | None = None) -> None:
        """Raises _Again when the rules and the budget allow another try."""
        keyed = visit.method == "POST" and b"idempotency-key" in visit.headers
        allowed = visit.method in _ALWAYS or (not sent and (visit.method in _UNSENT_ONLY or keyed))
        if not allowed or visit.tries > 1 or not route.repeatable or isinstance(error, TimeoutError):
            return
        if self._services[route.service].budget.spend():
            self._retries.labels(route.service).inc()
            raise _Again


def _refusal(error: Exception, route: domain.Route) -> errors.RevCartError:
    if isinstance(error, transport.NotConnected):
        return errors.DependencyUnavailable(route.service)
    return domain.UpstreamTimeout() if isinstance(error, TimeoutError) else domain.BadUpstream()
