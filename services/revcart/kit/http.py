"""Calls between services: by name, balanced, bounded in time, retried within a budget, behind a breaker per callee."""

import asyncio
import dataclasses
import json as jsonlib
from collections.abc import Mapping
from typing import Any, Final, Protocol

import stamina

from revcart.kit import balancer, breaker, clock, errors, pressure, registry, telemetry, tokens, tracing, transport

IDEMPOTENT_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
RETRY_WAIT_SECONDS: Final = 0.05
LARGEST_ANSWER: Final = 32 * 1024 * 1024  # bytes; what is called is ours, so this only bounds a bug


class Tokens(Protocol):
    """What makes service tokens: `tokens.ServiceTokens`."""

    def mint(self, service: str, callee: str, acting_for: tokens.Actor | None = None) -> str: ...


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A 2xx or 3xx answer, read to its end; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """The body as JSON, None when there is none."""
        return jsonlib.loads(self.body) if self.body else None


class Trouble(Exception):
    """One try came to nothing. `sent`: whether the callee may have seen the request; `counts`: against its breaker."""

    def __init__(self, why: str, *, sent: bool, counts: bool = True, again: bool = True, retry_after: int = 1) -> None:
        super().__init__(why)
        self.sent, self.counts, self.again, self.retry_after = sent, counts, again, retry_after


class _Callee:
    def __init__(self, clock: clock.Clock) -> None:
        self.breaker = breaker.Breaker(clock=clock)
        self.budget = balancer.Budget()


class Client:
    """The calls of one service to others. `caller` is its name; `total_seconds` bounds a call with all its tries."""

    def __init__(
        self,
        *,
        caller: str,
        registry: registry.Registry,
        tokens: Tokens,
        clock: clock.Clock,
        metrics: telemetry.Metrics,
        pressure: pressure.Pressure,
        total_seconds: float = 2.0,
    ) -> None:
        self._caller = caller
        self._tokens = tokens
        self._clock = clock
        self._pressure = pressure
        self._total_seconds = total_seconds
        self._registry = registry
        self._balancer = balancer.Balancer(registry=registry, clock=clock)
        self._transport = transport.Transport()
        self._callees: dict[str, _Callee] = {}
        self._state = metrics.gauge(*breaker.METRIC)

    async def call(
        self,
        callee: str,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        acting_for: tokens.Actor | None = None,
        bearer: str | None = None,
        timeout: float | None = None,
        idempotent: bool | None = None,
    ) -> Answer:
        """Call `callee`; a service token is minted for it, naming `acting_for`, unless a `bearer` token is given.

        A call that may be repeated (by its method, or `idempotent=True`) is tried twice at most; one of which nothing
        was sent always may. `timeout`: seconds for all tries, if not the client's own.
        Raises errors.Refused for a 4xx, errors.DependencyUnavailable when there is no answer or a 5xx.
        """
        token = bearer or self._tokens.mint(self._caller, callee, acting_for)
        request = transport.Request(
            method=method,
            target=transport.target(path, params),
            headers=_headers(token, has_json=json is not None, extra=headers),
            body=b"" if json is None else jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":")).encode(),
        )
        repeatable = method in IDEMPOTENT_METHODS if idempotent is None else idempotent
        deadline = asyncio.get_running_loop().time() + (timeout or self._total_seconds)
        try:
            return await self._tries(callee, request, repeatable=repeatable, deadline=deadline)
        except (Trouble, breaker.Open) as error:
            raise errors.DependencyUnavailable(callee, retry_after=error.retry_after) from error

    async def close(self) -> None:
        await self._transport.close()

    def breaker_states(self) -> dict[str, breaker.State]:
        """The breaker of each service called so far, for `/actuator/health`."""
        return {name: callee.breaker.state for name, callee in self._callees.items()}

    async def _tries(
        self,
        name: str,
        request: transport.Request,
        *,
        repeatable: bool,
        deadline: float,
    ) -> Answer:
        callee = self._callees.get(name) or await self._first_call(name)
        callee.budget.earn()

        tried: list[str] = []

        def worth_another(error: Exception) -> bool:
            wanted = isinstance(error, Trouble) and error.again and (repeatable or not error.sent)
            return wanted and len(tried) == 1 and callee.budget.spend()

        async for attempt in stamina.retry_context(
            on=worth_another,
            attempts=2,
            timeout=None,
            wait_initial=RETRY_WAIT_SECONDS,
            wait_jitter=RETRY_WAIT_SECONDS,
        ):
            with attempt:
                return await self._one_try(name, request, callee=callee, tried=tried, deadline=deadline)
        raise AssertionError("stamina ends its tries by an answer or an error")

    async def _first_call(self, name: str) -> _Callee:
        await self._registry.watch(name)
        if name not in self._callees:
            made = self._callees[name] = _Callee(self._clock)
            self._state.labels(name).set_function(lambda: made.breaker.state.level)
        return self._callees[name]

    async def _one_try(
        self,
        name: str,
        request: transport.Request,
        *,
        callee: _Callee,
        tried: list[str],
        deadline: float,
    ) -> Answer:
        with callee.breaker.admit() as permit:
            instance = self._balancer.pick(name, exclude=tried)
            tried.append(instance.id if instance else "")
            try:
                if instance is None:
                    raise Trouble(f"no instance of {name} is known", sent=False, again=False, counts=False)
                answer = await self._exchange(instance, request, deadline=deadline)
            except Trouble as error:
                if error.counts:
                    permit.failed()
                raise
            permit.succeeded()
        if 400 <= answer.status < 500:
            raise errors.Refused(status=answer.status, problem=_problem(answer), headers=answer.headers)
        return answer

    async def _exchange(
        self,
        instance: registry.Instance,
        request: transport.Request,
        *,
        deadline: float,
    ) -> Answer:
        try:
            with self._balancer.busy(instance):
                async with asyncio.timeout_at(deadline), self._transport.exchange(instance, request) as exchange:
                    self._balancer.reached(instance)
                    answer = await _read(exchange)
        except transport.NotConnected as error:
            self._balancer.unreachable(instance)
            raise Trouble(str(error), sent=False) from error
        except transport.BrokenOff as error:
            raise Trouble(str(error), sent=True) from error
        except TimeoutError as error:
            # Where this process itself is late, that says nothing about the callee.
            raise Trouble("it was too slow", sent=True, again=False, counts=not self._pressure.high) from error
        if answer.status >= 500:
            raise _trouble(answer)
        return answer


async def _read(exchange: transport.Exchange) -> Answer:
    body = bytearray()
    async for piece in exchange.pieces():
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise transport.BrokenOff("the answer is too large")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.headers}
    return Answer(status=exchange.status, headers=headers, body=bytes(body))


def _trouble(answer: Answer) -> Trouble:
    """What a 5xx means: 502, 503 and 504 that the callee is down, any other that it has a bug and answers."""
    given = answer.headers.get("retry-after", "")
    own_retry_after = answer.status == 503 and given.isdigit()
    return Trouble(
        f"it answered {answer.status}",
        sent=True,
        counts=answer.status in (502, 503, 504) and not own_retry_after,
        again=answer.status in (502, 503),
        retry_after=int(given) if own_retry_after else 1,
    )


def _headers(token: str, *, has_json: bool, extra: Mapping[str, str] | None) -> transport.Headers:
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "traceparent": tracing.child_of(telemetry.traceparent.get()),
        "x-request-id": telemetry.request_id.get(),
    }
    if has_json:
        headers["content-type"] = "application/json"
    headers.update({name.lower(): value for name, value in (extra or {}).items()})
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items() if value]


def _problem(answer: Answer) -> Mapping[str, Any]:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    return problem if isinstance(problem, dict) else {"detail": "Refused.", "status": answer.status}
