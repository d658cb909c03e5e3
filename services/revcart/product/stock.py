"""Stock for orders: held, sold, given back, lapsed; every movement in the ledger, every low product told."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from revcart.kit import errors
from revcart.product import events, flow, reservations, store

SWEEP_ROWS = 100


async def reserve(
    *,
    reference: str,
    user_id: int,
    seconds: int,
    wanted: Sequence[reservations.Wanted],
    ports: flow.Ports,
) -> tuple[reservations.Reservation, bool]:
    """Hold all lines or none, and whether the hold is new; the same reference and lines give the first one again.

    Raises Insufficient, Unavailable, Committed (409).
    """
    lines = reservations.merged(wanted)
    now = ports.clock.now()
    async with ports.store.transaction() as tx:
        # Apart: on MySQL those who insert the same key at once share a lock that none of them could then make its own.
        await tx.reservations.open(reference=reference, user_id=user_id, now=now)
    async with ports.store.transaction() as tx:
        hold = await tx.reservations.of_reference(reference)
        if hold.state in {"COMMITTED", "RETURNED"}:
            raise reservations.Committed
        if hold.state == "HELD" and hold.is_for(lines) and hold.expires_at > now:
            return hold, False
        if hold.state == "HELD":
            await _undo(tx, hold, kind="RELEASE", actor="svc:order", now=now)
        held = await _hold(
            tx, hold, wanted=lines, user_id=user_id, expires_at=now + dt.timedelta(seconds=seconds), now=now
        )
    touched = {line.product_id for line in (*hold.lines, *held.lines)}
    await ports.shelf.moved(touched)
    return held, True


async def _hold(
    tx: store.Transaction,
    hold: reservations.Reservation,
    *,
    wanted: Sequence[reservations.Wanted],
    user_id: int,
    expires_at: dt.datetime,
    now: dt.datetime,
) -> reservations.Reservation:
    """A new round of `hold`; prices are those of this transaction."""
    step = f"r{hold.id}.{hold.round + 1}"
    short = [
        line
        for line in wanted
        if not await tx.stock.move(
            reservations.Movement(
                product_id=line.product_id,
                on_hand=0,
                reserved=line.quantity,
                kind="RESERVE",
                actor="svc:order",
                reference=step,
            ),
            now=now,
            if_active=True,
        )
    ]
    if short:
        raise await _refusal(tx, short, wanted=wanted)
    ids = [line.product_id for line in wanted]
    products = await tx.products.many(ids)
    lines = [
        reservations.Line(
            product_id=line.product_id,
            quantity=line.quantity,
            returned=0,
            snapshot=reservations.snapshot(products[line.product_id]),
        )
        for line in wanted
    ]
    await tx.reservations.hold(hold.id, user_id=user_id, expires_at=expires_at, lines=lines)
    await tell_low(tx, ids, now=now)
    held = await tx.reservations.get(hold.id)
    assert held is not None
    return held


async def _refusal(
    tx: store.Transaction,
    short: Sequence[reservations.Wanted],
    *,
    wanted: Sequence[reservations.Wanted],
) -> errors.RevCartError:
    ids = [line.product_id for line in short]
    products, stock = await tx.products.many(ids), await tx.stock.many(ids)
    gone = [number for number in ids if number not in products or not products[number].active]
    named = gone or ids
    left = {number: 0 if number in gone else stock[number].available for number in named}
    lines = [{"productId": number, "available": left[number]} for number in named]
    if gone:
        items = _items(wanted, dict.fromkeys(gone, "no longer sold"))
        return reservations.Unavailable("A product is no longer sold.", items=items, lines=lines)
    items = _items(wanted, {number: f"{left[number]} left" for number in named})
    detail = " ".join(f"{left[number]} of {products[number].name} are left." for number in named[:3])
    return reservations.Insufficient(detail, items=items, lines=lines)


def _items(wanted: Sequence[reservations.Wanted], details: Mapping[int, str]) -> list[errors.Item]:
    return [
        errors.Item(f"#/lines/{place}/quantity", details[line.product_id])
        for place, line in enumerate(wanted)
        if line.product_id in details
    ]


async def commit(*, reservation_id: int, ports: flow.Ports) -> reservations.Reservation:
    """What was held is sold; a repeat changes nothing. A lapsed hold is taken anew.

    Raises NotFound, Insufficient or Unavailable when it lapsed and the stock is gone, NotHeld when it was given back.
    """
    async with ports.store.transaction() as tx:
        hold = await _locked(tx, reservation_id)
        done = await commit_within(tx, hold, now=ports.clock.now())
    await ports.shelf.moved(line.product_id for line in done.lines)
    return done


async def commit_within(
    tx: store.Transaction,
    hold: reservations.Reservation,
    *,
    now: dt.datetime,
) -> reservations.Reservation:
    """The step of `commit` for a hold that is locked."""
    if hold.state == "COMMITTED":
        return hold
    if hold.state in {"RELEASED", "RETURNED"}:
        raise reservations.NotHeld
    if hold.state == "EXPIRED":
        wanted = [
            reservations.Wanted(product_id=line.product_id, quantity=line.left) for line in hold.lines if line.left
        ]
        hold = await _hold(tx, hold, wanted=wanted, user_id=hold.user_id, expires_at=now, now=now)
    for line in hold.lines:
        await _must_move(
            tx, hold, line, on_hand=-line.left, reserved=-line.left, kind="COMMIT", actor="svc:order", now=now
        )
    await tx.reservations.decide(hold.id, "COMMITTED", now=now)
    return await _locked(tx, hold.id)


async def release(*, reservation_id: int, ports: flow.Ports) -> reservations.Reservation:
    """Give all of it back; a repeat changes nothing. Raises NotFound."""
    async with ports.store.transaction() as tx:
        hold = await _locked(tx, reservation_id)
        done = await release_within(tx, hold, actor="svc:order", now=ports.clock.now())
    await ports.shelf.moved(line.product_id for line in done.lines)
    return done


async def release_within(
    tx: store.Transaction,
    hold: reservations.Reservation,
    *,
    actor: str,
    now: dt.datetime,
    is_waste: bool = False,
) -> reservations.Reservation:
    """The step of `release` for a hold that is locked. `is_waste`: what comes back cannot be sold again."""
    if hold.state == "HELD":
        await _undo(tx, hold, kind="RELEASE", actor=actor, now=now)
        await tx.reservations.decide(hold.id, "RELEASED", now=now)
    elif hold.state == "COMMITTED":
        await _undo(tx, hold, kind="RETURN", actor=actor, now=now)
        if is_waste:
            for line in hold.lines:
                await _must_move(tx, hold, line, on_hand=-line.left, reserved=0, kind="WASTE", actor=actor, now=now)
        await tx.reservations.decide(hold.id, "RETURNED", now=now)
    await tell_low(tx, [line.product_id for line in hold.lines], now=now)
    return await _locked(tx, hold.id)


async def release_part(
    *,
    reservation_id: int,
    ref: str,
    lines: Sequence[reservations.Wanted],
    ports: flow.Ports,
) -> reservations.Reservation:
    """Give some of it back, once per `ref`. Raises NotFound, Exceeded (409), NotHeld (409)."""
    now = ports.clock.now()
    async with ports.store.transaction() as tx:
        hold = await _locked(tx, reservation_id)
        step = f"{hold.step}/{ref}"
        if await tx.stock.was_booked(reference=step):
            return hold
        if hold.state not in {"HELD", "COMMITTED"}:
            raise reservations.NotHeld
        left = {line.product_id: line.left for line in hold.lines}
        for line in reservations.merged(lines):
            if line.quantity > left.get(line.product_id, 0):
                raise reservations.Exceeded(
                    f"{left.get(line.product_id, 0)} of product {line.product_id} are left of it."
                )
            on_hand, reserved = (0, -line.quantity) if hold.state == "HELD" else (line.quantity, 0)
            movement = reservations.Movement(
                product_id=line.product_id,
                on_hand=on_hand,
                reserved=reserved,
                kind="RELEASE" if hold.state == "HELD" else "RETURN",
                actor="svc:order",
                reference=step,
            )
            assert await tx.stock.move(movement, now=now), "what is held can be given back"
            await tx.reservations.give_back(hold.id, product_id=line.product_id, quantity=line.quantity)
        await tell_low(tx, [line.product_id for line in lines], now=now)
        done = await _locked(tx, reservation_id)
    await ports.shelf.moved(line.product_id for line in lines)
    return done


async def get_reservation(*, reservation_id: int, ports: flow.Ports) -> reservations.Reservation:
    """Raises NotFound."""
    async with ports.store.read() as tx:
        hold = await tx.reservations.get(reservation_id)
    if hold is None:
        raise errors.NotFound
    return hold


async def _undo(
    tx: store.Transaction,
    hold: reservations.Reservation,
    *,
    kind: reservations.Kind,
    actor: str,
    now: dt.datetime,
) -> None:
    """Move what is left of a hold back: RETURN raises what is on hand, RELEASE and EXPIRE lower what is reserved."""
    for line in hold.lines:
        on_hand, reserved = (line.left, 0) if kind == "RETURN" else (0, -line.left)
        await _must_move(tx, hold, line, on_hand=on_hand, reserved=reserved, kind=kind, actor=actor, now=now)


async def _must_move(
    tx: store.Transaction,
    hold: reservations.Reservation,
    line: reservations.Line,
    *,
    on_hand: int,
    reserved: int,
    kind: reservations.Kind,
    actor: str,
    now: dt.datetime,
) -> None:
    if not line.left:
        return
    movement = reservations.Movement(
        product_id=line.product_id, on_hand=on_hand, reserved=reserved, kind=kind, actor=actor, reference=hold.step
    )
    assert await tx.stock.move(movement, now=now), "what a reservation holds is there"


async def _locked(tx: store.Transaction, reservation_id: int) -> reservations.Reservation:
    hold = await tx.reservations.get(reservation_id, lock=True)
    if hold is None:
        raise errors.NotFound
    return hold


async def tell_low(tx: store.Transaction, ids: Iterable[int], *, now: dt.datetime) -> None:
    """Publish `stock.low` for those of these products that just fell below their threshold."""
    for row in await tx.stock.cross(ids, now=now):
        await tx.outbox.add(
            events.StockLow(
                product_id=row["id"],
                name=row["name"],
                category=row["slug"],
                available=row["available"],
                threshold=row["threshold"],
                at=now,
            )
        )


async def export_user(*, user_id: int, ports: flow.Ports) -> list[Mapping[str, Any]]:
    """What was held for a user."""
    async with ports.store.read() as tx:
        return await tx.reservations.of_user(user_id)


async def forget_user(*, user_id: int, ports: flow.Ports) -> None:
    """Forget for whom stock was held."""
    async with ports.store.transaction() as tx:
        await tx.reservations.forget_user(user_id)


async def expire_lapsed(*, ports: flow.Ports) -> int:
    """Give holds back that ran out a minute ago; how many."""
    before = ports.clock.now() - reservations.GRACE
    async with ports.store.read() as view:
        lapsed = await view.reservations.lapsed(before=before, most=SWEEP_ROWS)
    return sum([await _expire(reservation_id, before=before, ports=ports) for reservation_id in lapsed])


async def _expire(reservation_id: int, *, before: dt.datetime, ports: flow.Ports) -> bool:
    """One hold per transaction: products are locked in the order of their ids, as by everybody else."""
    now = ports.clock.now()
    async with ports.store.transaction() as tx:
        hold = await _locked(tx, reservation_id)
        if hold.state != "HELD" or hold.expires_at >= before:
            return False  # bought, given back or held anew since it was found
        await _undo(tx, hold, kind="EXPIRE", actor="system", now=now)
        await tx.reservations.decide(hold.id, "EXPIRED", now=now)
        touched = {line.product_id for line in hold.lines}
        await tell_low(tx, touched, now=now)
    await ports.shelf.moved(touched)
    return True
