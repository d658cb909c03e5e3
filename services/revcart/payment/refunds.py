"""Money going back: asked for under the payment's lock, sent once per refund, settled by what Razorpay answers."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from revcart.kit import errors, idempotency, ids, telemetry
from revcart.payment import clients, domain, razorpay, store
from revcart.payment import events as published
from revcart.payment import ports as all_ports

log = telemetry.get_logger(__name__)

Render = Callable[[domain.Payment, domain.Refund], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """A refund somebody asks for. `amount_paise` None: all that is left. `key`: at most one effect."""

    order_id: int
    key: str
    amount_paise: int | None
    reason: str
    requested_by: str
    speed: str = "normal"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What an ADMIN asks for: an amount in paise, or lines of the order, or neither for all that is left."""

    order_id: int
    amount_paise: int | None
    lines: Sequence[clients.RefundLine] | None
    reason: str
    speed: str
    admin_id: int


async def request(
    *,
    asked: Asked,
    claim: idempotency.Claim,
    render: Render,
    ports: all_ports.Ports,
) -> tuple[domain.Payment, domain.Refund]:
    """Refund for an ADMIN; the answer is kept under the claimed key. What lines are worth, order knows.

    Raises NotFound (404), NotCaptured, ExceedsCaptured (409), order's refusals of lines, DependencyUnavailable (503).
    """
    amount = asked.amount_paise
    if asked.lines is not None:
        amount = await ports.orders.refund_quote(asked.order_id, asked.lines)
    wanted = Wanted(
        order_id=asked.order_id,
        key=f"admin-{ids.sha256(f'{claim.caller} {claim.key}').hex()}",
        amount_paise=amount,
        reason=asked.reason,
        requested_by=f"admin:{asked.admin_id}",
        speed=asked.speed,
    )
    async with ports.store.transaction() as tx:
        payment = await tx.payment_for_update(order_id=wanted.order_id)
        if payment is None:
            raise errors.NotFound
        refund, _ = await _add_wanted(tx, payment=payment, wanted=wanted)
        await tx.idempotency.keep(claim, status=202, body=render(payment, refund))
    refund = await send(refund=refund, ports=ports)
    async with ports.store.transaction() as tx:
        await tx.idempotency.amend(claim, body=render(payment, refund))
    return payment, refund


async def request_for_order(*, wanted: Wanted, ports: all_ports.Ports) -> tuple[domain.Payment, domain.Refund]:
    """Refund for the service order; for cash not yet collected the amount due is lowered instead.

    The same key again gives the same refund. Raises NotFound (404), NotCaptured, ExceedsCaptured (409),
    KeyReused (422).
    """
    async with ports.store.transaction() as tx:
        payment = await tx.payment_for_update(order_id=wanted.order_id)
        if payment is None:
            raise errors.NotFound
        add = _lower_due if payment.method == domain.Method.COD and not payment.is_paid else _add_wanted
        refund, is_new = await add(tx, payment=payment, wanted=wanted)
        if not is_new and wanted.amount_paise not in (None, refund.amount_paise):
            raise idempotency.KeyReused("This key belongs to a refund of another amount.")
    return payment, await send(refund=refund, ports=ports) if is_new else refund


async def add_owed(tx: store.Transaction, *, payment: domain.Payment, owed: domain.Owed) -> tuple[domain.Refund, bool]:
    """A refund that a fact asks for, and whether it is new. The payment is locked."""
    return await tx.add_refund(
        {
            "payment_id": payment.id,
            "refund_key": owed.key,
            "razorpay_payment_id": owed.razorpay_payment_id,
            "amount_paise": owed.amount_paise,
            "channel": _channel(payment),
            "reason": owed.reason,
            "requested_by": "payment",
        }
    )


async def add_rest(
    tx: store.Transaction, *, payment: domain.Payment, reason: str, requested_by: str
) -> domain.Refund | None:
    """Refund all that is left because the order is over; None when nothing is, or when it was asked for before."""
    left = domain.refundable(payment, (await tx.refunds(payment.id))[payment.id])
    if left == 0:
        return None
    owed = domain.Owed(
        key=domain.REFUND_KEY_OF_CANCELLATION.format(order_id=payment.order_id),
        amount_paise=left,
        reason=reason,
        razorpay_payment_id=payment.razorpay_payment_id,
    )
    refund, is_new = await add_owed(tx, payment=payment, owed=owed)
    return refund if is_new else None


async def _add_wanted(tx: store.Transaction, *, payment: domain.Payment, wanted: Wanted) -> tuple[domain.Refund, bool]:
    known = await tx.refund(refund_key=wanted.key)
    if known is not None:
        return known, False
    if not payment.is_paid:
        raise domain.NotCaptured("The order is not paid.")
    left = domain.refundable(payment, (await tx.refunds(payment.id))[payment.id])
    amount = left if wanted.amount_paise is None else wanted.amount_paise
    if not 0 < amount <= left:
        raise domain.ExceedsCaptured(refundable=left)
    values = _values(payment, wanted) | {"amount_paise": amount, "channel": _channel(payment)}
    return await tx.add_refund(values)


async def _lower_due(tx: store.Transaction, *, payment: domain.Payment, wanted: Wanted) -> tuple[domain.Refund, bool]:
    known = await tx.refund(refund_key=wanted.key)
    if known is not None:
        return known, False
    amount = payment.amount_paise if wanted.amount_paise is None else wanted.amount_paise
    if not 0 < amount <= payment.amount_paise:
        raise domain.ExceedsCaptured(refundable=payment.amount_paise)
    await tx.save(dataclasses.replace(payment, amount_paise=payment.amount_paise - amount))
    done = {"status": domain.RefundStatus.PROCESSED, "processed_at": tx.clock.now()}
    return await tx.add_refund(
        _values(payment, wanted) | done | {"amount_paise": amount, "channel": domain.Channel.DUE}
    )


def _values(payment: domain.Payment, wanted: Wanted) -> dict[str, Any]:
    return {
        "payment_id": payment.id,
        "refund_key": wanted.key,
        "razorpay_payment_id": payment.razorpay_payment_id,
        "reason": wanted.reason,
        "speed": wanted.speed,
        "requested_by": wanted.requested_by,
    }


def _channel(payment: domain.Payment) -> domain.Channel:
    return domain.Channel.MANUAL if payment.method == domain.Method.COD else domain.Channel.RAZORPAY


async def send(*, refund: domain.Refund, ports: all_ports.Ports) -> domain.Refund:
    """Bring a pending refund to Razorpay, or ask how it fares there; gives it as it then is.

    The idempotency key is the same every time. Razorpay away: it stays PENDING, and the reconciler sends it again.
    """
    if refund.channel != domain.Channel.RAZORPAY or refund.status != domain.RefundStatus.PENDING:
        return refund
    async with ports.store.transaction() as tx:
        if not await tx.claim_try(refund):
            return refund
    try:
        if refund.razorpay_refund_id is None:
            entity = await ports.razorpay.refund(refund)
        else:
            entity = await ports.razorpay.refund_of_id(refund.razorpay_refund_id)
    except errors.DependencyUnavailable:
        log.warning("refund.waits", refundId=refund.id)
        return refund
    except razorpay.Rejected as rejected:
        return await _give_up(refund, why=str(rejected), ports=ports)
    return await learn(fact=entity.fact(), ports=ports) or refund


async def _give_up(refund: domain.Refund, *, why: str, ports: all_ports.Ports) -> domain.Refund:
    async with ports.store.transaction() as tx:
        await tx.payment_for_update(id=refund.payment_id)
        present = await tx.refund(id=refund.id)
        assert present is not None, "refunds are never deleted"
        if not domain.refund_moves(present, domain.RefundStatus.FAILED):
            return present
        await tx.save_refund(refund.id, status=domain.RefundStatus.FAILED)
    ports.watch.alert("refund-failed", refundId=refund.id, detail=why[:200])
    return dataclasses.replace(present, status=domain.RefundStatus.FAILED)


async def learn(
    *, fact: domain.RefundFact, ports: all_ports.Ports, webhook_id: int | None = None
) -> domain.Refund | None:
    """Learn what Razorpay says about a refund; None when it is none of ours."""
    async with ports.store.transaction() as tx:
        known = await _find(tx, fact)
        if known is None:
            return None
        payment = await tx.payment_for_update(id=known.payment_id)
        refund = await tx.refund(id=known.id)
        assert payment is not None, "refunds belong to payments"
        assert refund is not None, "refunds are never deleted"
        if (fact.amount_paise, fact.razorpay_payment_id) != (refund.amount_paise, refund.razorpay_payment_id):
            ports.watch.alert("refund-mismatch", refundId=refund.id)
            return refund
        refund = await _move(tx, payment=payment, refund=refund, fact=fact)
        if webhook_id is not None:
            await tx.mark_webhook(webhook_id, "DONE")
    if refund.status == domain.RefundStatus.FAILED != known.status:
        ports.watch.alert("refund-failed", refundId=refund.id)
    return refund


async def _find(tx: store.Transaction, fact: domain.RefundFact) -> domain.Refund | None:
    known = await tx.refund(razorpay_refund_id=fact.razorpay_refund_id)
    prefix, _, number = (fact.receipt or "").partition("-")
    if known is None and prefix == "rcrefund" and number.isdecimal():
        known = await tx.refund(id=int(number), razorpay_payment_id=fact.razorpay_payment_id)
    return known


async def _move(
    tx: store.Transaction, *, payment: domain.Payment, refund: domain.Refund, fact: domain.RefundFact
) -> domain.Refund:
    moved = dataclasses.replace(refund, razorpay_refund_id=fact.razorpay_refund_id)
    if domain.refund_moves(refund, fact.status):
        done_at = tx.clock.now() if fact.status == domain.RefundStatus.PROCESSED else None
        moved = dataclasses.replace(moved, status=fact.status, processed_at=done_at)
    await _save(tx, payment=payment, before=refund, after=moved)
    return moved


async def _save(tx: store.Transaction, *, payment: domain.Payment, before: domain.Refund, after: domain.Refund) -> None:
    """Write a refund; when it was processed just now, the payment and `payment.refunded` with it.

    The event is published for money that counted as paid only: reports subtract it from revenue.
    """
    if after == before:
        return
    await tx.save_refund(
        after.id,
        status=after.status,
        razorpay_refund_id=after.razorpay_refund_id,
        reference=after.reference,
        processed_at=after.processed_at,
    )
    is_processed = after.status == domain.RefundStatus.PROCESSED != before.status
    if not is_processed or not domain.is_own(payment, after):
        return
    assert after.processed_at is not None, "what is processed has its time"
    payment = await tx.save(domain.with_refunds(payment, (await tx.refunds(payment.id))[payment.id]))
    await tx.outbox.add(
        published.PaymentRefunded(
            payment_id=payment.id,
            refund_id=after.id,
            order_id=payment.order_id,
            user_id=payment.user_id,
            amount_paise=after.amount_paise,
            total_refunded_paise=payment.refunded_paise,
            full=payment.status == domain.Status.REFUNDED,
            reason=after.reason,
            razorpay_refund_id=after.razorpay_refund_id,
            refunded_at=after.processed_at,
        )
    )


async def settle_by_hand(
    *, refund_id: int, reference: str, ports: all_ports.Ports
) -> tuple[domain.Payment, domain.Refund]:
    """Note that cash was paid back; again has no effect. Raises NotFound (404), NotManual (409)."""
    async with ports.store.transaction() as tx:
        known = await tx.refund(id=refund_id)
        if known is None:
            raise errors.NotFound
        payment = await tx.payment_for_update(id=known.payment_id)
        refund = await tx.refund(id=refund_id)
        assert payment is not None, "refunds belong to payments"
        assert refund is not None, "refunds are never deleted"
        if refund.channel != domain.Channel.MANUAL:
            raise domain.NotManual("Razorpay pays this refund.")
        if refund.status == domain.RefundStatus.PENDING:
            done = dataclasses.replace(
                refund,
                status=domain.RefundStatus.PROCESSED,
                reference=reference,
                processed_at=tx.clock.now(),
            )
            await _save(tx, payment=payment, before=refund, after=done)
            refund = done
    return payment, refund
