"""What happens to unpaid orders by the clock: cash orders are begun again, overdue ones end. No clock delivers."""

import asyncio
import datetime as dt

from revcart.kit import errors, telemetry
from revcart.order import confirming, domain, flow, steps
from revcart.order.ports import Ports

_AT_ONCE = 100  # orders per run
_SIDE_BY_SIDE = 8
_BEGIN_AGAIN_AFTER = dt.timedelta(seconds=10)

log = telemetry.get_logger(__name__)


async def expire_unpaid(*, ports: Ports) -> None:
    """End the orders whose deadline has passed, unless payment says at the last moment that they are paid."""
    async with ports.store.read() as tx:
        overdue = await tx.overdue(ports.clock.now(), limit=_AT_ONCE)
    turn = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def one(order: domain.Order) -> None:
        async with turn:
            try:
                await _expire(order, ports)
            except errors.DependencyUnavailable as away:
                log.warning("order.expiry-waits", orderId=order.id, away=away.service)

    await asyncio.gather(*(one(order) for order in overdue))


async def _expire(order: domain.Order, ports: Ports) -> None:
    if await ports.payments.close(order.id):
        await confirming.confirm(order_id=order.id, paid=True, ports=ports)
        return
    async with ports.store.transaction() as tx:
        present = await tx.order(order.id, for_update=True)
        if present is None or present.status is not domain.Status.PENDING:
            return
        await steps.take(
            tx,
            present,
            domain.Action.EXPIRE,
            actor=domain.SYSTEM,
            timezone=ports.config.timezone,
            reason=domain.PAYMENT_TIMEOUT,
        )
    log.info("order.expired", orderId=order.id)
    await flow.give_back(order, ports=ports)


async def begin_cod_again(*, ports: Ports) -> None:
    """Ask payment again for cash orders it has not confirmed; it answers with the open one when there is one."""
    now = ports.clock.now()
    async with ports.store.read() as tx:
        waiting = await tx.cod_not_begun(now, placed_before=now - _BEGIN_AGAIN_AFTER, limit=_AT_ONCE)
    for order in waiting:
        if await ports.payments.begin(order) is None:
            return  # still away; the next run asks again
