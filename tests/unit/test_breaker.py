"""The circuit breaker against a model of it: what hypothesis does in any order, both must agree on."""

import pytest
from hypothesis import settings, stateful
from hypothesis import strategies as st

from revcart.kit import breaker, clock

FAILURES, MINIMUM, WINDOW, OPEN, TRIALS = 5, 20, 10, 10, 3


class BreakerMachine(stateful.RuleBasedStateMachine):
    """The model keeps every result with its time, and the moment at which the breaker must let a trial through."""

    permits: stateful.Bundle[tuple[breaker.Permit, int]] = stateful.Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.clock = clock.Manual()
        self.breaker = breaker.Breaker(clock=self.clock)
        self.epoch = 0  # counts the changes of state: results of an earlier one must not count
        self.results: list[tuple[int, bool]] = []  # (second, failed) while closed
        self.open_until: float | None = None
        self.trial_out = False
        self.successes = 0

    def now(self) -> float:
        return self.clock.now().timestamp()

    def expected(self) -> breaker.State:
        if self.open_until is None:
            return breaker.State.CLOSED
        return breaker.State.OPEN if self.now() < self.open_until else breaker.State.HALF_OPEN

    def change(self, open_until: float | None) -> None:
        self.epoch += 1
        self.open_until, self.trial_out, self.successes, self.results = open_until, False, 0, []

    @stateful.rule(target=permits)
    def admit(self) -> "stateful.MultipleResults[tuple[breaker.Permit, int]]":
        return stateful.multiple(*self.admitted())

    def admitted(self) -> list[tuple[breaker.Permit, int]]:
        state = self.expected()
        if state is breaker.State.OPEN or (state is breaker.State.HALF_OPEN and self.trial_out):
            with pytest.raises(breaker.Open) as refused:
                self.breaker.admit()
            assert 1 <= refused.value.retry_after <= OPEN
            return []
        self.trial_out = state is breaker.State.HALF_OPEN
        return [(self.breaker.admit(), self.epoch)]

    @stateful.rule(permit=stateful.consumes(permits))
    def leave_without_a_word(self, permit: tuple[breaker.Permit, int]) -> None:
        with permit[0]:
            pass
        if permit[1] == self.epoch:
            self.trial_out = False

    @stateful.rule(permit=stateful.consumes(permits), failed=st.booleans())
    def report(self, permit: tuple[breaker.Permit, int], failed: bool) -> None:
        self.reported(permit[0], failed=failed, epoch=permit[1])

    def reported(self, permit: breaker.Permit, *, failed: bool, epoch: int) -> None:
        for _ in range(2):  # said twice, counted once
            (permit.failed if failed else permit.succeeded)()
        if epoch == self.epoch:
            self.count(failed)

    @stateful.rule(failed=st.booleans(), times=st.integers(1, 12))
    def calls(self, failed: bool, times: int) -> None:
        for _ in range(times):
            for permit, epoch in self.admitted():
                self.reported(permit, failed=failed, epoch=epoch)

    @stateful.rule(seconds=st.sampled_from([0.001, 0.3, 1, 4, 9.999, 10, 30]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @stateful.invariant()
    def state_is_as_expected(self) -> None:
        assert self.breaker.state is self.expected()

    def count(self, failed: bool) -> None:
        if self.open_until is not None:
            self.trial_out = False
            self.successes += 1
            if failed:
                self.change(self.now() + OPEN)
            elif self.successes == TRIALS:
                self.change(None)
            return
        self.results.append((int(self.now()), failed))
        recent = [bad for second, bad in self.results if second > int(self.now()) - WINDOW]
        in_a_row = len(self.results) >= FAILURES and all(bad for _, bad in self.results[-FAILURES:])
        if failed and (in_a_row or (len(recent) >= MINIMUM and 2 * sum(recent) >= len(recent))):
            self.change(self.now() + OPEN)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def _fail(subject: breaker.Breaker, times: int) -> None:
    for _ in range(times):
        with subject.admit() as permit:
            permit.failed()


def test_opens_after_five_in_a_row_and_closes_after_three_trials() -> None:
    time = clock.Manual()
    subject = breaker.Breaker(clock=time)
    _fail(subject, 5)
    with pytest.raises(breaker.Open) as refused:
        subject.admit()
    assert refused.value.retry_after == 10
    time.advance(10)
    for _ in range(3):
        assert subject.state is breaker.State.HALF_OPEN
        with subject.admit() as permit:
            with pytest.raises(breaker.Open):
                subject.admit()
            permit.succeeded()
    assert subject.state is breaker.State.CLOSED


def test_half_of_twenty_failures_open_it_without_five_in_a_row() -> None:
    subject = breaker.Breaker(clock=clock.Manual())
    for _ in range(10):
        assert subject.state is breaker.State.CLOSED
        with subject.admit() as permit:
            permit.succeeded()
        _fail(subject, 1)
    assert subject.state is breaker.State.OPEN


def test_a_failed_trial_opens_it_for_another_ten_seconds() -> None:
    time = clock.Manual()
    subject = breaker.Breaker(clock=time)
    _fail(subject, 5)
    time.advance(10)
    _fail(subject, 1)
    states = []
    for _ in range(2):
        time.advance(5)
        states.append(subject.state)
    assert states == [breaker.State.OPEN, breaker.State.HALF_OPEN]
