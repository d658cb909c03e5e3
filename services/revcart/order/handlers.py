"""What order does about payment's and delivery's events."""

import dataclasses
from typing import Any

from revcart.kit import events as kit_events
from revcart.order import confirming, domain, events, steps, store
from revcart.order.ports import Ports


async def begin_cash(*, event: kit_events.Received[events.PaymentCreated], ports: Ports) -> kit_events.Ignored | None:
    """Cash on delivery is confirmed by the promise; online money by its arrival."""
    if event.data.method != "COD":
        return kit_events.Ignored("not-cash")
    return await confirming.confirm(order_id=event.data.order_id, paid=False, ports=ports, event=event)


async def confirm_paid(
    *, event: kit_events.Received[events.PaymentCompleted], ports: Ports
) -> kit_events.Ignored | None:
    """Online: PENDING becomes CONFIRMED. Cash: the delivered order is paid."""
    return await confirming.confirm(order_id=event.data.order_id, paid=True, ports=ports, event=event)


async def note_failure(*, event: kit_events.Received[events.PaymentFailed], ports: Ports) -> kit_events.Ignored | None:
    """The order waits for another try until its deadline."""
    async with ports.store.transaction(received=event) as tx:
        order = await _locked(tx, event.data.order_id)
        if order.status is not domain.Status.PENDING:
            return kit_events.Ignored("not-pending")
        await _save(tx, order, payment_status="FAILED", payment_failure=event.data.description[:300])
    return None


async def note_refund(*, event: kit_events.Received[events.PaymentRefunded], ports: Ports) -> kit_events.Ignored | None:
    """Refunds come in any order; the total only grows."""
    async with ports.store.transaction(received=event) as tx:
        order = await _locked(tx, event.data.order_id)
        refunded = event.data.total_refunded_paise
        if refunded <= order.refunded_paise:
            return kit_events.Ignored("behind")
        status = "REFUNDED" if refunded >= order.total_paise else "PARTIALLY_REFUNDED"
        await _save(tx, order, refunded_paise=refunded, payment_status=status)
    return None


async def note_agent(*, event: kit_events.Received[events.DeliveryAssigned], ports: Ports) -> kit_events.Ignored | None:
    """Who brings it, and when."""
    async with ports.store.transaction(received=event) as tx:
        order = await _locked(tx, event.data.order_id)
        if order.status in (domain.Status.DELIVERED, domain.Status.CANCELLED):
            return kit_events.Ignored("final")
        await _save(tx, order, agent_name=event.data.agent_name[:60], eta_at=event.data.eta_at or order.eta_at)
    return None


async def follow_delivery(
    *, event: kit_events.Received[events.DeliveryStatusUpdated], ports: Ports
) -> kit_events.Ignored | None:
    """Move with the delivery: one that is steps ahead takes the order along, one that is behind has no effect."""
    async with ports.store.transaction(received=event) as tx:
        order = await _locked(tx, event.data.order_id)
        actions = _following(order.status, event.data)
        if isinstance(actions, kit_events.Ignored):
            return actions
        if event.data.eta_at is not None and order.status is not domain.Status.DELIVERED:
            order = await _save(tx, order, eta_at=event.data.eta_at)
        for action in actions:
            reason = domain.DELIVERY_FAILED if action is domain.Action.CANCEL else None
            order = await steps.take(
                tx, order, action, actor=domain.SYSTEM, timezone=ports.config.timezone, reason=reason
            )
    return None


def _following(status: domain.Status, data: events.DeliveryStatusUpdated) -> list[domain.Action] | kit_events.Ignored:
    if status in (domain.Status.DELIVERED, domain.Status.CANCELLED):
        return kit_events.Ignored("final")
    goals = {"PICKED_UP": domain.Status.OUT_FOR_DELIVERY, "DELIVERED": domain.Status.DELIVERED}
    failed = data.to == "CANCELLED" and data.reason == domain.DELIVERY_FAILED
    if data.to not in goals and not failed:
        return []
    if status is domain.Status.PENDING:
        return kit_events.Ignored("not-confirmed")
    if failed:
        return [*domain.steps_to(status, domain.Status.OUT_FOR_DELIVERY), domain.Action.CANCEL]
    return domain.steps_to(status, goals[data.to]) or kit_events.Ignored("behind")


async def _locked(tx: store.Transaction, order_id: int) -> domain.Order:
    order = await tx.order(order_id, for_update=True)
    if order is None:
        raise kit_events.Ignored("unknown-order")
    return order


async def _save(tx: store.Transaction, order: domain.Order, **changes: Any) -> domain.Order:
    now = tx.clock.now()
    order = dataclasses.replace(order, **changes, updated_at=now, version=order.version + 1)
    await tx.save(order)
    return order


HANDLERS: kit_events.Handlers = {
    events.PaymentCreated: begin_cash,
    events.PaymentCompleted: confirm_paid,
    events.PaymentFailed: note_failure,
    events.PaymentRefunded: note_refund,
    events.DeliveryAssigned: note_agent,
    events.DeliveryStatusUpdated: follow_delivery,
}
