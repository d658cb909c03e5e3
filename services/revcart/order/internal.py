"""What other services ask order for."""

from typing import Annotated, Any

import pydantic
from fastapi import Depends

from revcart.kit import asgi, auth, errors
from revcart.kit import schemas as fields
from revcart.order import domain, flow, offers, refusals, schemas, schemas_offers
from revcart.order import ports as all_ports

router = asgi.router(prefix="/internal", tags=["internal"])

Ports = Annotated[all_ports.Ports, Depends(asgi.ports)]
Asking = Annotated[auth.Caller, Depends(auth.service("payment", "delivery", "notification"))]


class OrderFacts(fields.Answer):
    """Amounts in paise. `dispatchable`: it may leave the shop."""

    id: int
    order_number: str
    user_id: int
    status: domain.Status
    payment_method: domain.PaymentMethod
    total_paise: int
    cod_due_paise: int
    expires_at: fields.Instant | None
    item_count: int
    dispatchable: bool


class Part(fields.Body):
    item_id: fields.Id
    quantity: Annotated[int, pydantic.Field(ge=1, le=1_000)]


class RefundQuestion(fields.Body):
    lines: Annotated[list[Part], pydantic.Field(min_length=1, max_length=50)]


class RefundQuote(fields.Answer):
    amount_paise: int


@router.get("/orders/{id}")
async def order_facts(id: fields.Id, _: Asking, ports: Ports) -> OrderFacts:
    order = await flow.any_order(order_id=id, ports=ports)
    return OrderFacts(
        id=order.id,
        order_number=order.order_number,
        user_id=order.user_id,
        status=order.status,
        payment_method=order.payment_method,
        total_paise=order.total_paise,
        cod_due_paise=order.cod_due_paise,
        expires_at=order.expires_at if order.status is domain.Status.PENDING else None,
        item_count=order.item_count,
        dispatchable=order.status in (domain.Status.CONFIRMED, domain.Status.PREPARING),
    )


@router.post("/orders/{id}/refund-quote", responses=errors.documented(refusals.ItemUnknown, refusals.QuantityExceeded))
async def quote_refund(
    id: fields.Id, body: RefundQuestion, _: Annotated[auth.Caller, Depends(auth.service("payment"))], ports: Ports
) -> RefundQuote:
    parts = [(part.item_id, part.quantity) for part in body.lines]
    return RefundQuote(amount_paise=await flow.quote_refund(order_id=id, parts=parts, ports=ports))


@router.post("/coupons/check", responses=errors.documented(*refusals.COUPON))
async def check_coupon(
    body: schemas_offers.CouponCheck, _: Annotated[auth.Caller, Depends(auth.service("cart"))], ports: Ports
) -> schemas_offers.CouponTerms:
    coupon, discount = await offers.check_coupon(
        code=body.code, user_id=body.user_id, subtotal_paise=body.subtotal_paise, ports=ports
    )
    return schemas_offers.CouponTerms.of(coupon, discount_paise=discount)


@router.get("/export/{user_id}")
async def export_orders(
    user_id: fields.Id, _: Annotated[auth.Caller, Depends(auth.service("user"))], ports: Ports
) -> dict[str, Any]:
    now, minutes = ports.clock.now(), ports.config.order_cancel_cutoff_minutes
    found = await flow.export_orders(user_id=user_id, ports=ports)
    return {"orders": [schemas.Order.of(order, now=now, cut_off_minutes=minutes) for order in found]}


@router.delete("/personal-data/{user_id}", status_code=204, responses=errors.documented(refusals.OpenOrders))
async def forget_user(
    user_id: fields.Id, _: Annotated[auth.Caller, Depends(auth.service("user"))], ports: Ports
) -> None:
    await flow.forget_user(user_id=user_id, ports=ports)
