"""Asks Razorpay what nobody told us: open payments on a schedule, refunds under way, and on an ADMIN's request."""

import asyncio
import dataclasses
import datetime as dt

from revcart.kit import errors, telemetry
from revcart.payment import domain, entities, learning, razorpay, refunds
from revcart.payment import ports as all_ports

log = telemetry.get_logger(__name__)

_BATCH = 50
_ON_REQUEST = 100
_AT_ONCE = 8
_AGAIN = dt.timedelta(seconds=30)
_OLDEST = dt.timedelta(days=5)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Where Razorpay and we disagree about an order."""

    order_id: int
    razorpay_payment_id: str
    detail: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    checked: int
    changed: int
    mismatches: tuple[Mismatch, ...]


async def run(*, ports: all_ports.Ports) -> None:
    """One round: the payments and refunds whose time has come."""
    for payment in await _due(ports):
        try:
            await check(payment=payment, via=domain.Via.RECONCILE, ports=ports)
        except (errors.DependencyUnavailable, razorpay.Rejected):
            async with ports.store.transaction() as tx:
                await tx.check_at(payment.id, ports.clock.now() + _AGAIN)
    async with ports.store.read() as tx:
        waiting = await tx.pending_refunds(limit=_BATCH)
    for refund in waiting:
        if domain.refund_retry_at(refund) <= ports.clock.now():
            await refunds.send(refund=refund, ports=ports)


async def _due(ports: all_ports.Ports) -> list[domain.Payment]:
    """The payments to ask for, each moved to its next time at once, so that no replica asks twice."""
    async with ports.store.read() as view:
        due = await view.due_checks(limit=_BATCH)
    claimed = []
    for payment in due:
        checks, at = payment.checks + 1, None
        while (at := domain.next_check(created_at=payment.created_at, checks=checks)) and at <= ports.clock.now():
            checks += 1
        async with ports.store.transaction() as tx:
            if await tx.claim_check(payment, at, checks=checks):
                claimed.append(payment)
    return claimed


async def check(
    *, payment: domain.Payment, via: domain.Via, ports: all_ports.Ports
) -> tuple[domain.Payment, list[Mismatch]]:
    """Learn all that Razorpay knows of this payment; gives it as it then is.

    Raises DependencyUnavailable (503), Rejected.
    """
    assert payment.razorpay_order_id is not None, "without a Razorpay order there is nothing to ask"
    found = await ports.razorpay.payments_of_order(payment.razorpay_order_id)
    mismatches = []
    for entity in found:
        fact = entity.fact(via=via, at=ports.clock.now())
        learnt = None if fact is None else await learning.learn(fact=fact, ports=ports)
        if learnt is not None and learnt.mismatch:
            detail = f"paid {entity.amount} {entity.currency}, asked for {payment.amount_paise} {domain.CURRENCY}"
            mismatches.append(Mismatch(order_id=payment.order_id, razorpay_payment_id=entity.id, detail=detail))
    async with ports.store.read() as tx:
        after = await tx.payment(id=payment.id)
        known = (await tx.refunds(payment.id))[payment.id]
    assert after is not None, "payments are never deleted"
    return after, mismatches + _refund_mismatches(after, known, found)


def _refund_mismatches(
    payment: domain.Payment, known: list[domain.Refund], found: list[entities.Payment]
) -> list[Mismatch]:
    mismatches = []
    for entity in found:
        ours = sum(
            r.amount_paise
            for r in known
            if r.razorpay_payment_id == entity.id and r.status != domain.RefundStatus.FAILED
        )
        theirs = entity.amount_refunded or 0
        if theirs > ours:
            detail = f"Razorpay refunded {theirs}, we know of {ours}"
            mismatches.append(Mismatch(order_id=payment.order_id, razorpay_payment_id=entity.id, detail=detail))
    return mismatches


async def reconcile(*, order_id: int | None, since: dt.datetime | None, ports: all_ports.Ports) -> Report:
    """Compare now: one order, or the hundred newest payments since then (at most, and by default, five days).

    Raises NotFound (404), DependencyUnavailable (503).
    """
    async with ports.store.read() as tx:
        if order_id is not None:
            payment = await tx.payment(order_id=order_id)
            if payment is None:
                raise errors.NotFound
            wanted = [payment] if payment.razorpay_order_id else []
        else:
            oldest = ports.clock.now() - _OLDEST
            wanted = await tx.checkable(since=max(since or oldest, oldest), limit=_ON_REQUEST)
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(payment: domain.Payment) -> tuple[bool, list[Mismatch]]:
        async with turn:
            after, mismatches = await check(payment=payment, via=domain.Via.RECONCILE, ports=ports)
        return after.status != payment.status, mismatches

    results = await asyncio.gather(*(one(payment) for payment in wanted))
    return Report(
        checked=len(results),
        changed=sum(changed for changed, _ in results),
        mismatches=tuple(mismatch for _, found in results for mismatch in found),
    )
