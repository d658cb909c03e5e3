"""Every query about coupons."""

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from revcart.kit import pages, sql
from revcart.order import coupons, refusals
from revcart.order.tables import coupon_redemptions as redemptions
from revcart.order.tables import coupons as table

_USED, _RETURNED = "USED", "RETURNED"
_SORTS = {"code": table.c.code, "validUntil": table.c.valid_until, "createdAt": table.c.created_at}


class CouponQueries(sql.Transaction):
    async def coupon(self, coupon_id: int, *, for_update: bool = False) -> coupons.Coupon | None:
        return await self._one(sa.select(table).where(table.c.id == coupon_id), for_update=for_update)

    async def coupon_by_code(self, code: str) -> coupons.Coupon | None:
        return await self._one(sa.select(table).where(table.c.code == code.strip().upper()))

    async def coupon_uses(self, coupon_id: int, *, user_id: int) -> int:
        """How many orders of that user hold the coupon."""
        held = redemptions.c
        count = sa.select(sa.func.count()).where(
            held.coupon_id == coupon_id, held.user_id == user_id, held.state == _USED
        )
        return (await self.connection.execute(count)).scalar_one()

    async def coupon_page(
        self,
        query: pages.PageQuery,
        *,
        active: bool | None = None,
        text: str | None = None,
        valid_at: dt.datetime | None = None,
    ) -> tuple[list[coupons.Coupon], int]:
        """One page and the number of all. `valid_at`: only those that take orders then."""
        wanted: list[sa.ColumnElement[bool]] = []
        if active is not None:
            wanted.append(table.c.active.is_(active))
        if text:
            wanted.append(table.c.code.startswith(text.strip().upper(), autoescape=True))
        if valid_at is not None:
            left = sa.or_(table.c.usage_limit.is_(None), table.c.used_count < table.c.usage_limit)
            wanted += [table.c.active.is_(True), table.c.valid_from <= valid_at, table.c.valid_until > valid_at, left]
        count = sa.select(sa.func.count()).select_from(table).where(*wanted)
        total = (await self.connection.execute(count)).scalar_one()
        order = [_SORTS[field].desc() if descending else _SORTS[field].asc() for field, descending in query.sort]
        chosen = sa.select(table).where(*wanted).order_by(*order, table.c.id).limit(query.limit).offset(query.offset)
        rows = await self.connection.execute(chosen)
        return [_coupon(row) for row in rows.mappings()], total

    async def add_coupon(self, terms: coupons.Terms) -> coupons.Coupon:
        """Raises CouponCodeTaken (409)."""
        now = self.clock.now()
        row = {**dataclasses.asdict(terms), "used_count": 0, "version": 1, "created_at": now, "updated_at": now}
        if not await sql.insert_if_absent(self.connection, table, row):
            raise refusals.CouponCodeTaken(f"{terms.code} exists already.")
        made = await self.coupon_by_code(terms.code)
        assert made is not None
        return made

    async def change_coupon(self, coupon: coupons.Coupon, terms: coupons.Terms) -> coupons.Coupon:
        """Raises CouponCodeTaken (409)."""
        other = await self.coupon_by_code(terms.code)
        if other is not None and other.id != coupon.id:
            raise refusals.CouponCodeTaken(f"{terms.code} exists already.")
        changes = {**dataclasses.asdict(terms), "version": coupon.version + 1, "updated_at": self.clock.now()}
        await self.connection.execute(table.update().where(table.c.id == coupon.id).values(**changes))
        return dataclasses.replace(coupon, **changes)

    async def remove_coupon(self, coupon: coupons.Coupon) -> None:
        """A coupon that was ever used stays, inactive: orders point at it."""
        used = sa.select(redemptions.c.order_id).where(redemptions.c.coupon_id == coupon.id).limit(1)
        if (await self.connection.execute(used)).first() is None:
            await self.connection.execute(table.delete().where(table.c.id == coupon.id))
        else:
            await self.change_coupon(coupon, dataclasses.replace(_terms(coupon), active=False))

    async def use_coupon(
        self,
        coupon: coupons.Coupon,
        *,
        order_id: int,
        user_id: int,
        subtotal_paise: int,
    ) -> None:
        """Count one use. Raises the coupon's refusals (409) when its limits or its time allow no more."""
        # Taking the row first makes the next statements wait for other uses of this coupon.
        left = sa.or_(table.c.usage_limit.is_(None), table.c.used_count < table.c.usage_limit)
        counted = table.update().where(table.c.id == coupon.id, left).values(used_count=table.c.used_count + 1)
        if (await self.connection.execute(counted)).rowcount != 1:
            raise refusals.CouponUsedUp(f"{coupon.code} is used up.")
        present = await self.coupon(coupon.id)
        assert present is not None
        uses = await self.coupon_uses(coupon.id, user_id=user_id)
        before = dataclasses.replace(present, used_count=present.used_count - 1)
        before.check(subtotal_paise=subtotal_paise, used_by_user=uses, now=self.clock.now())
        row = {"coupon_id": coupon.id, "order_id": order_id, "user_id": user_id, "state": _USED}
        await self.connection.execute(redemptions.insert().values(**row))

    async def return_coupon(self, coupon_id: int, *, order_id: int) -> None:
        """Give the use of this order back; once."""
        held = redemptions.c
        returned = (
            redemptions.update()
            .where(held.coupon_id == coupon_id, held.order_id == order_id, held.state == _USED)
            .values(state=_RETURNED)
        )
        if (await self.connection.execute(returned)).rowcount == 1:
            less = table.update().where(table.c.id == coupon_id).values(used_count=table.c.used_count - 1)
            await self.connection.execute(less)

    async def _one(self, query: sa.Select[Any], *, for_update: bool = False) -> coupons.Coupon | None:
        found = (await self.connection.execute(query.with_for_update() if for_update else query)).mappings().first()
        return None if found is None else _coupon(found)


def _coupon(row: sa.RowMapping) -> coupons.Coupon:
    return coupons.Coupon(**row)


def _terms(coupon: coupons.Coupon) -> coupons.Terms:
    names = [field.name for field in dataclasses.fields(coupons.Terms)]
    return coupons.Terms(**{name: getattr(coupon, name) for name in names})
