"""The one function behind verify, webhook, reconciler and delivery: a fact is learnt, and what follows is done.

The change and its events commit together under a lock on the payment; Razorpay is called afterwards. If that call
fails, the reconciler makes it again.
"""

import datetime as dt
from typing import Any

from revcart.kit import errors, events, telemetry
from revcart.payment import domain, razorpay, refunds, store
from revcart.payment import events as published
from revcart.payment import ports as all_ports

log = telemetry.get_logger(__name__)

_CAPTURE_AGAIN = dt.timedelta(seconds=30)


async def learn(
    *,
    fact: domain.Fact,
    ports: all_ports.Ports,
    order_id: int | None = None,
    webhook_id: int | None = None,
    received: events.Received[Any] | None = None,
) -> domain.Learnt | None:
    """Learn a fact about the payment of `order_id`, or of the fact's Razorpay order; None when there is none.

    `webhook_id` and `received` are marked as done in the same transaction. Never raises because Razorpay is away.
    """
    where = {"razorpay_order_id": fact.razorpay_order_id} if order_id is None else {"order_id": order_id}
    async with ports.store.transaction(received=received) as tx:
        payment = await tx.payment_for_update(**where)
        if payment is None:
            return None
        learnt = domain.learn(
            payment=payment,
            attempts=(await tx.attempts(payment.id))[payment.id],
            fact=fact,
            closed=await tx.closed(payment.order_id),
        )
        owed = await _write(tx, before=payment, learnt=learnt, fact=fact)
        if webhook_id is not None:
            await tx.mark_webhook(webhook_id, "DONE")
    ports.watch.learnt(fact.via, learnt.result)
    if learnt.mismatch or learnt.result == "duplicate":
        ports.watch.alert(learnt.result, orderId=payment.order_id, razorpayPaymentId=fact.razorpay_payment_id)
    if owed is not None:
        await refunds.send(refund=owed, ports=ports)
    if learnt.capture:
        return await _capture(fact=fact, ports=ports) or learnt
    return learnt


async def _write(
    tx: store.Transaction,
    *,
    before: domain.Payment,
    learnt: domain.Learnt,
    fact: domain.Fact,
) -> domain.Refund | None:
    payment = learnt.payment
    if learnt.attempt is not None:
        await tx.save_attempt(payment.id, learnt.attempt)
    if payment != before:
        await tx.save(payment)
    if learnt.completed:
        await tx.outbox.add(_completed(payment, fact))
    if learnt.failed:
        tried = (await tx.attempts(payment.id))[payment.id]
        is_open = await tx.closed(payment.order_id) is None
        await tx.outbox.add(_failed(payment, fact, attempt=len(tried), retryable=is_open))
    if learnt.owed is None:
        return None
    refund, is_new = await refunds.add_owed(tx, payment=payment, owed=learnt.owed)
    return refund if is_new else None


async def _capture(*, fact: domain.Fact, ports: all_ports.Ports) -> domain.Learnt | None:
    """Take what is authorised and learn the outcome; None when Razorpay is away or refuses."""
    assert fact.razorpay_payment_id is not None, "only Razorpay authorises"
    try:
        entity = await ports.razorpay.capture(fact.razorpay_payment_id, amount_paise=fact.amount_paise)
    except razorpay.Rejected:  # captured meanwhile, by another of us or by the account's setting: look
        try:
            entity = await ports.razorpay.payment(fact.razorpay_payment_id)
        except (razorpay.Rejected, errors.DependencyUnavailable) as error:
            log.warning("payment.capture-unclear", error=type(error).__name__)
            return None
        if entity.status == "authorized":
            ports.watch.alert("capture-refused", razorpayPaymentId=fact.razorpay_payment_id)
            return None
    except errors.DependencyUnavailable:
        await _check_soon(fact=fact, ports=ports)
        return None
    captured = entity.fact(via=fact.via, at=ports.clock.now())
    return None if captured is None else await learn(fact=captured, ports=ports)


async def _check_soon(*, fact: domain.Fact, ports: all_ports.Ports) -> None:
    async with ports.store.transaction() as tx:
        payment = await tx.payment_for_update(razorpay_order_id=fact.razorpay_order_id)
        if payment is not None and not payment.is_paid:
            await tx.check_at(payment.id, ports.clock.now() + _CAPTURE_AGAIN)


def _completed(payment: domain.Payment, fact: domain.Fact) -> published.PaymentCompleted:
    return published.PaymentCompleted(
        payment_id=payment.id,
        order_id=payment.order_id,
        user_id=payment.user_id,
        method=payment.method,
        instrument=payment.instrument,
        amount_paise=payment.captured_paise,
        currency=domain.CURRENCY,
        razorpay_payment_id=payment.razorpay_payment_id,
        via=fact.via.value,
        late=payment.late,
        completed_at=fact.at,
    )


def _failed(payment: domain.Payment, fact: domain.Fact, *, attempt: int, retryable: bool) -> published.PaymentFailed:
    return published.PaymentFailed(
        payment_id=payment.id,
        order_id=payment.order_id,
        user_id=payment.user_id,
        method=payment.method,
        amount_paise=fact.amount_paise,
        attempt=attempt,
        code=fact.error_code or "UNKNOWN",
        description=fact.error_description or "The payment failed.",
        retryable=retryable,
        failed_at=fact.at,
    )
