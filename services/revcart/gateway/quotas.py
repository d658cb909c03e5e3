"""How much one caller may ask: classes of rate limits, counted together by all replicas.

With the cache away nobody is refused (losing the check beats losing the shop), but sign-in, where guessing passwords
must stay slow, falls back to a count of this process.
"""

import collections
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from revcart.gateway import visits
from revcart.kit import clock, errors, limits, telemetry

LOCAL_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`amount` per `seconds`; `name` as in `RateLimit-Policy`."""

    name: str
    amount: int
    seconds: int = 60
    burst: int | None = None

    def limit(self, who: str) -> limits.Limit:
        return limits.Limit(
            key=f"limit:{self.name}:{who}", quota=self.amount, window_seconds=self.seconds, burst=self.burst
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Of one class: what a signed-in user has, and what an address has otherwise. Empty: not limited that way."""

    user: tuple[Quota, ...] = ()
    address: tuple[Quota, ...] = ()

    def with_amounts(self, *, user: int | None, address: int | None) -> "Policy":
        """With other amounts per minute; None leaves one as it is. Longer quotas and bursts change in proportion."""
        return Policy(user=_scaled(self.user, user), address=_scaled(self.address, address))


def _scaled(quotas: tuple[Quota, ...], amount: int | None) -> tuple[Quota, ...]:
    if amount is None or not quotas:
        return quotas
    base = quotas[0].amount
    return tuple(
        replace(
            quota,
            amount=quota.amount * amount // base,
            burst=None if quota.burst is None else max(1, quota.burst * amount // base),
        )
        for quota in quotas
    )


def _policy(name: str, *, user: int = 0, address: int = 0) -> Policy:
    return Policy(
        user=(Quota(name=name, amount=user),) if user else (),
        address=(Quota(name=name, amount=address),) if address else (),
    )


POLICIES: Final = {
    "default": _policy("default", user=300, address=120),
    "browse": _policy("browse", user=600, address=300),
    "search": _policy("search", user=120, address=60),
    "checkout": _policy("checkout", user=20),
    "login": Policy(
        address=(
            Quota(name="login", amount=10, burst=10),
            Quota(name="login-hour", amount=100, seconds=3600, burst=100),
        )
    ),
    "webhook": _policy("webhook", address=1200),
    "track": _policy("track", user=120, address=60),
    "ping": _policy("ping", user=120),
    "admin": _policy("admin", user=600),
    "realtime": _policy("realtime", address=1200),
    "realtime-session": _policy("realtime-session", address=60),
}
WHOLE_ADDRESS: Final = Quota(name="address", amount=1500)


class Quotas:
    """Counts each request once, against its address as a whole and its class, in one round trip."""

    def __init__(self, limiter: limits.Limiter, *, clock: clock.Clock, metrics: telemetry.Metrics) -> None:
        self.enabled = True
        self.policies: Mapping[str, Policy] = POLICIES
        self._limiter = limiter
        self._local = _LocalLimiter(clock)
        self._errors = metrics.counter("revcart_gateway_limit_errors_total", "Requests not counted, the cache was away")

    async def hit(self, visit: visits.Visit, *, name: str | None) -> None:
        """Count `visit` in class `name`, or (None) for its address only. Raises RateLimited (429)."""
        if not self.enabled:
            return
        address = visits.block(visit.client)
        policy = self.policies[name] if name else Policy()
        whose = f"u:{visit.user.id}" if visit.user and policy.user else f"a:{address}"
        quotas = policy.user if visit.user and policy.user else policy.address
        counted = [*(quota.limit(whose) for quota in quotas), WHOLE_ADDRESS.limit(address)]
        decisions = await self._decide(counted, local=name == "login")
        if decisions is None:
            return
        visit.extra_headers += _headers(quotas, decisions)
        refused = next((at for at, decision in enumerate(decisions) if not decision.allowed), None)
        if refused is not None:
            by = [*quotas, WHOLE_ADDRESS][refused]
            visit.limited = by.name
            wait = max(1, decisions[refused].reset_seconds)
            raise errors.RateLimited(f"Too many requests. Please try again in {wait} s.", retry_after=wait)

    async def _decide(self, counted: Sequence[limits.Limit], *, local: bool) -> Sequence[limits.Decision] | None:
        try:
            return await self._limiter.hit_all(counted)
        except errors.DependencyUnavailable:
            self._errors.inc()
            return self._local.hit_all(counted) if local else None


class _LocalLimiter:
    """The same algorithm as `limits.Limiter`, in this process alone, with a bounded number of keys."""

    def __init__(self, clock: clock.Clock) -> None:
        self._clock = clock
        self._arrivals: collections.OrderedDict[str, float] = collections.OrderedDict()

    def hit_all(self, counted: Sequence[limits.Limit]) -> list[limits.Decision]:
        now = self._clock.now().timestamp() * 1000
        decisions, arrivals = [], {}
        for limit in counted:
            after = max(self._arrivals.get(limit.key, now), now) + limit.interval_ms
            over = after - limit.interval_ms * limit.size - now
            allowed = over <= 0
            decisions.append(
                limits.Decision(
                    allowed=allowed,
                    remaining=math.floor(-over / limit.interval_ms) if allowed else 0,
                    reset_seconds=math.ceil((after - now if allowed else over) / 1000),
                )
            )
            arrivals[limit.key] = after
        if all(decision.allowed for decision in decisions):
            for key, after in arrivals.items():
                self._arrivals[key] = after
                self._arrivals.move_to_end(key)
            while len(self._arrivals) > LOCAL_KEYS:
                self._arrivals.popitem(last=False)
        return decisions


def _headers(quotas: Sequence[Quota], decisions: Sequence[limits.Decision]) -> list[tuple[bytes, bytes]]:
    """The RateLimit headers of the class; of its quotas that nearest to its end, or a refusal of the whole address."""
    stated = list(zip(quotas, decisions, strict=False))
    if not decisions[-1].allowed:
        stated = [(WHOLE_ADDRESS, decisions[-1])]
    if not stated:
        return []
    quota, decision = min(stated, key=lambda pair: (pair[1].allowed, pair[1].remaining))
    policies = ", ".join(f'"{quota.name}";q={quota.amount};w={quota.seconds}' for quota, _ in stated)
    now = f'"{quota.name}";r={decision.remaining};t={decision.reset_seconds}'
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", now.encode())]
