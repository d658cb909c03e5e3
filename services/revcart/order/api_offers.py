"""`/api/coupons` and `/api/slots`."""

import datetime as dt
import decimal
from typing import Annotated

from fastapi import Depends, Query, Response

from revcart.kit import asgi, auth, clock, errors, money, pages, preconditions
from revcart.kit import schemas as fields
from revcart.order import coupons, offers, refusals, slots
from revcart.order import ports as all_ports
from revcart.order import schemas_offers as schemas

coupon_router = asgi.router(prefix="/api/coupons", tags=["coupon"])
slot_router = asgi.router(prefix="/api/slots", tags=["slot"])

Ports = Annotated[all_ports.Ports, Depends(asgi.ports)]
Seen = Annotated[int, Depends(preconditions.IfMatch)]
CouponQuery = Annotated[
    pages.PageQuery, Depends(pages.query("createdAt", "code", "validUntil", default="createdAt,desc"))
]
Shopper = Annotated[auth.User, Depends(auth.role("ADMIN", "CUSTOMER"))]
STALE = errors.documented(errors.PreconditionFailed, errors.PreconditionMissing)


@coupon_router.get("")
async def list_coupons(
    user: Shopper,
    ports: Ports,
    query: CouponQuery,
    active: Annotated[bool | None, Query()] = None,
    q: Annotated[str | None, Query(max_length=20)] = None,
) -> pages.Page[schemas.Coupon]:
    found, total = await offers.list_coupons(query=query, active=active, text=q, user=user, ports=ports)
    return pages.of(content=[_coupon(coupon) for coupon in found], query=query, total=total)


@coupon_router.post("/validate")
async def validate_coupon(
    user: auth.OptionalUser,
    ports: Ports,
    body: schemas.CouponQuestion | None = None,
    code: Annotated[str | None, Query(max_length=20)] = None,
    order_amount: Annotated[
        decimal.Decimal | None, Query(alias="orderAmount", ge=0, le=10_000_000, decimal_places=2)
    ] = None,
) -> schemas.CouponVerdict:
    """Whether a coupon would be taken, in the body or, without one, the query. Reserves nothing."""
    if body is None:
        if code is None or order_amount is None:
            raise errors.InvalidRequest("Send code and orderAmount.", items=[errors.Item("#/code", "is needed")])
        amount = money.from_rupees(order_amount)
    else:
        code, amount = body.code, body.order_amount
    try:
        coupon, discount = await offers.check_coupon(
            code=code, user_id=user.id if user else None, subtotal_paise=amount, ports=ports
        )
    except refusals.COUPON as refusal:
        return schemas.CouponVerdict(
            valid=False, coupon=None, discount=0, final_amount=amount, code=refusal.code, message=refusal.detail
        )
    return schemas.CouponVerdict(
        valid=True,
        coupon=_coupon(coupon),
        discount=discount,
        final_amount=amount - discount,
        code=None,
        message=None,
    )


@coupon_router.get("/{id}")
async def get_coupon(id: fields.Id, response: Response, _: auth.Admin, ports: Ports) -> schemas.Coupon:
    return _tagged(await offers.find_coupon(coupon_id=id, ports=ports), response)


@coupon_router.post("", status_code=201, responses=errors.documented(refusals.CouponCodeTaken))
async def create_coupon(body: schemas.CouponIn, response: Response, _: auth.Admin, ports: Ports) -> schemas.Coupon:
    coupon = await offers.create_coupon(terms=body.to_terms(), ports=ports)
    response.headers["Location"] = f"/api/coupons/{coupon.id}"
    return _tagged(coupon, response)


@coupon_router.put("/{id}", responses={**errors.documented(refusals.CouponCodeTaken), **STALE})
async def change_coupon(
    id: fields.Id, seen: Seen, body: schemas.CouponIn, response: Response, _: auth.Admin, ports: Ports
) -> schemas.Coupon:
    coupon = await offers.change_coupon(coupon_id=id, seen=seen, terms=body.to_terms(), ports=ports)
    return _tagged(coupon, response)


@coupon_router.delete("/{id}", status_code=204, responses=STALE)
async def delete_coupon(id: fields.Id, seen: Seen, _: auth.Admin, ports: Ports) -> None:
    await offers.remove_coupon(coupon_id=id, seen=seen, ports=ports)


@slot_router.get("")
async def list_slots(
    ports: Ports,
    date: Annotated[fields.Date | None, Query(description="Business day; today")] = None,
    days: Annotated[int, Query(ge=1, le=7)] = 2,
) -> list[schemas.Slot]:
    now = ports.clock.now()
    found = await offers.list_slots(day=date, days=days, ports=ports)
    return [schemas.Slot.of(slot, day=_day(slot, ports), now=now) for slot in found]


@slot_router.post("", status_code=201, responses=errors.documented(refusals.SlotOverlap))
async def create_slot(body: schemas.SlotIn, response: Response, _: auth.Admin, ports: Ports) -> schemas.SlotAdmin:
    return _whole(await offers.create_slot(terms=body.to_terms(), ports=ports), response, ports)


@slot_router.put("/{id}", responses={**errors.documented(refusals.SlotOverlap, refusals.SlotInUse), **STALE})
async def change_slot(
    id: fields.Id, seen: Seen, body: schemas.SlotIn, response: Response, _: auth.Admin, ports: Ports
) -> schemas.SlotAdmin:
    slot = await offers.change_slot(slot_id=id, seen=seen, terms=body.to_terms(), ports=ports)
    return _whole(slot, response, ports)


@slot_router.delete("/{id}", status_code=204, responses={**errors.documented(refusals.SlotInUse), **STALE})
async def delete_slot(id: fields.Id, seen: Seen, _: auth.Admin, ports: Ports) -> None:
    await offers.remove_slot(slot_id=id, seen=seen, ports=ports)


def _coupon(coupon: coupons.Coupon) -> schemas.Coupon:
    return schemas.Coupon.model_validate(coupon)


def _tagged(coupon: coupons.Coupon, response: Response) -> schemas.Coupon:
    response.headers["ETag"] = preconditions.etag(coupon.version)
    return _coupon(coupon)


def _day(slot: slots.Slot, ports: all_ports.Ports) -> dt.date:
    return clock.business_day(slot.starts_at, ports.config.timezone)


def _whole(slot: slots.Slot, response: Response, ports: all_ports.Ports) -> schemas.SlotAdmin:
    response.headers["ETag"] = preconditions.etag(slot.version)
    return schemas.SlotAdmin.whole(slot, day=_day(slot, ports), now=ports.clock.now())
