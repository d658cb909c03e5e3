"""Circuit breaker: stop calling what is down, find out by single trials when it is back.

Ours because no maintained library counts both failures in a row and a failure rate over a window.
"""

import enum
from collections import deque
from types import TracebackType
from typing import Final, Self

from revcart.kit import clock

# Name, meaning and labels of the gauge that shows breakers.
METRIC: Final = ("revcart_breaker_state", "0 closed, 1 half open, 2 open", ("callee",))


class State(enum.StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"

    @property
    def level(self) -> int:
        """As a metric: 0 closed, 1 half open, 2 open."""
        return {"CLOSED": 0, "HALF_OPEN": 1, "OPEN": 2}[self.value]


class Open(Exception):
    """The breaker lets nothing through now; `retry_after` is in whole seconds, at least 1."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"breaker open, try again in {retry_after} s")
        self.retry_after = retry_after


class Breaker:
    """Opens after `failures` in a row, or when `ratio` of at least `minimum` calls in `window_seconds` failed.

    Open for `open_seconds`; then one trial at a time: `trials` successes in a row close it, one failure opens it again.
    """

    def __init__(
        self,
        *,
        clock: clock.Clock,
        failures: int = 5,
        ratio: float = 0.5,
        minimum: int = 20,
        window_seconds: int = 10,
        open_seconds: int = 10,
        trials: int = 3,
    ) -> None:
        self._clock = clock
        self._failures = failures
        self._ratio = ratio
        self._minimum = minimum
        self._window_seconds = window_seconds
        self._open_seconds = open_seconds
        self._trials = trials
        self._generation = 0  # results of calls admitted in an earlier state say nothing about this one
        self._open_until: float | None = None
        self._trial_running = False
        self._trial_successes = 0
        self._in_a_row = 0
        self._buckets: deque[list[int]] = deque()  # [second, calls, failures], one per second of the window

    @property
    def state(self) -> State:
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._now() < self._open_until else State.HALF_OPEN

    def tune(self, *, failures: int, ratio: float, open_seconds: int) -> None:
        """Other limits from the next result on; a breaker that is open stays so for the time it was opened for."""
        self._failures, self._ratio, self._open_seconds = failures, ratio, open_seconds

    def admit(self) -> "Permit":
        """A permit for one call, to be used as a context manager. Raises Open."""
        state = self.state
        if state is State.OPEN or (state is State.HALF_OPEN and self._trial_running):
            raise Open(self._retry_after())
        if state is State.HALF_OPEN:
            self._trial_running = True
        return Permit(self, generation=self._generation)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _retry_after(self) -> int:
        left = (self._open_until or 0.0) - self._now()
        return max(1, -int(-left // 1))

    def _report(self, generation: int, *, failed: bool | None) -> None:
        if generation != self._generation:
            return
        if self._open_until is not None:
            self._report_trial(failed=failed)
        elif failed is not None:
            self._report_closed(failed=failed)

    def _report_trial(self, *, failed: bool | None) -> None:
        self._trial_running = False
        if failed:
            self._open()
        elif failed is False:
            self._trial_successes += 1
            if self._trial_successes >= self._trials:
                self._close()

    def _report_closed(self, *, failed: bool) -> None:
        self._in_a_row = self._in_a_row + 1 if failed else 0
        second = int(self._now())
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0])
        self._buckets[-1][1] += 1
        self._buckets[-1][2] += failed
        while self._buckets[0][0] <= second - self._window_seconds:
            self._buckets.popleft()
        if failed and (self._in_a_row >= self._failures or self._rate_is_too_high()):
            self._open()

    def _rate_is_too_high(self) -> bool:
        calls = sum(bucket[1] for bucket in self._buckets)
        return calls >= self._minimum and sum(bucket[2] for bucket in self._buckets) >= self._ratio * calls

    def _open(self) -> None:
        self._reset(open_until=self._now() + self._open_seconds)

    def _close(self) -> None:
        self._reset(open_until=None)

    def _reset(self, *, open_until: float | None) -> None:
        self._generation += 1
        self._open_until = open_until
        self._trial_running = False
        self._trial_successes = 0
        self._in_a_row = 0
        self._buckets.clear()


class Permit:
    """The right to one call. Say `succeeded()` or `failed()`; leaving the block without either counts as neither."""

    def __init__(self, breaker: Breaker, *, generation: int) -> None:
        self._breaker: Breaker | None = breaker
        self._generation = generation

    def succeeded(self) -> None:
        self._finish(failed=False)

    def failed(self) -> None:
        self._finish(failed=True)

    def _finish(self, *, failed: bool | None) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is not None:
            breaker._report(self._generation, failed=failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._finish(failed=None)
