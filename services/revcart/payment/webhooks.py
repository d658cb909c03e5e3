"""Razorpay's webhooks: signed bytes, written down, applied once, in whatever order they come."""

import hashlib
from typing import Literal

from revcart.kit import errors
from revcart.payment import domain, entities, learning, refunds, signatures
from revcart.payment import ports as all_ports

_PAYMENTS = {"payment.authorized", "payment.captured", "payment.failed", "order.paid"}
_REFUNDS = {"refund.created", "refund.processed", "refund.failed"}

Outcome = Literal["ok", "duplicate", "ignored"]


async def receive(*, raw: bytes, signature: str, event_id: str | None, ports: all_ports.Ports) -> Outcome:
    """Take one webhook. Raises SignatureMismatch, MalformedRequest (400).

    What is no event of ours stays NEW: should its payment appear later, a repeat of the webhook is applied.
    """
    if not signatures.is_signed(message=raw, signature=signature, secrets=ports.webhook_secrets):
        raise domain.SignatureMismatch("X-Razorpay-Signature does not fit the body.")
    webhook = entities.Webhook.parse(raw)
    async with ports.store.transaction() as tx:
        seen = await tx.seen_webhook(
            event_id=event_id,
            event=webhook.event,
            entity_id=webhook.entity_id or hashlib.sha256(raw).hexdigest(),
            body=webhook.kept(),
        )
        if seen.state == "NEW" and webhook.event not in _PAYMENTS | _REFUNDS:
            await tx.mark_webhook(seen.id, "IGNORED")
    if seen.state == "DONE":
        return "duplicate"
    if webhook.event in _PAYMENTS:
        return await _payment(webhook, webhook_id=seen.id, ports=ports)
    if webhook.event in _REFUNDS:
        learnt = await refunds.learn(fact=webhook.refund().fact(), ports=ports, webhook_id=seen.id)
        return "ignored" if learnt is None else "ok"
    return "ignored"


async def _payment(webhook: entities.Webhook, *, webhook_id: int, ports: all_ports.Ports) -> Outcome:
    fact = webhook.payment().fact(via=domain.Via.WEBHOOK, at=ports.clock.now())
    if fact is None:
        raise errors.MalformedRequest("The payment of this event has no outcome.")
    learnt = await learning.learn(fact=fact, ports=ports, webhook_id=webhook_id)
    return "ignored" if learnt is None else "ok"
