"""The machine of payments: any order of facts ends in the same state, and no fact moves it backwards."""

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcart.payment import domain

NOW = dt.datetime(2026, 11, 24, 10, 0, tzinfo=dt.UTC)
AMOUNT = 22_116
RANK = list(domain.Status)
Attempts = dict[str, domain.Attempt]


def fresh(method: domain.Method = domain.Method.RAZORPAY) -> domain.Payment:
    return domain.Payment(
        id=1,
        order_id=1,
        order_number="RC261124AAAAAA",
        user_id=7,
        method=method,
        status=domain.Status.PENDING,
        amount_paise=AMOUNT,
        razorpay_order_id="order_1",
        created_at=NOW,
    )


def fact(
    status: domain.AttemptStatus,
    *,
    of: str = "pay_1",
    amount: int = AMOUNT,
    via: domain.Via = domain.Via.WEBHOOK,
    currency: str = "INR",
    order: str = "order_1",
) -> domain.Fact:
    return domain.Fact(
        via=via,
        status=status,
        amount_paise=amount,
        currency=currency,
        instrument="upi",
        razorpay_payment_id=of,
        razorpay_order_id=order,
        at=NOW,
    )


class Run:
    """Learns facts one after the other, as the store would."""

    def __init__(self, facts: list[domain.Fact], closed: domain.Closed | None = None) -> None:
        self.payment = fresh()
        self.attempts: Attempts = {}
        self.completed = 0
        self.refunds: dict[str, int] = {}
        for one in facts:
            before = self.payment
            learnt = domain.learn(payment=self.payment, attempts=list(self.attempts.values()), fact=one, closed=closed)
            assert RANK.index(learnt.payment.status) >= RANK.index(before.status), "a payment moved backwards"
            self.payment = learnt.payment
            if learnt.attempt is not None:
                self.attempts[learnt.attempt.razorpay_payment_id] = learnt.attempt
            self.completed += learnt.completed
            if learnt.owed is not None:
                self.refunds.setdefault(learnt.owed.key.split("-")[0], 0)
                self.refunds[learnt.owed.key.split("-")[0]] |= hash(learnt.owed.key)

    def state(self) -> object:
        """All that must not depend on the order of arrival; which of two captures came first does."""
        statuses = sorted(attempt.status for attempt in self.attempts.values())
        return (self.payment.status, self.payment.captured_paise, self.payment.late, self.completed, statuses)


money = st.sampled_from([domain.AttemptStatus.FAILED, domain.AttemptStatus.AUTHORIZED, domain.AttemptStatus.CAPTURED])
some_fact = st.builds(
    fact,
    money,
    of=st.sampled_from(["pay_1", "pay_2"]),
    via=st.sampled_from([domain.Via.VERIFY, domain.Via.WEBHOOK, domain.Via.RECONCILE]),
)
closings = st.sampled_from([None, domain.Closed.ASKED, domain.Closed.CANCELLED, domain.Closed.EXPIRED])


@given(facts=st.lists(some_fact, min_size=1, max_size=7), closed=closings, data=st.data())
def test_any_order_of_facts_ends_in_the_same_state(
    facts: list[domain.Fact], closed: domain.Closed | None, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(facts))
    assert Run(facts, closed).state() == Run(shuffled, closed).state()


@given(facts=st.lists(some_fact, min_size=1, max_size=6), closed=closings)
def test_hearing_everything_twice_changes_nothing(facts: list[domain.Fact], closed: domain.Closed | None) -> None:
    assert Run(facts + facts, closed).state() == Run(facts, closed).state()


@given(facts=st.lists(some_fact, max_size=7), closed=closings)
def test_captured_money_is_the_orders_or_goes_back(facts: list[domain.Fact], closed: domain.Closed | None) -> None:
    run = Run(facts, closed)
    captured = {one.razorpay_payment_id for one in facts if one.status == domain.AttemptStatus.CAPTURED}
    assert run.completed == bool(captured)
    assert run.payment.captured_paise == (AMOUNT if captured else 0)
    assert ("duplicate" in run.refunds) == (len(captured) == 2)
    is_over = closed in (domain.Closed.CANCELLED, domain.Closed.EXPIRED)
    assert ("order" in run.refunds) == bool(captured and is_over)


wrong_facts = [
    fact(domain.AttemptStatus.CAPTURED, amount=AMOUNT - 1),
    fact(domain.AttemptStatus.CAPTURED, currency="USD"),
    fact(domain.AttemptStatus.CAPTURED, order="order_2"),
]


@pytest.mark.parametrize("wrong", wrong_facts)
def test_what_is_not_asked_for_is_not_applied_and_goes_back(wrong: domain.Fact) -> None:
    learnt = domain.learn(payment=fresh(), attempts=[], fact=wrong, closed=None)
    assert learnt.payment == fresh()
    assert learnt.mismatch
    assert learnt.owed is not None
    assert (learnt.owed.reason, learnt.owed.amount_paise) == ("AMOUNT_MISMATCH", wrong.amount_paise)
    assert learnt.attempt is not None
    assert learnt.attempt.status == domain.AttemptStatus.MISMATCH
    authorised = dataclasses.replace(wrong, status=domain.AttemptStatus.AUTHORIZED)
    only = domain.learn(payment=fresh(), attempts=[], fact=authorised, closed=None)
    assert (only.capture, only.owed, only.payment) == (False, None, fresh())


def test_an_authorisation_is_captured_while_the_order_is_open() -> None:
    authorised = fact(domain.AttemptStatus.AUTHORIZED)
    assert domain.learn(payment=fresh(), attempts=[], fact=authorised, closed=None).capture
    for closed in domain.Closed:
        assert not domain.learn(payment=fresh(), attempts=[], fact=authorised, closed=closed).capture


def test_cash_is_for_cash_orders() -> None:
    cash = dataclasses.replace(fact(domain.AttemptStatus.CAPTURED), razorpay_payment_id=None, razorpay_order_id=None)
    assert domain.learn(payment=fresh(), attempts=[], fact=cash, closed=None).result == "not-cod"
    paid = domain.learn(payment=fresh(domain.Method.COD), attempts=[], fact=cash, closed=None)
    assert (paid.completed, paid.attempt) == (True, None)
    short = dataclasses.replace(cash, amount_paise=AMOUNT - 1)
    assert domain.learn(payment=fresh(domain.Method.COD), attempts=[], fact=short, closed=None).mismatch


def refund(number: int, amount: int, status: domain.RefundStatus, *, of: str = "pay_1") -> domain.Refund:
    return domain.Refund(
        id=number,
        payment_id=1,
        refund_key=f"key-{number}",
        razorpay_payment_id=of,
        razorpay_refund_id=None,
        amount_paise=amount,
        status=status,
        channel=domain.Channel.RAZORPAY,
        reason="test",
        speed="normal",
        requested_by="test",
        created_at=NOW,
    )


def test_failed_refunds_and_those_of_duplicates_take_nothing_away() -> None:
    paid = Run([fact(domain.AttemptStatus.CAPTURED)]).payment
    known = [
        refund(1, 100, domain.RefundStatus.PENDING),
        refund(2, 200, domain.RefundStatus.PROCESSED),
        refund(3, 400, domain.RefundStatus.FAILED),
        refund(4, AMOUNT, domain.RefundStatus.PROCESSED, of="pay_2"),
    ]
    assert domain.refundable(paid, known) == AMOUNT - 300
    counted = domain.with_refunds(paid, known)
    assert (counted.refunded_paise, counted.status) == (200, domain.Status.PARTIALLY_REFUNDED)
    assert domain.with_refunds(paid, known[:1]) == paid


@given(st.permutations([domain.RefundStatus.PENDING, domain.RefundStatus.PROCESSED, domain.RefundStatus.PENDING]))
def test_refunds_end_processed_whatever_comes_first(order: list[domain.RefundStatus]) -> None:
    known = refund(1, 100, domain.RefundStatus.PENDING)
    for status in order:
        if domain.refund_moves(known, status):
            known = dataclasses.replace(known, status=status)
    assert known.status == domain.RefundStatus.PROCESSED


def test_razorpay_is_asked_at_the_contracts_times() -> None:
    times = [domain.next_check(created_at=NOW, checks=n) for n in range(16)]
    minutes = [None if at is None else (at - NOW) // dt.timedelta(minutes=1) for at in times]
    days = [1440 * day for day in (1, 2, 3, 4, 5)]
    assert minutes == [2, 5, 10, 15, 20, 30, 60, 120, 360, 720, *days, None]


def test_the_number_of_a_refund_fits_razorpays_rule() -> None:
    assert refund(42, 1, domain.RefundStatus.PENDING).number == "rcrefund-00000042"
