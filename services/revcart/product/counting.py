"""Stock by hand: what an administrator counts, receives or throws away, its ledger, and what sells."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from revcart.kit import auth, errors, pages
from revcart.product import flow, once, reservations, schemas_management, stock, store

SOLD_SINCE = dt.timedelta(days=30)


async def set_stock(
    *,
    product_id: int,
    on_hand: int,
    reason: reservations.Reason,
    note: str | None,
    user: auth.User,
    ports: flow.Ports,
) -> reservations.Stock:
    """So many are on hand. Raises NotFound, BelowReserved (409)."""
    async with ports.store.transaction() as tx:
        before = await _locked(tx, product_id)
        after = await _move(
            tx, before, delta=on_hand - before.on_hand, reason=reason, note=note, user=user, now=ports.clock.now()
        )
    await ports.shelf.moved([product_id])
    return after


async def add_stock(
    *,
    product_id: int,
    delta: int,
    reason: reservations.Reason,
    note: str | None,
    user: auth.User,
    key: once.Key | None,
    ports: flow.Ports,
) -> once.Made:
    """So many came or went. Raises NotFound, BelowReserved (409)."""
    async with once.claimed(key, user=user, route="POST /api/products/{id}/stock", ports=ports) as claim:
        if (kept := once.replay_of(claim)) is not None:
            return kept
        async with ports.store.transaction() as tx:
            before = await _locked(tx, product_id)
            after = await _move(tx, before, delta=delta, reason=reason, note=note, user=user, now=ports.clock.now())
            body = schemas_management.CountedStock.of_stock(after).model_dump(mode="json", by_alias=True)
            if claim is not None:
                await tx.idempotency.keep(claim, status=200, body=body)
        await ports.shelf.moved([product_id])
        return once.Made(status=200, body=body)


async def _locked(tx: store.Transaction, product_id: int) -> reservations.Stock:
    found = (await tx.stock.many([product_id], lock=True)).get(product_id)
    if found is None:
        raise errors.NotFound
    return found


async def _move(
    tx: store.Transaction,
    before: reservations.Stock,
    *,
    delta: int,
    reason: reservations.Reason,
    note: str | None,
    user: auth.User,
    now: dt.datetime,
) -> reservations.Stock:
    movement = reservations.Movement(
        product_id=before.product_id, on_hand=delta, reserved=0, kind=reason, actor=f"user:{user.id}", note=note
    )
    if not await tx.stock.move(movement, now=now):
        raise reservations.BelowReserved(f"{before.reserved} are reserved for orders; no fewer can be on hand.")
    await stock.tell_low(tx, [before.product_id], now=now)
    return await _locked(tx, before.product_id)


async def get_ledger(
    *,
    product_id: int,
    page: pages.PageQuery,
    ports: flow.Ports,
) -> tuple[list[Mapping[str, Any]], int]:
    """A page of a product's movements, the newest first. Raises NotFound."""
    async with ports.store.read() as tx:
        if not await tx.stock.many([product_id]):
            raise errors.NotFound
        return await tx.stock.ledger(product_id, page)


async def list_low_stock(*, page: pages.PageQuery, ports: flow.Ports) -> tuple[list[flow.Shown], int]:
    """A page of the active products below their threshold, the emptiest first."""
    async with ports.store.read() as tx:
        ids, total = await tx.stock.low(page)
    shown = {item.product.id: item for item in await flow.products_now(ids=ids, ports=ports)}
    return [shown[number] for number in ids if number in shown], total


async def count_sold(*, ports: flow.Ports) -> None:
    """Popularity: what each product sold in the last 30 days, less what came back."""
    async with ports.store.transaction() as tx:
        await tx.stock.count_sold(since=ports.clock.now() - SOLD_SINCE)
