"""Request and response models of payment. Rupees at this edge, paise behind it."""

from typing import Any, Literal

import pydantic

from revcart.kit import schemas
from revcart.payment import clients, domain, flow, reconciler

_RAZORPAY_ID = schemas.text(1, 40, pattern=r"[A-Za-z0-9_]+")


class CreatePayment(schemas.Body):
    """`method`, if given, must be the order's; the amount is always the order's."""

    order_id: schemas.Id
    method: Literal["RAZORPAY", "COD"] | None = None


class VerifyPayment(schemas.Body):
    """What Razorpay Checkout handed to the browser."""

    order_id: schemas.Id
    razorpay_order_id: _RAZORPAY_ID
    razorpay_payment_id: _RAZORPAY_ID
    razorpay_signature: schemas.text(1, 128)


class RefundPayment(schemas.Body):
    """An amount, or lines of the order, or neither: all that is left."""

    order_id: schemas.Id
    amount: schemas.RupeesIn | None = None
    lines: list[clients.RefundLine] | None = pydantic.Field(default=None, min_length=1, max_length=100)
    reason: schemas.text(3, 200)
    speed: Literal["normal", "optimum"] = "normal"

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> "RefundPayment":
        if self.amount is not None and self.lines is not None:
            raise ValueError("send an amount or lines, not both")
        if self.amount == 0:
            raise ValueError("the amount must be above 0")
        return self


class SettleCash(schemas.Body):
    amount: schemas.RupeesIn
    note: schemas.text(0, 200) | None = None


class SettleRefund(schemas.Body):
    """`reference`: of the transfer or the receipt by which cash went back."""

    reference: schemas.text(1, 100)


class Reconcile(schemas.Body):
    order_id: schemas.Id | None = None
    since: schemas.Instant | None = None


class BeginPayment(schemas.Body):
    """What order says of a new order."""

    order_id: schemas.Id
    order_number: schemas.text(1, 20)
    user_id: schemas.Id
    method: Literal["RAZORPAY", "COD"]
    amount_paise: int = pydantic.Field(ge=0, le=10**9)
    expires_at: schemas.Instant | None = None

    def order(self) -> clients.Order:
        return clients.Order(
            id=self.order_id,
            order_number=self.order_number,
            user_id=self.user_id,
            status="PENDING",
            payment_method=self.method,
            total_paise=self.amount_paise,
            expires_at=self.expires_at,
        )


class RefundForOrder(schemas.Body):
    key: schemas.text(8, 100, pattern=r"[\x21-\x7e]+")
    amount_paise: int = pydantic.Field(ge=1, le=10**9)
    reason: schemas.text(3, 200)


class Created(schemas.Answer):
    """What a browser needs to pay. `amountInPaise` is what Razorpay Checkout wants."""

    payment_id: int
    order_id: int
    method: domain.Method
    status: domain.Status
    amount: schemas.Rupees
    amount_in_paise: int
    currency: str
    razorpay_order_id: str | None
    razorpay_key_id: str | None
    checkout_script: str | None
    expires_at: schemas.Instant | None

    @classmethod
    def of(cls, payment: domain.Payment, ports: flow.Ports) -> "Created":
        is_online = payment.method == domain.Method.RAZORPAY
        return cls(
            payment_id=payment.id,
            order_id=payment.order_id,
            method=payment.method,
            status=payment.status,
            amount=payment.amount_paise,
            amount_in_paise=payment.amount_paise,
            currency=domain.CURRENCY,
            razorpay_order_id=payment.razorpay_order_id,
            razorpay_key_id=ports.razorpay.key_id if is_online else None,
            checkout_script=ports.checkout_script if is_online else None,
            expires_at=payment.expires_at if is_online else None,
        )


class Verified(schemas.Answer):
    verified: Literal[True] = True
    status: domain.Status
    order_id: int


class Attempt(schemas.Answer):
    razorpay_payment_id: str
    status: domain.AttemptStatus
    error_code: str | None
    error_description: str | None
    at: schemas.Instant


class Refund(schemas.Answer):
    id: int
    order_id: int
    amount: schemas.Rupees
    status: domain.RefundStatus
    reason: str
    razorpay_refund_id: str | None
    created_at: schemas.Instant
    processed_at: schemas.Instant | None

    @classmethod
    def of(cls, payment: domain.Payment, refund: domain.Refund) -> "Refund":
        return cls(
            id=refund.id,
            order_id=payment.order_id,
            amount=refund.amount_paise,
            status=refund.status,
            reason=refund.reason,
            razorpay_refund_id=refund.razorpay_refund_id,
            created_at=refund.created_at,
            processed_at=refund.processed_at,
        )


class Payment(schemas.Answer):
    """`transactionId`: the Razorpay payment that paid."""

    id: int
    order_id: int
    user_id: int
    method: domain.Method
    status: domain.Status
    amount: schemas.Rupees
    amount_refunded: schemas.Rupees
    currency: str
    instrument: str | None
    transaction_id: str | None
    razorpay_order_id: str | None
    attempts: list[Attempt]
    refunds: list[Refund]
    payment_date: schemas.Instant | None
    created_at: schemas.Instant

    @classmethod
    def of(cls, seen: flow.Seen) -> "Payment":
        payment = seen.payment
        return cls(
            id=payment.id,
            order_id=payment.order_id,
            user_id=payment.user_id,
            method=payment.method,
            status=payment.status,
            amount=payment.amount_paise,
            amount_refunded=payment.refunded_paise,
            currency=domain.CURRENCY,
            instrument=payment.instrument,
            transaction_id=payment.razorpay_payment_id,
            razorpay_order_id=payment.razorpay_order_id,
            attempts=[Attempt.model_validate(attempt) for attempt in seen.attempts],
            refunds=[Refund.of(payment, refund) for refund in seen.refunds],
            payment_date=payment.completed_at,
            created_at=payment.created_at,
        )


class WebhookTaken(schemas.Answer):
    status: Literal["ok", "duplicate", "ignored"]


class Mismatch(schemas.Answer):
    order_id: int
    razorpay_payment_id: str
    detail: str


class Reconciled(schemas.Answer):
    checked: int
    changed: int
    mismatches: list[Mismatch]

    @classmethod
    def of(cls, report: reconciler.Report) -> "Reconciled":
        return cls.model_validate(report)


class CloseResult(schemas.Answer):
    result: Literal["PAID", "CLOSED"]


class Export(schemas.Answer):
    payments: list[Payment]


def wire(answer: schemas.Answer) -> Any:
    """An answer as JSON-ready data, as it is kept for replays."""
    return answer.model_dump(mode="json", by_alias=True)


def refund_body(payment: domain.Payment, refund: domain.Refund) -> Any:
    return wire(Refund.of(payment, refund))
