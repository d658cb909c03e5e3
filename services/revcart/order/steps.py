"""One step of an order: new state, history row, seat, coupon use and events, all in the caller's transaction."""

import dataclasses
from typing import Any

from revcart.kit import clock
from revcart.order import domain, events, refusals, store


async def take(
    tx: store.Transaction,
    order: domain.Order,
    action: domain.Action,
    *,
    actor: domain.Actor,
    timezone: str,
    reason: str | None = None,
    comment: str | None = None,
) -> domain.Order:
    """`order` (its row locked by this transaction) after `action`. Raises TransitionNotAllowed (409).

    `reason`: why it is cancelled; `comment`: the customer's words about it.
    """
    transition = domain.transition(order.status, action, by=actor.kind)
    if transition is None:
        raise not_allowed(order.status, domain.goal(action), by=actor.kind)
    now = tx.clock.now()
    step = domain.Step(from_=order.status, to=transition.to, action=action, actor=actor, reason=reason, at=now)
    order = dataclasses.replace(order, status=transition.to, updated_at=now, version=order.version + 1)
    if transition.to is domain.Status.CONFIRMED:
        number = await tx.next_invoice_number(clock.business_day(now, timezone))
        order = dataclasses.replace(order, confirmed_at=now, invoice_number=number)
    elif transition.to is domain.Status.DELIVERED:
        order = dataclasses.replace(order, delivered_at=now)
    elif transition.to is domain.Status.CANCELLED:
        refund = order.total_paise - order.refunded_paise if order.paid else None
        order = dataclasses.replace(order, cancelled_at=now, cancel_reason=reason, refund_paise=refund)
        await _give_back(tx, order)
    await tx.save(order)
    await tx.add_step(order.id, step)
    await tx.outbox.add(events.OrderStatusUpdated.of(order, step))
    if action is domain.Action.EXPIRE:
        await tx.outbox.add(events.OrderExpired.of(order, step))
    elif action is domain.Action.CANCEL:
        await tx.outbox.add(events.OrderCancelled.of(order, step, comment=comment))
    return order


def not_allowed(status: domain.Status, to: domain.Status, *, by: domain.Kind) -> refusals.TransitionNotAllowed:
    """The refusal, naming what would be possible."""
    choices = domain.allowed(status, by=by)
    hint = f"possible: {', '.join(choices)}" if choices else "nothing follows"
    members: dict[str, Any] = {"from": status, "to": to, "allowed": choices}
    return refusals.TransitionNotAllowed(f"{status} does not become {to}; {hint}.", **members)


async def _give_back(tx: store.Transaction, order: domain.Order) -> None:
    if order.slot_id is not None:
        await tx.return_seat(order.slot_id)
    if order.coupon_id is not None:
        await tx.return_coupon(order.coupon_id, order_id=order.id)
