"""Payments, attempts and refunds: one state machine for whatever is learnt, from wherever. Pure.

Amounts are integer paise. What the browser, a webhook, the reconciler or a delivery tells becomes a `Fact`, and `learn`
says what follows; its result does not depend on the order in which facts arrive.
"""

import dataclasses
import datetime as dt
import enum
from collections.abc import Iterable, Sequence

from revcart.kit import errors, money

CURRENCY = "INR"
LEAST_ONLINE_PAISE = 100  # Razorpay's own limit
REFUND_KEY_OF_CANCELLATION = "order-{order_id}-cancel"
_CHECKS = [dt.timedelta(minutes=m) for m in (2, 5, 10, 15, 20, 30)]
_CHECKS += [dt.timedelta(hours=h) for h in (1, 2, 6, 12, 24, 48, 72, 96, 120)]
_REFUND_WAITS = (1, 2, 5, 10)  # minutes between tries; the last one repeats


class Method(enum.StrEnum):
    RAZORPAY = "RAZORPAY"
    COD = "COD"


class Status(enum.StrEnum):
    """In the order of their rank: a payment only moves down this list."""

    PENDING = "PENDING"
    FAILED = "FAILED"
    AUTHORIZED = "AUTHORIZED"
    SUCCESS = "SUCCESS"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"


class AttemptStatus(enum.StrEnum):
    """MISMATCH: not what the order asks for. DUPLICATE: captured, though another attempt had paid already."""

    FAILED = "FAILED"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    MISMATCH = "MISMATCH"
    DUPLICATE = "DUPLICATE"


class Via(enum.StrEnum):
    VERIFY = "VERIFY"
    WEBHOOK = "WEBHOOK"
    RECONCILE = "RECONCILE"
    DELIVERY = "DELIVERY"


class RefundStatus(enum.StrEnum):
    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


class Channel(enum.StrEnum):
    """RAZORPAY: by the gateway. MANUAL: cash, paid back by hand. DUE: never collected, the amount due was lowered."""

    RAZORPAY = "RAZORPAY"
    MANUAL = "MANUAL"
    DUE = "DUE"


class Closed(enum.StrEnum):
    """Why an order takes no money. ASKED: order is about to expire it; it may still turn out to be paid in time."""

    ASKED = "ASKED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


_RANK = {status: rank for rank, status in enumerate(Status)}
_REFUND_RANK = {RefundStatus.PENDING: 0, RefundStatus.FAILED: 1, RefundStatus.PROCESSED: 2}


class NotPayable(errors.Conflict):
    code, title = "order.not-payable", "This order takes no payment"


class AlreadyPaid(errors.Conflict):
    code, title = "payment.already-paid", "This order is paid"


class OtherMethod(errors.Conflict):
    code, title = "payment.other-method", "This order is paid another way"


class SignatureMismatch(errors.RevCartError):
    status, code, title = 400, "payment.signature-mismatch", "The signature does not fit"


class NotCaptured(errors.Conflict):
    code, title = "payment.not-captured", "There is nothing to refund"


class ExceedsCaptured(errors.Conflict):
    """`refundable`: rupees that are left."""

    code, title = "refund.exceeds-captured", "More than was paid"

    def __init__(self, *, refundable: int) -> None:
        left = money.to_rupees(refundable)
        super().__init__(f"₹{money.text(refundable)} can be refunded.", refundable=left)


class NotManual(errors.Conflict):
    code, title = "refund.not-manual", "This refund is not paid by hand"


class NotCod(errors.Conflict):
    code, title = "payment.not-cod", "Not cash on delivery"


class AmountMismatch(errors.Unprocessable):
    code, title = "payment.amount-mismatch", "Not the amount due"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Payment:
    """The payment of one order. `razorpay_payment_id`: the attempt that paid; `late`: when the order was closed."""

    id: int
    order_id: int
    order_number: str
    user_id: int
    method: Method
    status: Status
    amount_paise: int
    captured_paise: int = 0
    refunded_paise: int = 0
    razorpay_order_id: str | None = None
    razorpay_payment_id: str | None = None
    instrument: str | None = None
    late: bool = False
    next_check_at: dt.datetime | None = None
    checks: int = 0
    expires_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None
    created_at: dt.datetime
    version: int = 1

    @property
    def is_paid(self) -> bool:
        return _RANK[self.status] >= _RANK[Status.SUCCESS]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """One Razorpay payment for an order."""

    razorpay_payment_id: str
    status: AttemptStatus
    amount_paise: int
    method: str | None
    error_code: str | None = None
    error_description: str | None = None
    source: Via
    at: dt.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fact:
    """What was learnt about money: `status` is FAILED, AUTHORIZED or CAPTURED. Cash has no Razorpay ids."""

    via: Via
    status: AttemptStatus
    amount_paise: int
    currency: str = CURRENCY
    instrument: str | None = None
    razorpay_payment_id: str | None = None
    razorpay_order_id: str | None = None
    error_code: str | None = None
    error_description: str | None = None
    at: dt.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refund:
    """Money on its way back. `razorpay_payment_id`: the attempt it comes from; None for cash."""

    id: int
    payment_id: int
    refund_key: str
    razorpay_payment_id: str | None
    razorpay_refund_id: str | None
    amount_paise: int
    status: RefundStatus
    channel: Channel
    reason: str
    speed: str
    requested_by: str
    reference: str | None = None
    tries: int = 0
    tried_at: dt.datetime | None = None
    created_at: dt.datetime
    processed_at: dt.datetime | None = None

    @property
    def number(self) -> str:
        """Razorpay's idempotency key and receipt: the same on every try."""
        return f"rcrefund-{self.id:08d}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RefundFact:
    """What Razorpay says about a refund."""

    razorpay_refund_id: str
    razorpay_payment_id: str
    receipt: str | None
    amount_paise: int
    status: RefundStatus


@dataclasses.dataclass(frozen=True, kw_only=True)
class Owed:
    """A refund that a fact asks for; `key` makes it happen once."""

    key: str
    amount_paise: int
    reason: str
    razorpay_payment_id: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learnt:
    """What follows from a fact. `result` says it in a word, for the metric."""

    payment: Payment
    result: str
    attempt: Attempt | None = None  # to be written
    completed: bool = False
    failed: bool = False
    mismatch: bool = False
    capture: bool = False
    owed: Owed | None = None


def learn(*, payment: Payment, attempts: Sequence[Attempt], fact: Fact, closed: Closed | None) -> Learnt:
    """What `fact` changes. `attempts`: those known of this payment; `closed`: why the order takes no money, if it does.

    A fact that would move the payment backwards changes nothing; the attempt is kept all the same.
    """
    if fact.razorpay_payment_id is None:
        return _learn_cash(payment, fact, closed)
    known = next((a for a in attempts if a.razorpay_payment_id == fact.razorpay_payment_id), None)
    if fact.status == AttemptStatus.FAILED:
        return _learn_failure(payment, fact, known)
    wrong = (fact.amount_paise, fact.currency, fact.razorpay_order_id) != (
        payment.amount_paise,
        CURRENCY,
        payment.razorpay_order_id,
    )
    if wrong:
        return _learn_mismatch(payment, fact, known)
    if fact.status == AttemptStatus.AUTHORIZED:
        return _learn_authorisation(payment, fact, known, closed)
    return _learn_capture(payment, fact, known, closed)


def _learn_failure(payment: Payment, fact: Fact, known: Attempt | None) -> Learnt:
    if known is not None:
        return Learnt(payment=payment, result="known")
    attempt = _attempt(fact, AttemptStatus.FAILED)
    if payment.is_paid:
        return Learnt(payment=payment, attempt=attempt, result="behind")
    return Learnt(payment=_up(payment, Status.FAILED), attempt=attempt, failed=True, result="failed")


def _learn_mismatch(payment: Payment, fact: Fact, known: Attempt | None) -> Learnt:
    owed = None
    if fact.status == AttemptStatus.CAPTURED:
        owed = _all_of(fact, key="mismatch", reason="AMOUNT_MISMATCH")
    attempt = None
    if known is None or known.status != AttemptStatus.MISMATCH:
        attempt = _attempt(fact, AttemptStatus.MISMATCH)
    return Learnt(payment=payment, attempt=attempt, mismatch=True, owed=owed, result="mismatch")


def _learn_authorisation(payment: Payment, fact: Fact, known: Attempt | None, closed: Closed | None) -> Learnt:
    if known is not None and known.status not in (AttemptStatus.FAILED, AttemptStatus.AUTHORIZED):
        return Learnt(payment=payment, result="known")
    is_new = known is None or known.status == AttemptStatus.FAILED
    attempt = _attempt(fact, AttemptStatus.AUTHORIZED) if is_new else None
    if payment.is_paid or closed is not None:
        moved = payment if payment.is_paid else _up(payment, Status.AUTHORIZED)
        return Learnt(payment=moved, attempt=attempt, result="left-to-lapse")
    return Learnt(payment=_up(payment, Status.AUTHORIZED), attempt=attempt, capture=True, result="authorized")


def _learn_capture(payment: Payment, fact: Fact, known: Attempt | None, closed: Closed | None) -> Learnt:
    if known is not None and known.status in (AttemptStatus.CAPTURED, AttemptStatus.DUPLICATE):
        return Learnt(payment=payment, result="known")
    if payment.is_paid:
        attempt = _attempt(fact, AttemptStatus.DUPLICATE)
        owed = _all_of(fact, key="duplicate", reason="DUPLICATE_PAYMENT")
        return Learnt(payment=payment, attempt=attempt, owed=owed, result="duplicate")
    return _paid(payment, fact, closed, attempt=_attempt(fact, AttemptStatus.CAPTURED))


def _learn_cash(payment: Payment, fact: Fact, closed: Closed | None) -> Learnt:
    if payment.method != Method.COD:
        return Learnt(payment=payment, result="not-cod")
    if payment.is_paid:
        return Learnt(payment=payment, result="known")
    if fact.amount_paise != payment.amount_paise:
        return Learnt(payment=payment, mismatch=True, result="mismatch")
    return _paid(payment, fact, closed, attempt=None)


def _paid(payment: Payment, fact: Fact, closed: Closed | None, *, attempt: Attempt | None) -> Learnt:
    paid = dataclasses.replace(
        _up(payment, Status.SUCCESS),
        captured_paise=fact.amount_paise,
        razorpay_payment_id=fact.razorpay_payment_id,
        instrument=fact.instrument,
        late=closed is not None,
        completed_at=fact.at,
        next_check_at=None,
    )
    owed = None
    if closed in (Closed.CANCELLED, Closed.EXPIRED):
        owed = Owed(
            key=REFUND_KEY_OF_CANCELLATION.format(order_id=payment.order_id),
            amount_paise=fact.amount_paise,
            reason="LATE_AUTHORISATION",
            razorpay_payment_id=fact.razorpay_payment_id,
        )
    return Learnt(payment=paid, attempt=attempt, completed=True, owed=owed, result="late" if closed else "completed")


def _up(payment: Payment, status: Status) -> Payment:
    return dataclasses.replace(payment, status=max(payment.status, status, key=_RANK.__getitem__))


def _attempt(fact: Fact, status: AttemptStatus) -> Attempt:
    assert fact.razorpay_payment_id is not None, "cash makes no attempt"
    return Attempt(
        razorpay_payment_id=fact.razorpay_payment_id,
        status=status,
        amount_paise=fact.amount_paise,
        method=fact.instrument,
        error_code=fact.error_code,
        error_description=fact.error_description,
        source=fact.via,
        at=fact.at,
    )


def _all_of(fact: Fact, *, key: str, reason: str) -> Owed:
    return Owed(
        key=f"{key}-{fact.razorpay_payment_id}",
        amount_paise=fact.amount_paise,
        reason=reason,
        razorpay_payment_id=fact.razorpay_payment_id,
    )


def is_own(payment: Payment, refund: Refund) -> bool:
    """Whether the refund takes from what paid the order, and not from a duplicate or a mismatch."""
    return refund.channel != Channel.DUE and refund.razorpay_payment_id == payment.razorpay_payment_id


def refundable(payment: Payment, refunds: Iterable[Refund]) -> int:
    """Paise that may still go back: captured less what went or is going."""
    gone = sum(r.amount_paise for r in refunds if is_own(payment, r) and r.status != RefundStatus.FAILED)
    return max(0, payment.captured_paise - gone)


def with_refunds(payment: Payment, refunds: Iterable[Refund]) -> Payment:
    """The payment once its processed refunds are counted."""
    gone = sum(r.amount_paise for r in refunds if is_own(payment, r) and r.status == RefundStatus.PROCESSED)
    if gone == 0:
        return payment
    status = Status.REFUNDED if gone >= payment.captured_paise else Status.PARTIALLY_REFUNDED
    return dataclasses.replace(_up(payment, status), refunded_paise=gone)


def refund_moves(refund: Refund, status: RefundStatus) -> bool:
    """Whether this news is ahead of what is known. PROCESSED is final; FAILED yields to it only."""
    return _REFUND_RANK[status] > _REFUND_RANK[refund.status]


def next_check(*, created_at: dt.datetime, checks: int) -> dt.datetime | None:
    """When to ask Razorpay after `checks` times: minutes first, then daily to the fifth day, then never."""
    return created_at + _CHECKS[checks] if checks < len(_CHECKS) else None


def refund_retry_at(refund: Refund) -> dt.datetime:
    """When an unfinished refund is looked at again; one that Razorpay has takes its ten minutes."""
    if refund.razorpay_refund_id is not None:
        return (refund.tried_at or refund.created_at) + dt.timedelta(minutes=10)
    if refund.tried_at is None:
        return refund.created_at
    wait = _REFUND_WAITS[min(refund.tries, len(_REFUND_WAITS)) - 1]
    return refund.tried_at + dt.timedelta(minutes=wait)
