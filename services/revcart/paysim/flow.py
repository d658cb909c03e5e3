"""What the double does: orders are made, paid, captured and refunded, and each change is told by webhook."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field

from revcart.kit import clock
from revcart.paysim import domain, faults, store, webhooks


@dataclass(frozen=True, kw_only=True)
class Ports:
    """`auto_capture`: the account's capture setting, used where an order does not say."""

    clock: clock.Clock
    store: store.Store
    faults: faults.Faults
    webhooks: webhooks.Sender
    key_secret: str
    auto_capture: bool
    refunds_in_flight: set[str] = field(default_factory=set)

    def seconds(self) -> int:
        return int(self.clock.now().timestamp())


async def create_order(*, body: domain.Entity, ports: Ports) -> domain.Entity:
    order = domain.new_order(body, now=ports.seconds())
    automatic = domain.captures_by_itself(body, default=ports.auto_capture)
    async with ports.store.transaction() as tx:
        if body.get("unique_receipt") and order["receipt"] and await tx.receipt_taken(order["receipt"]):
            raise domain.Refused("Receipt should be unique.", field="receipt")
        await tx.add(order, automatic=automatic)
    return order


async def edit_notes(*, kind: str, entity_id: str, body: domain.Entity, ports: Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        entity = await tx.get(kind, entity_id) | {"notes": domain.notes(body.get("notes"))}
        await tx.save(entity)
    return entity


async def pay(*, order_id: str, paid_with: domain.Instrument, ports: Ports) -> domain.Entity:
    """What Checkout does with a test instrument; returns the payment, which may be failed or still `created`."""
    tampered = ports.faults.take("amountTampered")
    late = ports.faults.take("lateAuthorizeSeconds")
    async with ports.store.transaction() as tx:
        order = await tx.get("order", order_id)
        if order["status"] == "paid":
            raise domain.Refused("Payment already done for this order.", reason="order_already_paid")
        amount = order["amount_due"]
        if tampered:
            amount += -100 if tampered is True else int(tampered)
        payment = domain.new_payment(order, paid_with=paid_with, amount=amount, now=ports.seconds())
        await tx.add(payment, parent=order_id)
        await tx.save(domain.order_with_attempt(order))
        if paid_with.failure is not None:
            payment = domain.failed(payment, failure=paid_with.failure)
            await tx.save(payment)
            await ports.webhooks.add(tx, "payment.failed", payment=payment)
        elif late:
            await tx.do_later(
                payment["id"],
                what="authorize",
                at=ports.clock.now().timestamp() + float(late),
            )
        else:
            payment = await _authorize(tx, payment=payment, ports=ports)
    ports.webhooks.wake()
    return payment


async def _authorize(tx: store.Transaction, *, payment: domain.Entity, ports: Ports) -> domain.Entity:
    payment = domain.authorized(payment)
    await tx.save(payment)
    await ports.webhooks.add(tx, "payment.authorized", payment=payment)
    switched = ports.faults.take("autoCapture")
    if await tx.captures_by_itself(payment["order_id"]) if switched is None else switched:
        payment = await _capture(tx, payment=payment, ports=ports)
    return payment


async def _capture(tx: store.Transaction, *, payment: domain.Entity, ports: Ports) -> domain.Entity:
    payment = domain.captured(payment)
    await tx.save(payment)
    before = await tx.get("order", payment["order_id"])
    order = domain.order_with_capture(before, payment=payment)
    await tx.save(order)
    await ports.webhooks.add(tx, "payment.captured", payment=payment)
    if order["status"] == "paid" != before["status"]:
        await ports.webhooks.add(tx, "order.paid", payment=payment, order=order)
    return payment


async def capture(*, payment_id: str, body: domain.Entity, ports: Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        payment = await tx.get("payment", payment_id)
        domain.check_capture(payment, body)
        payment = await _capture(tx, payment=payment, ports=ports)
    ports.webhooks.wake()
    return payment


async def refund(*, payment_id: str, body: domain.Entity, key: str | None, ports: Ports) -> domain.Entity:
    """Refund once per `X-Refund-Idempotency` key: the same request again gives the same refund, another 400."""
    if key is None:
        return await _refund(payment_id=payment_id, body=body, key=None, ports=ports)
    domain.check_idempotency_key(key)
    if key in ports.refunds_in_flight:
        raise domain.Refused(
            "Request with the same idempotency key is in progress.",
            status=409,
            reason="conflict",
        )
    ports.refunds_in_flight.add(key)
    try:
        return await _refund(payment_id=payment_id, body=body, key=key, ports=ports)
    finally:
        ports.refunds_in_flight.discard(key)


async def _refund(*, payment_id: str, body: domain.Entity, key: str | None, ports: Ports) -> domain.Entity:
    fingerprint = hashlib.sha256(json.dumps([payment_id, body], sort_keys=True).encode()).hexdigest()
    async with ports.store.transaction() as tx:
        known = await tx.refund_of_key(key) if key else None
        if known is not None:
            if known[0] != fingerprint:
                raise domain.Refused("Different request with the same idempotency key has already been processed.")
            return await tx.get("refund", known[1]["id"])
        payment = await tx.get("payment", payment_id)
        fails = ports.faults.take("refundFail")
        waits = ports.faults.take("refundPending")
        status = "pending" if fails or waits else "processed"
        made = domain.new_refund(payment, body, status=status, now=ports.seconds())
        payment = domain.payment_with_refund(payment, amount=made["amount"])
        await tx.add(made, parent=payment_id)
        await tx.save(payment)
        if key:
            await tx.keep_refund_key(key=key, fingerprint=fingerprint, refund=made)
        await ports.webhooks.add(tx, "refund.created", refund=made, payment=payment)
        if fails or waits:
            at = None if waits is True else ports.clock.now().timestamp() + float(waits or 0)
            await tx.do_later(made["id"], what="fail" if fails else "process", at=at)
        else:
            await ports.webhooks.add(tx, "refund.processed", refund=made, payment=payment)
    ports.webhooks.wake()
    return made


async def advance(*, ports: Ports) -> None:
    """Do what was put off: late authorisations, refunds that were pending or fail."""
    now = ports.clock.now().timestamp()
    async with ports.store.transaction() as tx:
        for entity_id, what, waits_for_switch in await tx.due(now=now):
            if waits_for_switch and ports.faults.is_on("refundPending"):
                continue
            await tx.done_later(entity_id)
            if what == "authorize":
                await _authorize(tx, payment=await tx.get("payment", entity_id), ports=ports)
            else:
                await _end_refund(tx, refund_id=entity_id, processed=what == "process", ports=ports)
    ports.webhooks.wake()


async def _end_refund(tx: store.Transaction, *, refund_id: str, processed: bool, ports: Ports) -> None:
    ended = await tx.get("refund", refund_id) | {"status": "processed" if processed else "failed"}
    payment = await tx.get("payment", ended["payment_id"])
    if not processed:
        payment = domain.payment_with_refund(payment, amount=-ended["amount"])
        await tx.save(payment)
    await tx.save(ended)
    await ports.webhooks.add(tx, f"refund.{ended['status']}", refund=ended, payment=payment)


async def keep_advancing(*, ports: Ports, every: float) -> None:
    while True:
        await advance(ports=ports)
        await asyncio.sleep(every)


async def reset(*, ports: Ports) -> None:
    ports.faults.replace({})
    async with ports.store.transaction() as tx:
        await tx.clear()
