"""Rate limits by GCRA, the generic cell rate algorithm: one number per key, no window edges, any burst.

All limits of one request are decided in one round trip, on the cache's own clock, and a refused request costs nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revcart.kit import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`quota` per `window_seconds` in the long run, `burst` of them at once (default: a fifth, at least 5)."""

    key: str
    quota: int
    window_seconds: float
    burst: int | None = None

    @property
    def size(self) -> int:
        """How many may come at once."""
        return default_burst(self.quota) if self.burst is None else self.burst

    @property
    def interval_ms(self) -> float:
        return self.window_seconds * 1000 / self.quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`remaining`: how many more may come now. `reset_seconds`: until all may; of a refused one, until it may again."""

    allowed: bool
    remaining: int
    reset_seconds: int


def default_burst(quota: int) -> int:
    return min(quota, max(5, quota // 5))


class Limiter:
    """Counts in the cache, for all replicas together. Raises errors.DependencyUnavailable when it is away."""

    def __init__(self, cache: cache.Cache) -> None:
        self._cache = cache

    async def hit(self, key: str, *, quota: int, window_seconds: float, burst: int | None = None) -> Decision:
        """Count one request against one limit, if it allows it."""
        decisions = await self.hit_all([Limit(key=key, quota=quota, window_seconds=window_seconds, burst=burst)])
        return decisions[0]

    async def hit_all(self, limits: Sequence[Limit]) -> list[Decision]:
        """Count one request against each limit if all allow it, else against none; a decision per limit, in order."""
        arguments = [value for limit in limits for value in (limit.interval_ms, limit.size)]
        answer = await self._cache.eval(_GCRA, keys=[limit.key for limit in limits], args=arguments)
        return [
            Decision(allowed=bool(allowed), remaining=remaining, reset_seconds=math.ceil(reset_ms / 1000))
            for allowed, remaining, reset_ms in answer
        ]


# A key holds its theoretical arrival time (TAT): when, in microseconds, all its tokens will be back. A request is
# allowed if that, with its own interval added, lies no further ahead than `burst` intervals.
_GCRA: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local answer, arrivals, all = {}, {}, true
for i, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[2 * i - 1]) * 1000
  local tolerance = interval * tonumber(ARGV[2 * i])
  local before = math.max(tonumber(redis.call('GET', key) or 0), now)
  local after = before + interval
  local over = after - tolerance - now
  if over > 0.5 then
    all = false
    answer[i] = {0, 0, math.ceil(over / 1000)}
  else
    arrivals[i] = after
    answer[i] = {1, math.floor((now + tolerance - after) / interval + 0.000001), math.ceil((after - now) / 1000)}
  end
end
if all then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', arrivals[i]), 'PX', math.ceil((arrivals[i] - now) / 1000))
  end
end
return answer
"""
