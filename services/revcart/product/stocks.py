"""Every query about stock: movements and their ledger, reservations, what is low, what sells.

A movement is one conditional update: its condition is the invariant `0 ≤ reserved ≤ on_hand`, so no two callers can
both have the last unit, whatever they read before.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.kit import pages, sql
from revcart.product import reservations, tables

_products, _ledger = tables.products.c, tables.stock_ledger.c
_holds, _lines = tables.reservations.c, tables.reservation_lines.c
NOBODY = 0  # the user of a hold whose user is forgotten
_AVAILABLE = _products.on_hand - _products.reserved


class Stocks:
    """Queries about quantities."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def many(self, ids: Iterable[int], *, lock: bool = False) -> dict[int, reservations.Stock]:
        statement = sa.select(
            _products.id.label("product_id"),
            _products.on_hand,
            _products.reserved,
            _products.low_stock_threshold.label("threshold"),
            _products.max_per_order,
        ).where(_products.id.in_(list(ids)))
        if lock:
            statement = statement.with_for_update()
        rows = (await self._connection.execute(statement)).mappings()
        return {row["product_id"]: reservations.Stock(**row) for row in rows}

    async def move(self, movement: reservations.Movement, *, now: dt.datetime, if_active: bool = False) -> bool:
        """Change the stock and write the ledger; False, and nothing, where the stock does not allow it."""
        conditions = [
            _products.id == movement.product_id,
            _products.reserved + movement.reserved >= 0,
            _AVAILABLE + (movement.on_hand - movement.reserved) >= 0,
        ]
        if if_active:
            conditions.append(_products.active)
        moved = await self._connection.execute(
            tables.products.update()
            .where(*conditions)
            .values(on_hand=_products.on_hand + movement.on_hand, reserved=_products.reserved + movement.reserved)
        )
        if moved.rowcount != 1:
            return False
        await self.book(movement, at=now)
        return True

    async def book(self, movement: reservations.Movement, *, at: dt.datetime) -> None:
        """Write the ledger alone."""
        await self._connection.execute(
            tables.stock_ledger.insert().values(
                product_id=movement.product_id,
                on_hand_delta=movement.on_hand,
                reserved_delta=movement.reserved,
                kind=movement.kind,
                reference=movement.reference,
                actor=movement.actor,
                note=movement.note,
                at=at,
            )
        )

    async def was_booked(self, *, reference: str) -> bool:
        """Whether the step of this name happened."""
        found = await self._connection.execute(sa.select(_ledger.id).where(_ledger.reference == reference).limit(1))
        return found.first() is not None

    async def cross(self, ids: Iterable[int], *, now: dt.datetime) -> list[Mapping[str, Any]]:
        """Note which of these products fell below their threshold or rose again; the rows of those that fell."""
        statement = (
            sa.select(
                _products.id,
                _products.name,
                tables.categories.c.slug,
                _AVAILABLE.label("available"),
                _products.low_stock_threshold.label("threshold"),
                _products.low_since,
            )
            .join(tables.categories, tables.categories.c.id == _products.category_id)
            .where(_products.id.in_(list(ids)))
            .order_by(_products.id)
        )
        rows: Sequence[Mapping[str, Any]] = [
            dict(row) for row in (await self._connection.execute(statement)).mappings()
        ]
        fell = [row for row in rows if row["available"] < row["threshold"] and row["low_since"] is None]
        rose = [row["id"] for row in rows if row["available"] >= row["threshold"] and row["low_since"] is not None]
        for changed, since in (([row["id"] for row in fell], now), (rose, None)):
            if changed:
                await self._connection.execute(
                    tables.products.update().where(_products.id.in_(changed)).values(low_since=since)
                )
        return fell

    async def low(self, query: pages.PageQuery) -> tuple[list[int], int]:
        """Ids of the active products below their threshold, the emptiest first, and how many there are."""
        conditions = (_products.active, _products.low_stock_threshold > _AVAILABLE)
        ids = await self._connection.execute(
            sa.select(_products.id)
            .where(*conditions)
            .order_by(_AVAILABLE, _products.id)
            .offset(query.offset)
            .limit(query.limit)
        )
        total = await self._connection.execute(
            sa.select(sa.func.count()).select_from(tables.products).where(*conditions)
        )
        return list(ids.scalars()), total.scalar_one()

    async def ledger(self, product_id: int, query: pages.PageQuery) -> tuple[list[Mapping[str, Any]], int]:
        """A page of a product's movements, the newest first, and how many there are."""
        own = _ledger.product_id == product_id
        rows = await self._connection.execute(
            sa.select(tables.stock_ledger)
            .where(own)
            .order_by(_ledger.id.desc())
            .offset(query.offset)
            .limit(query.limit)
        )
        total = await self._connection.execute(sa.select(sa.func.count()).select_from(tables.stock_ledger).where(own))
        return [dict(row) for row in rows.mappings()], total.scalar_one()

    async def count_sold(self, *, since: dt.datetime) -> int:
        """Set what each product sold since then, less what came back; how many products changed."""
        counted = await self._connection.execute(
            sa.select(_ledger.product_id, -sa.func.sum(_ledger.on_hand_delta))
            .where(_ledger.kind.in_(("COMMIT", "RETURN")), _ledger.at >= since)
            .group_by(_ledger.product_id)
        )
        sold = {product_id: max(int(units), 0) for product_id, units in counted}
        known = (await self._connection.execute(sa.select(_products.id, _products.sold_30d))).all()
        changed = [(number, sold.get(number, 0)) for number, before in known if sold.get(number, 0) != before]
        for number, units in changed:
            await self._connection.execute(
                tables.products.update().where(_products.id == number).values(sold_30d=units)
            )
        return len(changed)


class Reservations:
    """Queries about holds."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open(self, *, reference: str, user_id: int, now: dt.datetime) -> None:
        """See that there is a row for this reference: a new one is RELEASED and without lines."""
        row = {"reference": reference, "user_id": user_id, "state": "RELEASED", "round": 0, "expires_at": now}
        await sql.insert_if_absent(self._connection, tables.reservations, row)

    async def of_reference(self, reference: str) -> reservations.Reservation:
        """The hold of this reference, which is there, locked."""
        found = await self._one(_holds.reference == reference, lock=True)
        assert found is not None
        return found

    async def get(self, reservation_id: int, *, lock: bool = False) -> reservations.Reservation | None:
        return await self._one(_holds.id == reservation_id, lock=lock)

    async def of_order(self, order_id: int) -> reservations.Reservation | None:
        return await self._one(_holds.order_id == order_id, lock=True)

    async def lapsed(self, *, before: dt.datetime, most: int) -> list[int]:
        """Ids of holds that ran out before then.

        Not locked: a locking read by this index would lock entry and row in the other order than a change of the row
        does, and MySQL would end one of the two.
        """
        found = await self._connection.execute(
            sa.select(_holds.id)
            .where(_holds.state == "HELD", _holds.expires_at < before)
            .order_by(_holds.expires_at)
            .limit(most)
        )
        return list(found.scalars())

    async def hold(
        self,
        reservation_id: int,
        *,
        user_id: int,
        expires_at: dt.datetime,
        lines: Sequence[reservations.Line],
    ) -> None:
        """A new round: HELD, with these lines in place of any older ones."""
        await self._connection.execute(
            tables.reservations.update()
            .where(_holds.id == reservation_id)
            .values(user_id=user_id, state="HELD", round=_holds.round + 1, expires_at=expires_at, decided_at=None)
        )
        await self._connection.execute(tables.reservation_lines.delete().where(_lines.reservation_id == reservation_id))
        rows = [
            {
                "reservation_id": reservation_id,
                "product_id": line.product_id,
                "quantity": line.quantity,
                "returned": 0,
                "snapshot": line.snapshot,
            }
            for line in lines
        ]
        await self._connection.execute(tables.reservation_lines.insert(), rows)

    async def decide(self, reservation_id: int, state: reservations.State, *, now: dt.datetime) -> None:
        await self._connection.execute(
            tables.reservations.update().where(_holds.id == reservation_id).values(state=state, decided_at=now)
        )

    async def give_back(self, reservation_id: int, *, product_id: int, quantity: int) -> None:
        await self._connection.execute(
            tables.reservation_lines.update()
            .where(_lines.reservation_id == reservation_id, _lines.product_id == product_id)
            .values(returned=_lines.returned + quantity)
        )

    async def of_user(self, user_id: int) -> list[Mapping[str, Any]]:
        """What was held for a user."""
        found = await self._connection.execute(
            sa.select(_holds.id, _holds.order_id, _holds.state, _holds.expires_at)
            .where(_holds.user_id == user_id)
            .order_by(_holds.id)
        )
        return [dict(row) for row in found.mappings()]

    async def forget_user(self, user_id: int) -> None:
        """Holds stay, for the ledger's sake; whose they were does not."""
        await self._connection.execute(
            tables.reservations.update().where(_holds.user_id == user_id).values(user_id=NOBODY)
        )

    async def belongs_to(self, reservation_id: int, *, order_id: int) -> None:
        """Remember which order a hold is for."""
        await self._connection.execute(
            tables.reservations.update().where(_holds.id == reservation_id).values(order_id=order_id)
        )

    async def _one(self, condition: sa.ColumnElement[bool], *, lock: bool) -> reservations.Reservation | None:
        statement = sa.select(tables.reservations).where(condition)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).mappings().first()
        if row is None:
            return None
        lines = await self._connection.execute(
            sa.select(_lines.product_id, _lines.quantity, _lines.returned, _lines.snapshot)
            .where(_lines.reservation_id == row["id"])
            .order_by(_lines.product_id)
        )
        return reservations.Reservation(
            id=row["id"],
            reference=row["reference"],
            user_id=row["user_id"],
            state=row["state"],
            round=row["round"],
            expires_at=row["expires_at"],
            lines=tuple(reservations.Line(**line) for line in lines.mappings()),
        )
