"""The public endpoints of payment: parse, authorise, call one flow, answer."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from revcart.kit import asgi, auth, errors, idempotency, pages, schemas
from revcart.payment import domain, flow, reconciler, refunds, store, webhooks
from revcart.payment import schemas as shapes

router = asgi.router(prefix="/api/payments", tags=["payment"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
OrderId = Annotated[int, Path(alias="orderId", ge=1, le=schemas.MAX_ID)]
_WEBHOOK_BYTES = 262_144
_BEGUN: dict[int | str, dict[str, Any]] = {
    200: {"model": shapes.Created, "description": "It was begun before"},
    **errors.documented(
        domain.NotPayable, domain.AlreadyPaid, domain.OtherMethod, idempotency.InProgress, idempotency.KeyReused
    ),
}


@router.post("/create", status_code=201, response_model=shapes.Created, responses=_BEGUN)
async def create_payment(
    body: shapes.CreatePayment, user: auth.Customer, key: idempotency.Optional, request: Request, ports: Ports
) -> Response:
    return await _create(body, method=body.method, user=user, key=key, request=request, ports=ports)


@router.post(
    "/create-order",
    status_code=201,
    response_model=shapes.Created,
    responses=_BEGUN,
)
async def create_online_payment(
    body: shapes.CreatePayment, user: auth.Customer, key: idempotency.Optional, request: Request, ports: Ports
) -> Response:
    return await _create(body, method="RAZORPAY", user=user, key=key, request=request, ports=ports)


@router.post("/cod", status_code=201, response_model=shapes.Created, responses=_BEGUN)
async def create_cash_payment(
    body: shapes.CreatePayment, user: auth.Customer, key: idempotency.Optional, request: Request, ports: Ports
) -> Response:
    return await _create(body, method="COD", user=user, key=key, request=request, ports=ports)


async def _create(
    body: shapes.CreatePayment,
    *,
    method: Literal["RAZORPAY", "COD"] | None,
    user: auth.User,
    key: str | None,
    request: Request,
    ports: flow.Ports,
) -> Response:
    """A key adds only the exact answer: beginning a payment is repeatable by its order."""
    wanted = None if method is None else domain.Method(method)
    if key is None:
        payment, is_new = await flow.create(order_id=body.order_id, method=wanted, user=user, ports=ports)
        return JSONResponse(shapes.wire(shapes.Created.of(payment, ports)), status_code=201 if is_new else 200)
    async with ports.store.idempotent(**_claim(request, user, key=key, body=body)) as claim:
        if claim.replay is not None:
            return idempotency.replayed(claim.replay)
        payment, is_new = await flow.create(order_id=body.order_id, method=wanted, user=user, ports=ports)
        status, answer = 201 if is_new else 200, shapes.wire(shapes.Created.of(payment, ports))
        await flow.keep(claim=claim, status=status, body=answer, ports=ports)
    return JSONResponse(answer, status_code=status)


def _claim(request: Request, user: auth.User, *, key: str, body: schemas.Body) -> dict[str, Any]:
    path = request.url.path
    fingerprint = idempotency.fingerprint(path, body.model_dump(mode="json", by_alias=True))
    return {"caller": f"user:{user.id}", "route": f"POST {path}", "key": key, "fingerprint": fingerprint}


@router.post("/verify", responses=errors.documented(domain.SignatureMismatch))
async def verify_payment(body: shapes.VerifyPayment, user: auth.Customer, ports: Ports) -> shapes.Verified:
    payment = await flow.verify(
        order_id=body.order_id,
        razorpay_order_id=body.razorpay_order_id,
        razorpay_payment_id=body.razorpay_payment_id,
        signature=body.razorpay_signature,
        user=user,
        ports=ports,
    )
    return shapes.Verified(status=payment.status, order_id=payment.order_id)


@router.post(
    "/refund",
    status_code=202,
    response_model=shapes.Refund,
    responses=errors.documented(
        idempotency.KeyMissing,
        domain.NotCaptured,
        domain.ExceedsCaptured,
        idempotency.InProgress,
        idempotency.KeyReused,
    ),
)
async def refund_payment(
    body: shapes.RefundPayment, user: auth.Admin, key: idempotency.Required, request: Request, ports: Ports
) -> Response:
    async with ports.store.idempotent(**_claim(request, user, key=key, body=body)) as claim:
        if claim.replay is not None:
            return idempotency.replayed(claim.replay)
        payment, refund = await refunds.request(
            asked=refunds.Asked(
                order_id=body.order_id,
                amount_paise=body.amount,
                lines=body.lines,
                reason=body.reason,
                speed=body.speed,
                admin_id=user.id,
            ),
            claim=claim,
            render=shapes.refund_body,
            ports=ports,
        )
    return JSONResponse(shapes.refund_body(payment, refund), status_code=202)


@router.post(
    "/refunds/{id}/settle",
    responses=errors.documented(domain.NotManual),
)
async def settle_refund(
    refund_id: Annotated[int, Path(alias="id", ge=1, le=schemas.MAX_ID)],
    body: shapes.SettleRefund,
    _: auth.Admin,
    ports: Ports,
) -> shapes.Refund:
    payment, refund = await refunds.settle_by_hand(refund_id=refund_id, reference=body.reference, ports=ports)
    return shapes.Refund.of(payment, refund)


@router.post(
    "/webhook",
    responses=errors.documented(domain.SignatureMismatch, errors.MalformedRequest),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}},
)
@asgi.body_limit(_WEBHOOK_BYTES)
async def receive_webhook(
    request: Request,
    ports: Ports,
    x_razorpay_signature: Annotated[str, Header(max_length=200)] = "",
    x_razorpay_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> shapes.WebhookTaken:
    """The signature is checked over the bytes as they came."""
    outcome = await webhooks.receive(
        raw=await request.body(),
        signature=x_razorpay_signature,
        event_id=x_razorpay_event_id or None,
        ports=ports,
    )
    return shapes.WebhookTaken(status=outcome)


@router.post("/reconcile")
async def reconcile_payments(body: shapes.Reconcile, _: auth.Admin, ports: Ports) -> shapes.Reconciled:
    report = await reconciler.reconcile(order_id=body.order_id, since=body.since, ports=ports)
    return shapes.Reconciled.of(report)


@router.get("")
async def list_payments(
    _: auth.Admin,
    ports: Ports,
    query: Annotated[pages.PageQuery, Depends(pages.query("createdAt", "amount", default="createdAt,desc"))],
    status: Annotated[domain.Status | None, Query()] = None,
    method: Annotated[domain.Method | None, Query()] = None,
    since: Annotated[schemas.Instant | None, Query(alias="from")] = None,
    until: Annotated[schemas.Instant | None, Query(alias="to")] = None,
) -> pages.Page[shapes.Payment]:
    wanted = store.Filter(status=status, method=method, since=since, until=until)
    seen, total = await flow.page(wanted=wanted, query=query, ports=ports)
    return pages.of(content=[shapes.Payment.of(one) for one in seen], query=query, total=total)


@router.get("/{orderId}")
async def get_payment(order_id: OrderId, user: auth.CurrentUser, ports: Ports) -> shapes.Payment:
    return shapes.Payment.of(await flow.view(order_id=order_id, user=user, ports=ports))


@router.get("/{orderId}/refunds")
async def list_refunds(order_id: OrderId, user: auth.CurrentUser, ports: Ports) -> list[shapes.Refund]:
    seen = await flow.view(order_id=order_id, user=user, ports=ports)
    return [shapes.Refund.of(seen.payment, refund) for refund in seen.refunds]


@router.post(
    "/{orderId}/cod/settle",
    responses=errors.documented(domain.NotCod, domain.NotPayable, domain.AmountMismatch),
)
async def settle_cash(order_id: OrderId, body: shapes.SettleCash, user: auth.Admin, ports: Ports) -> shapes.Payment:
    seen = await flow.settle_cash(order_id=order_id, amount_paise=body.amount, note=body.note, user=user, ports=ports)
    return shapes.Payment.of(seen)
