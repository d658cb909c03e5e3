"""What product does when an order moves on: the backstop to order's own calls, which may have been lost.

Only `order.created` and the two ends name the reservation; CONFIRMED names the order alone, hence `remember_order`.
"""

from revcart.kit import events as kit_events
from revcart.product import events, flow, reservations, stock

_SPOILT_FROM = "OUT_FOR_DELIVERY"  # what was under way is perishable: it cannot be sold again


async def remember_order(*, event: kit_events.Received[events.OrderCreated], ports: flow.Ports) -> None:
    """Note which order a reservation is for."""
    async with ports.store.transaction(received=event) as tx:
        await tx.reservations.belongs_to(event.data.reservation_id, order_id=event.data.order_id)


async def commit_confirmed(
    *, event: kit_events.Received[events.OrderStatusUpdated], ports: flow.Ports
) -> kit_events.Ignored | None:
    """A confirmed order's stock is sold."""
    if event.data.to != "CONFIRMED":
        return kit_events.Ignored("other state")
    try:
        async with ports.store.transaction(received=event) as tx:
            hold = await tx.reservations.of_order(event.data.order_id)
            if hold is None:
                return kit_events.Ignored("order unknown")
            await stock.commit_within(tx, hold, now=ports.clock.now())
    except (reservations.Insufficient, reservations.Unavailable, reservations.NotHeld):
        return kit_events.Ignored("stock gone")  # order's own commit is refused likewise, and cancels the order
    await ports.shelf.moved(line.product_id for line in hold.lines)
    return None


async def give_back_cancelled(
    *, event: kit_events.Received[events.OrderCancelled], ports: flow.Ports
) -> kit_events.Ignored | None:
    """A cancelled order's stock comes back, as waste where it was under way."""
    is_waste = event.data.previous_status == _SPOILT_FROM
    return await _give_back(event, reservation_id=event.data.reservation_id, is_waste=is_waste, ports=ports)


async def give_back_expired(
    *, event: kit_events.Received[events.OrderExpired], ports: flow.Ports
) -> kit_events.Ignored | None:
    """An unpaid order's hold is released."""
    return await _give_back(event, reservation_id=event.data.reservation_id, is_waste=False, ports=ports)


async def _give_back(
    event: kit_events.Received[events.OrderCancelled] | kit_events.Received[events.OrderExpired],
    *,
    reservation_id: int,
    is_waste: bool,
    ports: flow.Ports,
) -> kit_events.Ignored | None:
    async with ports.store.transaction(received=event) as tx:
        hold = await tx.reservations.get(reservation_id, lock=True)
        if hold is None:
            return kit_events.Ignored("reservation unknown")
        await stock.release_within(tx, hold, actor="svc:order", now=ports.clock.now(), is_waste=is_waste)
    await ports.shelf.moved(line.product_id for line in hold.lines)
    return None


HANDLERS: kit_events.Handlers = {
    events.OrderCreated: remember_order,
    events.OrderStatusUpdated: commit_confirmed,
    events.OrderCancelled: give_back_cancelled,
    events.OrderExpired: give_back_expired,
}
