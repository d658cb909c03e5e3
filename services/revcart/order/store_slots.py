"""Every query about delivery slots."""

import dataclasses
import datetime as dt
from collections.abc import Iterable

import sqlalchemy as sa

from revcart.kit import sql
from revcart.order import refusals, slots
from revcart.order.tables import delivery_slots as table


class SlotQueries(sql.Transaction):
    async def slot(self, slot_id: int, *, for_update: bool = False) -> slots.Slot | None:
        query = sa.select(table).where(table.c.id == slot_id)
        found = (await self.connection.execute(query.with_for_update() if for_update else query)).mappings().first()
        return None if found is None else _slot(found)

    async def slots_between(self, *, start: dt.datetime, end: dt.datetime) -> list[slots.Slot]:
        """The slots that begin in `start` ≤ t < `end`, in order."""
        within = sa.select(table).where(table.c.starts_at >= start, table.c.starts_at < end).order_by(table.c.starts_at)
        return [_slot(row) for row in (await self.connection.execute(within)).mappings()]

    async def offer(self, offered: Iterable[slots.Terms]) -> None:
        """Add the slots that are not there yet; one that overlaps a slot somebody made by hand stays out."""
        for terms in offered:
            if not await self._overlapping(terms, but=None):
                await sql.insert_if_absent(self.connection, table, self._row(terms))

    async def add_slot(self, terms: slots.Terms) -> slots.Slot:
        """Raises SlotOverlap (409)."""
        await self._refuse_overlap(terms, but=None)
        made = await self.connection.execute(table.insert().values(**self._row(terms)))
        found = await self.slot(sql.new_id(made))
        assert found is not None
        return found

    async def change_slot(self, slot: slots.Slot, terms: slots.Terms) -> slots.Slot:
        """Raises SlotOverlap, SlotInUse (409): a capacity below what is booked, another time for booked seats."""
        await self._refuse_overlap(terms, but=slot.id)
        moved = (terms.starts_at, terms.ends_at) != (slot.starts_at, slot.ends_at)
        if terms.capacity < slot.booked or (moved and slot.booked):
            raise refusals.SlotInUse(f"{slot.booked} orders are booked into it.")
        changes = {**dataclasses.asdict(terms), "version": slot.version + 1}
        statement = table.update().where(table.c.id == slot.id).values(**changes, updated_at=self.clock.now())
        await self.connection.execute(statement)
        return dataclasses.replace(slot, **changes)

    async def remove_slot(self, slot: slots.Slot) -> None:
        """Raises SlotInUse (409)."""
        if slot.booked:
            raise refusals.SlotInUse(f"{slot.booked} orders are booked into it.")
        await self.connection.execute(table.delete().where(table.c.id == slot.id))

    async def take_seat(self, slot_id: int) -> None:
        """Book one order. Raises SlotFull, SlotClosed (409)."""
        free = sa.and_(table.c.booked < table.c.capacity, table.c.blackout.is_(False))
        taken = table.update().where(table.c.id == slot_id, free).values(booked=table.c.booked + 1)
        if (await self.connection.execute(taken)).rowcount == 1:
            return
        slot = await self.slot(slot_id)
        raise refusals.SlotFull if slot is not None and not slot.blackout else refusals.SlotClosed

    async def return_seat(self, slot_id: int) -> None:
        """Free one order's seat."""
        await self.connection.execute(
            table.update().where(table.c.id == slot_id, table.c.booked > 0).values(booked=table.c.booked - 1)
        )

    async def _refuse_overlap(self, terms: slots.Terms, *, but: int | None) -> None:
        if await self._overlapping(terms, but=but):
            raise refusals.SlotOverlap

    async def _overlapping(self, terms: slots.Terms, *, but: int | None) -> bool:
        query = sa.select(table.c.id).where(table.c.starts_at < terms.ends_at, table.c.ends_at > terms.starts_at)
        if but is not None:
            query = query.where(table.c.id != but)
        return (await self.connection.execute(query.limit(1))).first() is not None

    def _row(self, terms: slots.Terms) -> dict[str, object]:
        now = self.clock.now()
        return {**dataclasses.asdict(terms), "booked": 0, "version": 1, "created_at": now, "updated_at": now}


def _slot(row: sa.RowMapping) -> slots.Slot:
    names = [field.name for field in dataclasses.fields(slots.Slot)]
    return slots.Slot(**{name: row[name] for name in names})
