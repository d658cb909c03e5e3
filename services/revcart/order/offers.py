"""The use cases of coupons and slots."""

import datetime as dt
import zoneinfo
from collections.abc import Sequence

from revcart.kit import auth, clock, errors, pages, preconditions, pricing
from revcart.order import coupons, refusals, slots
from revcart.order.ports import Ports

OFFERED_DAYS = 7


async def list_coupons(
    *,
    query: pages.PageQuery,
    active: bool | None,
    text: str | None,
    user: auth.User,
    ports: Ports,
) -> tuple[Sequence[coupons.Coupon], int]:
    """One page and the number of all; an ADMIN sees every coupon, others those that are valid now."""
    valid_at = None if user.role == "ADMIN" else ports.clock.now()
    async with ports.store.read() as tx:
        return await tx.coupon_page(query, active=active, text=text, valid_at=valid_at)


async def find_coupon(*, coupon_id: int, ports: Ports) -> coupons.Coupon:
    """Raises NotFound."""
    async with ports.store.read() as tx:
        coupon = await tx.coupon(coupon_id)
    if coupon is None:
        raise errors.NotFound
    return coupon


async def create_coupon(*, terms: coupons.Terms, ports: Ports) -> coupons.Coupon:
    """Raises CouponCodeTaken (409)."""
    async with ports.store.transaction() as tx:
        return await tx.add_coupon(terms)


async def change_coupon(*, coupon_id: int, seen: int, terms: coupons.Terms, ports: Ports) -> coupons.Coupon:
    """`seen`: the version that the writer read. Raises NotFound, CouponCodeTaken (409), PreconditionFailed (412)."""
    async with ports.store.transaction() as tx:
        coupon = await tx.coupon(coupon_id, for_update=True)
        if coupon is None:
            raise errors.NotFound
        preconditions.check(seen=seen, version=coupon.version)
        return await tx.change_coupon(coupon, terms)


async def remove_coupon(*, coupon_id: int, seen: int, ports: Ports) -> None:
    """A coupon that was used becomes inactive. Raises NotFound, PreconditionFailed (412)."""
    async with ports.store.transaction() as tx:
        coupon = await tx.coupon(coupon_id, for_update=True)
        if coupon is None:
            raise errors.NotFound
        preconditions.check(seen=seen, version=coupon.version)
        await tx.remove_coupon(coupon)


async def check_coupon(
    *,
    code: str,
    user_id: int | None,
    subtotal_paise: int,
    ports: Ports,
) -> tuple[coupons.Coupon, int]:
    """The coupon and its discount in paise. Raises refusals.COUPON."""
    async with ports.store.read() as tx:
        coupon = await tx.coupon_by_code(code)
        if coupon is None:
            raise refusals.CouponUnknown(f"There is no coupon {code}.")
        used = 0 if user_id is None else await tx.coupon_uses(coupon.id, user_id=user_id)
    coupon.check(subtotal_paise=subtotal_paise, used_by_user=used, now=ports.clock.now())
    priced = [pricing.Line(unit_price_paise=subtotal_paise, quantity=1)]
    return coupon, pricing.price(lines=priced, discount=coupon.discount, rules=ports.rules).discount_paise


async def list_slots(*, day: dt.date | None, days: int, ports: Ports) -> list[slots.Slot]:
    """The slots of `days` business days from `day` (today) on."""
    first = day or clock.business_day(ports.clock.now(), ports.config.timezone)
    zone = zoneinfo.ZoneInfo(ports.config.timezone)
    start = dt.datetime.combine(first, dt.time(), zone)
    end = dt.datetime.combine(first + dt.timedelta(days=days), dt.time(), zone)
    async with ports.store.read() as tx:
        return await tx.slots_between(start=start, end=end)


async def create_slot(*, terms: slots.Terms, ports: Ports) -> slots.Slot:
    """Raises SlotOverlap (409)."""
    async with ports.store.transaction() as tx:
        return await tx.add_slot(terms)


async def change_slot(*, slot_id: int, seen: int, terms: slots.Terms, ports: Ports) -> slots.Slot:
    """Raises NotFound, SlotOverlap, SlotInUse (409), PreconditionFailed (412)."""
    async with ports.store.transaction() as tx:
        slot = await tx.slot(slot_id, for_update=True)
        if slot is None:
            raise errors.NotFound
        preconditions.check(seen=seen, version=slot.version)
        return await tx.change_slot(slot, terms)


async def remove_slot(*, slot_id: int, seen: int, ports: Ports) -> None:
    """Raises NotFound, SlotInUse (409), PreconditionFailed (412)."""
    async with ports.store.transaction() as tx:
        slot = await tx.slot(slot_id, for_update=True)
        if slot is None:
            raise errors.NotFound
        preconditions.check(seen=seen, version=slot.version)
        await tx.remove_slot(slot)


async def offer_slots(*, ports: Ports) -> None:
    """Make the slots of the next seven days from the template; those that are there stay."""
    today = clock.business_day(ports.clock.now(), ports.config.timezone)
    template = slots.Template.parse(ports.config.order_slot_template)
    offered = template.slots(first=today, days=OFFERED_DAYS, timezone=ports.config.timezone)
    async with ports.store.transaction() as tx:
        await tx.offer(terms for terms in offered if terms.starts_at > ports.clock.now())
