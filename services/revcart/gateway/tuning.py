"""The gateway's live settings: the document's shape, and how it reaches the parts. Keys: contract/gateway.md."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, Self

import pydantic

from revcart.gateway import cors, domain, front, quotas, routes, upstreams
from revcart.kit import live

Amount = Annotated[int, pydantic.Field(ge=1, le=1_000_000)]
Pattern = Annotated[str, pydantic.Field(pattern=r"^/[^?#\s]*$", max_length=200)]
Origin = Annotated[str, pydantic.AfterValidator(cors.origin)]


def _named(kind: str) -> Callable[[str, pydantic.ValidationInfo], str]:
    """Validates a name against those of `kind` in the context."""

    def check(name: str, info: pydantic.ValidationInfo) -> str:
        if name not in (info.context or {})[kind]:
            raise ValueError(f"there is no such {kind}: {name}")
        return name

    return check


Service = Annotated[str, pydantic.AfterValidator(_named("service"))]


class ClassLimits(live.Part):
    """Requests per minute."""

    user: Amount | None = None
    address: Amount | None = None


class RateLimits(live.Part):
    """A switch, and amounts by class."""

    model_config = pydantic.ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, ClassLimits]

    enabled: bool | None = None

    @property
    def classes(self) -> dict[str, ClassLimits]:
        return self.__pydantic_extra__

    @pydantic.model_validator(mode="after")
    def _limits_exist(self) -> Self:
        for name, amounts in self.classes.items():
            known = quotas.POLICIES.get(name)
            if known is None:
                raise ValueError(f"there is no such class: {name}")
            if (amounts.user and not known.user) or (amounts.address and not known.address):
                raise ValueError(f"{name} is not limited that way")
        return self


class Cors(live.Part):
    origins: Annotated[list[Origin], pydantic.Field(max_length=100)] | None = None


class Breaker(live.Part):
    failures: int = pydantic.Field(default=upstreams.Rules.failures, ge=1, le=1000)
    open_seconds: int = pydantic.Field(default=upstreams.Rules.open_seconds, ge=1, le=600)
    ratio: float = pydantic.Field(default=upstreams.Rules.ratio, gt=0, le=1)


class Retry(live.Part):
    budget: float = pydantic.Field(default=upstreams.Rules.retries, ge=0, le=1)


class Log(live.Log):
    sample: float | None = pydantic.Field(default=None, ge=0, le=1)
    slow_ms: int | None = pydantic.Field(default=None, ge=0)


class Maintenance(live.Part):
    """`allow`: paths that stay open to all, as in the route table (`/api/payments/webhook`, `/api/products/**`)."""

    enabled: bool = False
    message: str = pydantic.Field(default="The shop is closed for maintenance. Please come back soon.", max_length=500)
    allow: list[Pattern] = pydantic.Field(default=[], max_length=100)

    @pydantic.field_validator("allow")
    @classmethod
    def _stars_end(cls, patterns: list[str]) -> list[str]:
        if any("**" in pattern.removesuffix("/**") for pattern in patterns):
            raise ValueError("** stands at the end, after a slash")
        return patterns


class Route(live.Part):
    disabled: bool = False


class Document(live.Document):
    rate_limits: RateLimits = RateLimits()
    cors: Cors = Cors()
    breaker: Breaker = Breaker()
    timeouts: dict[Service, Annotated[float, pydantic.Field(ge=0.1, le=60)]] = {}
    retry: Retry = Retry()
    log: Log = Log()
    maintenance: Maintenance = Maintenance()
    routes: dict[Service, Route] = {}


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What holds where a document is silent."""

    origins: Collection[str]
    rate_limits: bool
    sample: float
    slow_ms: int
    routes: Collection[domain.Route]


class Tuning:
    """Hands a document to the parts, all in one step of the loop: no request sees half of it."""

    def __init__(self, defaults: Defaults, *, front: front.Front) -> None:
        self._defaults = defaults
        self._front = front

    @property
    def names(self) -> dict[str, Collection[str]]:
        """What a document may name."""
        return {"service": {route.service for route in self._defaults.routes}}

    def apply(self, document: Document) -> None:
        defaults = self._defaults
        self._front.cors.allow(defaults.origins if document.cors.origins is None else document.cors.origins)
        self._limit(document.rate_limits)
        self._front.upstreams.tune(upstreams.Rules(**document.breaker.model_dump(), retries=document.retry.budget))
        self._front.records.tune(
            sample=_or(document.log.sample, defaults.sample), slow_ms=_or(document.log.slow_ms, defaults.slow_ms)
        )
        self._front.switches.set(
            disabled=[name for name, route in document.routes.items() if route.disabled],
            maintenance=document.maintenance.enabled,
            message=document.maintenance.message,
            allow=document.maintenance.allow,
        )
        self._front.table = routes.Table(_timed(route, document.timeouts) for route in defaults.routes)

    def _limit(self, wanted: RateLimits) -> None:
        self._front.quotas.enabled = _or(wanted.enabled, self._defaults.rate_limits)
        self._front.quotas.policies = quotas.POLICIES | {
            name: quotas.POLICIES[name].with_amounts(user=amounts.user, address=amounts.address)
            for name, amounts in wanted.classes.items()
        }


def _timed(route: domain.Route, seconds: dict[str, float]) -> domain.Route:
    return route.model_copy(update={"seconds": seconds[route.service]}) if route.service in seconds else route


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
