"""The endpoints for other services."""

from typing import Annotated

from fastapi import Depends, Path, Response

from revcart.kit import asgi, auth, errors, idempotency, schemas
from revcart.payment import domain, flow, refunds
from revcart.payment import schemas as shapes

router = asgi.router(prefix="/internal", tags=["internal"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
Order = Annotated[auth.Caller, Depends(auth.service("order"))]
User = Annotated[auth.Caller, Depends(auth.service("user"))]
OrderId = Annotated[int, Path(alias="orderId", ge=1, le=schemas.MAX_ID)]
UserId = Annotated[int, Path(alias="userId", ge=1, le=schemas.MAX_ID)]


@router.post(
    "/payments",
    status_code=201,
    responses={200: {"model": shapes.Created}, **errors.documented(domain.NotPayable, domain.AlreadyPaid)},
)
async def begin_payment(body: shapes.BeginPayment, _: Order, response: Response, ports: Ports) -> shapes.Created:
    payment, is_new = await flow.begin(order=body.order(), ports=ports)
    response.status_code = 201 if is_new else 200
    return shapes.Created.of(payment, ports)


@router.post("/payments/{orderId}/close")
async def close_payment(order_id: OrderId, _: Order, ports: Ports) -> shapes.CloseResult:
    is_paid = await flow.close(order_id=order_id, ports=ports)
    return shapes.CloseResult(result="PAID" if is_paid else "CLOSED")


@router.post(
    "/payments/{orderId}/refunds",
    responses=errors.documented(domain.NotCaptured, domain.ExceedsCaptured, idempotency.KeyReused),
)
async def refund_for_order(order_id: OrderId, body: shapes.RefundForOrder, _: Order, ports: Ports) -> shapes.Refund:
    wanted = refunds.Wanted(
        order_id=order_id,
        key=body.key,
        amount_paise=body.amount_paise,
        reason=body.reason,
        requested_by="order",
    )
    payment, refund = await refunds.request_for_order(wanted=wanted, ports=ports)
    return shapes.Refund.of(payment, refund)


@router.get("/export/{userId}")
async def export_payments(user_id: UserId, _: User, ports: Ports) -> shapes.Export:
    seen = await flow.export(user_id=user_id, ports=ports)
    return shapes.Export(payments=[shapes.Payment.of(one) for one in seen])


@router.delete("/personal-data/{userId}", status_code=204)
async def forget_user(user_id: UserId, _: User) -> None:
    """Nothing to erase: a payment holds amounts and ids, which the tax law keeps; who they were, only user knows."""
