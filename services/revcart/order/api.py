"""`/api/orders`."""

from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from revcart.kit import asgi, auth, errors, idempotency, pages, preconditions
from revcart.kit import schemas as fields
from revcart.order import domain, flow, invoice, placing, quoting, refusals, schemas
from revcart.order import ports as all_ports

router = asgi.router(prefix="/api/orders", tags=["order"])

Ports = Annotated[all_ports.Ports, Depends(asgi.ports)]
PageQuery = Annotated[pages.PageQuery, Depends(pages.query("createdAt", "total", default="createdAt,desc"))]
From = Annotated[fields.Date | None, Query(alias="from", description="Business day, inclusive")]
To = Annotated[fields.Date | None, Query(description="Business day, inclusive")]


def filters(
    ports: Ports,
    status: Annotated[domain.Status | None, Query()] = None,
    start: From = None,
    to: To = None,
    user_id: Annotated[fields.Id | None, Query(alias="userId")] = None,
    q: Annotated[str | None, Query(max_length=254, description="Beginning of number, e-mail or telephone")] = None,
    payment_method: Annotated[domain.PaymentMethod | None, Query(alias="paymentMethod")] = None,
    slot_id: Annotated[fields.Id | None, Query(alias="slotId")] = None,
) -> domain.Filter:
    """What narrows an administrator's list."""
    first, last = flow.days(start, to, ports.config.timezone)
    return domain.Filter(
        user_id=user_id,
        status=status,
        start=first,
        end=last,
        text=q.strip() if q else None,
        payment_method=payment_method,
        slot_id=slot_id,
    )


PLACING = errors.documented(*refusals.PLACING, idempotency.KeyMissing, idempotency.KeyReused, idempotency.InProgress)
Filter = Annotated[domain.Filter, Depends(filters)]


@router.post("", status_code=201, response_model=schemas.Placed, responses=PLACING)
@router.post("/checkout", name="checkout", status_code=201, response_model=schemas.Placed, responses=PLACING)
async def place_order(
    body: schemas.PlaceOrder, user: auth.Customer, key: idempotency.Required, ports: Ports
) -> Response:
    answer = await placing.place_order(command=body.to_command(), user=user, key=key, ports=ports)
    if answer.replayed:
        return idempotency.replayed((201, answer.body))
    return JSONResponse(answer.body, status_code=201, headers={"Location": f"/api/orders/{answer.body['id']}"})


@router.post("/quote")
async def quote_order(body: schemas.QuoteRequest, user: auth.Customer, ports: Ports) -> schemas.Quote:
    quote = await quoting.quote(command=body.to_command(), user=user, ports=ports)
    return schemas.Quote.of(quote)


@router.get("/user")
async def list_my_orders(
    user: auth.Customer,
    ports: Ports,
    query: PageQuery,
    status: Annotated[domain.Status | None, Query()] = None,
    start: From = None,
    to: To = None,
) -> pages.Page[schemas.Order]:
    first, last = flow.days(start, to, ports.config.timezone)
    wanted = domain.Filter(user_id=user.id, status=status, start=first, end=last)
    found, total = await flow.list_orders(wanted=wanted, query=query, ports=ports)
    return pages.of(content=[_shown(order, ports) for order in found], query=query, total=total)


@router.get("")
async def list_orders(_: auth.Admin, ports: Ports, wanted: Filter, query: PageQuery) -> pages.Page[schemas.Order]:
    found, total = await flow.list_orders(wanted=wanted, query=query, ports=ports)
    return pages.of(content=[_shown(order, ports) for order in found], query=query, total=total)


@router.get("/count")
async def count_orders(_: auth.Admin, ports: Ports, wanted: Filter) -> schemas.Count:
    by_status = await flow.count_orders(wanted=wanted, ports=ports)
    return schemas.Count(count=sum(by_status.values()), by_status=by_status)


@router.get("/{id}", response_model=schemas.Order)
async def get_order(id: str, request: Request, response: Response, user: auth.CurrentUser, ports: Ports) -> object:
    order = await flow.find_order(key=id, user=user, ports=ports)
    tag = preconditions.etag(order.version)
    if preconditions.unchanged(request, tag):
        return preconditions.not_modified(tag)
    response.headers["ETag"] = tag
    return _shown(order, ports)


@router.get("/{id}/history")
async def get_order_history(id: str, user: auth.CurrentUser, ports: Ports) -> list[schemas.Step]:
    return [schemas.Step.model_validate(step) for step in await flow.order_history(key=id, user=user, ports=ports)]


@router.get(
    "/{id}/invoice",
    response_model=schemas.Invoice,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **errors.documented(refusals.InvoiceNotReady),
    },
)
@asgi.produces("text/html")
async def get_invoice(id: str, request: Request, user: auth.CurrentUser, ports: Ports) -> object:
    """The invoice as JSON or, for a browser, as a page."""
    found = await flow.find_invoice(key=id, user=user, ports=ports)
    if "text/html" in request.headers.get("accept", ""):
        # The page needs its own styles and nothing else.
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(invoice.page(found), headers=policy)
    return schemas.Invoice.of(found)


def status_change(
    body: schemas.StatusChange | None = None,
    status: Annotated[domain.Status | None, Query()] = None,
    reason: Annotated[fields.text(1, 200) | None, Query()] = None,
) -> schemas.StatusChange:
    """The body, or without one the query."""
    if body is not None:
        return body
    if status is None:
        raise errors.InvalidRequest("Which status?", items=[errors.Item("#/status", "is needed")])
    return schemas.StatusChange(status=status, reason=reason)


@router.put("/{id}/status", responses=errors.documented(refusals.TransitionNotAllowed, refusals.Unpaid))
async def change_order_status(
    id: str, user: auth.Admin, ports: Ports, change: Annotated[schemas.StatusChange, Depends(status_change)]
) -> schemas.Order:
    order = await flow.change_status(key=id, to=change.status, reason=change.reason, user=user, ports=ports)
    return _shown(order, ports)


router.patch("/{id}/status", name="patch_order_status")(change_order_status)


@router.post("/{id}/cancel", responses=errors.documented(refusals.NotCancellable))
async def cancel_order(id: str, body: schemas.Cancel, user: auth.CurrentUser, ports: Ports) -> schemas.Order:
    order = await flow.cancel_order(key=id, user=user, reason=body.reason, comment=body.comment or None, ports=ports)
    return _shown(order, ports)


@router.delete("/{id}", responses=errors.documented(refusals.NotCancellable))
async def delete_order(
    id: str, user: auth.CurrentUser, ports: Ports, body: schemas.Cancel | None = None
) -> schemas.Order:
    """Cancels, like POST `/{id}/cancel`; nothing is deleted."""
    cancel = body or schemas.Cancel(reason="OTHER")
    return await cancel_order(id, cancel, user, ports)


def _shown(order: domain.Order, ports: all_ports.Ports) -> schemas.Order:
    minutes = ports.config.order_cancel_cutoff_minutes
    return schemas.Order.of(order, now=ports.clock.now(), cut_off_minutes=minutes)
