"""Every query about orders; coupons and slots have modules of their own."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from revcart.kit import ids, pages, sql
from revcart.order import domain
from revcart.order.store_coupons import CouponQueries
from revcart.order.store_slots import SlotQueries
from revcart.order.tables import invoice_counters, metadata, order_history, order_items, orders

__all__ = ["Store", "Transaction", "metadata"]

_NUMBER = re.compile(r"RC[0-9]{6}[0-9A-HJKMNP-TV-Z]{6}")
_SORTS = {"createdAt": orders.c.created_at, "total": orders.c.total_paise}
_CHANGING = (
    "status", "payment_status", "payment_failure", "refunded_paise", "refund_paise", "agent_name", "eta_at",
    "cancel_reason", "invoice_number", "confirmed_at", "delivered_at", "cancelled_at", "updated_at", "version",
)  # fmt: skip


class Transaction(CouponQueries, SlotQueries):
    async def order(self, key: int | str, *, for_update: bool = False) -> domain.Order | None:
        """By id, by the text of an id, or by order number."""
        condition = _is(key)
        if condition is None:
            return None
        query = sa.select(orders).where(condition)
        row = (await self.connection.execute(query.with_for_update() if for_update else query)).mappings().first()
        return None if row is None else (await self._with_items([row]))[0]

    async def add_order(self, values: dict[str, Any], items: Sequence[dict[str, Any]]) -> domain.Order:
        """A new order: columns of `orders` without id, number, times and version; rows of `order_items` without ids."""
        now = self.clock.now()
        row = {**values, "created_at": now, "updated_at": now, "version": 1}
        made = await self.connection.execute(orders.insert().values(**row))
        order_id = sql.new_id(made)
        await self.connection.execute(order_items.insert(), [{**item, "order_id": order_id} for item in items])
        order = await self.order(order_id)
        assert order is not None
        return order

    async def free_number(self, day: dt.date) -> str:
        """An order number that nobody has: `RC`, business day, six characters of Crockford's base32."""
        while True:
            number = f"RC{day:%y%m%d}{ids.crockford(6)}"
            if await self.order(number) is None:
                return number

    async def save(self, order: domain.Order) -> None:
        """Write what may change of an order."""
        changes = {name: getattr(order, name) for name in _CHANGING}
        await self.connection.execute(orders.update().where(orders.c.id == order.id).values(**changes))

    async def add_step(self, order_id: int, step: domain.Step) -> None:
        """One row of the order's history."""
        actor = {"kind": step.actor.kind, "id": step.actor.id}
        row = {
            "order_id": order_id,
            "from": step.from_,
            "to": step.to,
            "action": step.action,
            "actor": actor,
            "reason": step.reason,
            "at": step.at,
        }
        await self.connection.execute(order_history.insert().values(row))

    async def history(self, order_id: int) -> list[domain.Step]:
        """Oldest first."""
        query = sa.select(order_history).where(order_history.c.order_id == order_id).order_by(order_history.c.id)
        return [_step(row) for row in (await self.connection.execute(query)).mappings()]

    async def page(self, wanted: domain.Filter, query: pages.PageQuery) -> tuple[list[domain.Order], int]:
        """One page and the number of all."""
        conditions = _conditions(wanted)
        count = sa.select(sa.func.count()).select_from(orders).where(*conditions)
        total = (await self.connection.execute(count)).scalar_one()
        sorts = [_SORTS[field].desc() if descending else _SORTS[field].asc() for field, descending in query.sort]
        chosen = sa.select(orders).where(*conditions).order_by(*sorts, orders.c.id.desc())
        rows = await self.connection.execute(chosen.limit(query.limit).offset(query.offset))
        return await self._with_items(rows.mappings().all()), total

    async def counts(self, wanted: domain.Filter) -> dict[domain.Status, int]:
        """How many orders of each state."""
        query = sa.select(orders.c.status, sa.func.count()).where(*_conditions(wanted)).group_by(orders.c.status)
        found = {row.status: row[1] for row in await self.connection.execute(query)}
        return {status: found.get(status, 0) for status in domain.Status}

    async def overdue(self, now: dt.datetime, *, limit: int) -> list[domain.Order]:
        """Unpaid orders past their deadline, the oldest first."""
        due = sa.select(orders).where(orders.c.status == domain.Status.PENDING, orders.c.expires_at <= now)
        rows = await self.connection.execute(due.order_by(orders.c.expires_at).limit(limit))
        return await self._with_items(rows.mappings().all())

    async def cod_not_begun(self, now: dt.datetime, *, placed_before: dt.datetime, limit: int) -> list[domain.Order]:
        """Cash orders that payment has not answered for."""
        waiting = sa.select(orders).where(
            orders.c.status == domain.Status.PENDING,
            orders.c.payment_method == "COD",
            orders.c.expires_at > now,
            orders.c.created_at < placed_before,
        )
        rows = await self.connection.execute(waiting.order_by(orders.c.id).limit(limit))
        return await self._with_items(rows.mappings().all())

    async def next_invoice_number(self, day: dt.date) -> str:
        """`INV-2627-000042`, gapless within the financial year: a rolled back transaction gives its number back."""
        year = domain.financial_year(day)
        await sql.insert_if_absent(self.connection, invoice_counters, {"financial_year": year, "last": 0})
        mine = invoice_counters.c.financial_year == year
        await self.connection.execute(invoice_counters.update().where(mine).values(last=invoice_counters.c.last + 1))
        last = (await self.connection.execute(sa.select(invoice_counters.c.last).where(mine))).scalar_one()
        return f"INV-{year}-{last:06d}"

    async def of_user(self, user_id: int) -> list[domain.Order]:
        """All orders of a user, oldest first."""
        query = sa.select(orders).where(orders.c.user_id == user_id).order_by(orders.c.id)
        return await self._with_items((await self.connection.execute(query)).mappings().all())

    async def anonymise(self, user_id: int) -> None:
        """Take the person out of the user's orders; amounts and goods stay, the books need them."""
        address = dict.fromkeys(("name", "phone", "line1", "city", "state", "postal_code"), "")
        person = dict.fromkeys(("customer_name", "customer_email", "customer_phone"), "")
        gone = {**person, "instructions": None, "address": address}
        await self.connection.execute(orders.update().where(orders.c.user_id == user_id).values(**gone))

    async def _with_items(self, rows: Sequence[sa.RowMapping]) -> list[domain.Order]:
        """The orders of these rows; one more query, however many there are."""
        items: dict[int, list[domain.Item]] = {row["id"]: [] for row in rows}
        if items:
            query = sa.select(order_items).where(order_items.c.order_id.in_(items)).order_by(order_items.c.id)
            for found in (await self.connection.execute(query)).mappings():
                values = dict(found)
                items[values.pop("order_id")].append(domain.Item(**values))
        return [_order(row, items[row["id"]]) for row in rows]


class Store(sql.Store[Transaction]):
    pass


def _is(key: int | str) -> sa.ColumnElement[bool] | None:
    if isinstance(key, int):
        return orders.c.id == key
    if key.isascii() and key.isdecimal() and len(key) <= 16:
        return orders.c.id == int(key)
    number = key.upper()
    return orders.c.order_number == number if _NUMBER.fullmatch(number) else None


def _conditions(wanted: domain.Filter) -> list[sa.ColumnElement[bool]]:
    columns = orders.c
    equal = {
        columns.user_id: wanted.user_id,
        columns.status: wanted.status,
        columns.payment_method: wanted.payment_method,
        columns.slot_id: wanted.slot_id,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.start is not None:
        conditions.append(columns.created_at >= wanted.start)
    if wanted.end is not None:
        conditions.append(columns.created_at < wanted.end)
    if wanted.text:
        beginnings = (
            columns.order_number.startswith(wanted.text.upper(), autoescape=True),
            columns.customer_email.startswith(wanted.text.lower(), autoescape=True),
            columns.customer_phone.startswith(wanted.text, autoescape=True),
        )
        conditions.append(sa.or_(*beginnings))
    return conditions


def _order(row: sa.RowMapping, items: Sequence[domain.Item]) -> domain.Order:
    values = dict(row)
    values["status"] = domain.Status(values["status"])
    values["address"] = domain.Address(**values["address"])
    return domain.Order(**values, items=tuple(items))


def _step(row: sa.RowMapping) -> domain.Step:
    return domain.Step(
        from_=domain.Status(row["from"]) if row["from"] else None,
        to=domain.Status(row["to"]),
        action=domain.Action(row["action"]),
        actor=domain.Actor(domain.Kind(row["actor"]["kind"]), row["actor"]["id"]),
        reason=row["reason"],
        at=row["at"],
    )
