"""What may be done with an order once it is placed (`placing`): look, cancel, move on, return a part."""

import datetime as dt
import zoneinfo
from collections.abc import Sequence

from revcart.kit import auth, errors, pages
from revcart.order import domain, invoice, refusals, steps
from revcart.order.ports import Ports


async def find_order(*, key: str, user: auth.User, ports: Ports) -> domain.Order:
    """By id or order number. Raises NotFound, also for somebody else's (ADMIN sees all)."""
    async with ports.store.read() as tx:
        order = await tx.order(key)
    return _visible(order, user)


async def any_order(*, order_id: int, ports: Ports) -> domain.Order:
    """For other services. Raises NotFound."""
    async with ports.store.read() as tx:
        order = await tx.order(order_id)
    if order is None:
        raise errors.NotFound
    return order


async def order_history(*, key: str, user: auth.User, ports: Ports) -> list[domain.Step]:
    """Oldest first. Raises NotFound."""
    async with ports.store.read() as tx:
        order = _visible(await tx.order(key), user)
        return await tx.history(order.id)


async def find_invoice(*, key: str, user: auth.User, ports: Ports) -> invoice.Invoice:
    """Raises NotFound, InvoiceNotReady (409)."""
    order = await find_order(key=key, user=user, ports=ports)
    seller = invoice.Seller(ports.config.order_seller_name, ports.config.order_seller_gstin)
    return invoice.of(order, seller=seller, timezone=ports.config.timezone)


async def list_orders(*, wanted: domain.Filter, query: pages.PageQuery, ports: Ports) -> tuple[list[domain.Order], int]:
    """One page of the orders that `wanted` describes, and the number of all."""
    async with ports.store.read() as tx:
        return await tx.page(wanted, query)


async def count_orders(*, wanted: domain.Filter, ports: Ports) -> dict[domain.Status, int]:
    """How many there are of each state."""
    async with ports.store.read() as tx:
        return await tx.counts(wanted)


async def cancel_order(
    *,
    key: str,
    user: auth.User,
    reason: str,
    comment: str | None,
    ports: Ports,
) -> domain.Order:
    """Cancel as the owner or as ADMIN; a cancelled order stays as it is. Raises NotFound, NotCancellable (409)."""
    async with ports.store.transaction() as tx:
        before = _visible(await tx.order(key, for_update=True), user)
        if before.status is domain.Status.CANCELLED:
            return before
        actor = _actor(user)
        _refuse_late(before, actor, now=ports.clock.now(), minutes=ports.config.order_cancel_cutoff_minutes)
        after = await steps.take(
            tx,
            before,
            domain.Action.CANCEL,
            actor=actor,
            timezone=ports.config.timezone,
            reason=reason,
            comment=comment,
        )
    await give_back(before, ports=ports)
    return after


async def change_status(
    *,
    key: str,
    to: domain.Status,
    reason: str | None,
    user: auth.User,
    ports: Ports,
) -> domain.Order:
    """Move an order on as ADMIN; its present state again changes nothing.

    Raises NotFound, InvalidRequest (cancelling without a reason), TransitionNotAllowed, Unpaid (409).
    """
    if to is domain.Status.CANCELLED and reason is None:
        raise errors.InvalidRequest("Say why.", items=[errors.Item("#/reason", "is needed to cancel")])
    async with ports.store.transaction() as tx:
        before = await tx.order(key, for_update=True)
        if before is None:
            raise errors.NotFound
        if before.status is to:
            return before
        action = domain.ACTION_TO.get(to)
        if action is None:
            raise steps.not_allowed(before.status, to, by=domain.Kind.ADMIN)
        if action is domain.Action.DELIVER and before.cod_due_paise and before.status is domain.Status.OUT_FOR_DELIVERY:
            raise refusals.Unpaid("Cash is still to be collected; the delivery reports it.")
        after = await steps.take(tx, before, action, actor=_actor(user), timezone=ports.config.timezone, reason=reason)
    if to is domain.Status.CANCELLED:
        await give_back(before, ports=ports)
    return after


async def give_back(before: domain.Order, *, ports: Ports) -> None:
    """Release the goods of an order that was just cancelled; what is on the road does not come back to the shelf."""
    if before.status is not domain.Status.OUT_FOR_DELIVERY:
        await ports.stock.release(before.reservation_id)


async def quote_refund(*, order_id: int, parts: Sequence[tuple[int, int]], ports: Ports) -> int:
    """Paise for (item id, quantity) parts: their share of discount and tax, never the delivery fee.

    Raises NotFound, ItemUnknown, QuantityExceeded (422).
    """
    order = await any_order(order_id=order_id, ports=ports)
    items = {item.id: item for item in order.items}
    wanted: dict[int, int] = {}
    for item_id, quantity in parts:
        wanted[item_id] = wanted.get(item_id, 0) + quantity
    for item_id, quantity in wanted.items():
        if item_id not in items:
            raise refusals.ItemUnknown(f"The order has no item {item_id}.")
        if quantity > items[item_id].quantity:
            raise refusals.QuantityExceeded(f"{items[item_id].quantity} were ordered.")
    value = sum(items[item_id].price_paise * quantity for item_id, quantity in wanted.items())
    return domain.refund_share(order, value_paise=value)


async def export_orders(*, user_id: int, ports: Ports) -> list[domain.Order]:
    """All orders of a user, for the user."""
    async with ports.store.read() as tx:
        return await tx.of_user(user_id)


async def forget_user(*, user_id: int, ports: Ports) -> None:
    """Make a user's orders anonymous; may be repeated. Raises OpenOrders (409) while one is on its way."""
    final = (domain.Status.DELIVERED, domain.Status.CANCELLED)
    async with ports.store.transaction() as tx:
        if any(order.status not in final for order in await tx.of_user(user_id)):
            raise refusals.OpenOrders
        await tx.anonymise(user_id)


def days(start: dt.date | None, end: dt.date | None, timezone: str) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The instants around the business days `start` to `end`, both inclusive. Raises InvalidRequest."""
    if start is not None and end is not None and start > end:
        raise pages.invalid("from", "must not be after to")
    zone = zoneinfo.ZoneInfo(timezone)
    first = dt.datetime.combine(start, dt.time(), zone) if start else None
    last = dt.datetime.combine(end + dt.timedelta(days=1), dt.time(), zone) if end else None
    return first, last


def _visible(order: domain.Order | None, user: auth.User) -> domain.Order:
    if order is None or (order.user_id != user.id and user.role != "ADMIN"):
        raise errors.NotFound
    return order


def _actor(user: auth.User) -> domain.Actor:
    return domain.Actor(domain.Kind.ADMIN if user.role == "ADMIN" else domain.Kind.USER, user.id)


def _refuse_late(order: domain.Order, actor: domain.Actor, *, now: dt.datetime, minutes: int) -> None:
    if domain.transition(order.status, domain.Action.CANCEL, by=actor.kind) is None:
        raise refusals.NotCancellable(f"The order is {order.status}; it cannot be cancelled any more.")
    if actor.kind is domain.Kind.USER and not order.cancellable(now=now, cut_off_minutes=minutes):
        raise refusals.NotCancellable(f"Orders can be cancelled until {minutes} minutes before their slot.")
