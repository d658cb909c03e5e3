"""From PENDING to CONFIRMED, or to CANCELLED when the goods are gone. Several ways lead here: payment's events, and the
sweeper that finds an order paid at its deadline."""

import dataclasses
from typing import Any

from revcart.kit import events, telemetry
from revcart.order import domain, flow, steps
from revcart.order.ports import Ports

log = telemetry.get_logger(__name__)


async def confirm(
    *,
    order_id: int,
    paid: bool,
    ports: Ports,
    event: events.Received[Any] | None = None,
) -> events.Ignored | None:
    """Commit the goods and confirm the order; `paid`: the money is here, not only promised (COD).

    Without goods it is cancelled, OUT_OF_STOCK, and payment sends the money back on that event.
    """
    async with ports.store.read() as tx:
        seen = await tx.order(order_id)
    if seen is None:
        return events.Ignored("unknown-order")
    if seen.status is domain.Status.CANCELLED:
        return events.Ignored("cancelled")
    goods = seen.status is not domain.Status.PENDING or await ports.stock.commit(seen.reservation_id)
    async with ports.store.transaction(received=event) as tx:
        order = await tx.order(order_id, for_update=True)
        assert order is not None, "orders are never deleted"
        if order.status is domain.Status.PENDING:
            if paid:
                order = dataclasses.replace(order, payment_status="PAID", payment_failure=None)
            action, reason = (domain.Action.CONFIRM, None) if goods else (domain.Action.CANCEL, domain.OUT_OF_STOCK)
            await steps.take(tx, order, action, actor=domain.SYSTEM, timezone=ports.config.timezone, reason=reason)
            log.info("order.confirmed" if goods else "order.sold-out", orderId=order_id, paid=paid)
        elif order.status is not domain.Status.CANCELLED and paid and not order.paid:
            now = ports.clock.now()
            await tx.save(dataclasses.replace(order, payment_status="PAID", updated_at=now, version=order.version + 1))
    if order.status is domain.Status.CANCELLED:
        # It was cancelled while its goods were being committed: they go back a second time, which product allows.
        await flow.give_back(seen, ports=ports)
        return events.Ignored("cancelled")
    return None
