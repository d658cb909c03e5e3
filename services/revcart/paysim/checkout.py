"""Checkout: the page a customer pays on and the script that opens it over a shop, both without any framework."""

import pathlib
from typing import Annotated, Any

import jinja2
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from revcart.paysim import access, domain, flow

_PAGES = pathlib.Path(__file__).parent / "pages"
_TEMPLATES = jinja2.Environment(loader=jinja2.FileSystemLoader(_PAGES), autoescape=True)
_CARDS = (
    ("4100 2800 0000 1007", "Visa that pays"),
    ("4100 2800 0008 0001", "Visa without enough money"),
    ("4100 2800 0007 0002", "Visa, payment cancelled"),
    ("4100 2800 0006 0003", "Visa that is declined"),
    ("4100 2800 0009 0000", "Visa that times out"),
)
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(tags=["checkout"])


@router.get("/v1/checkout.js", response_class=FileResponse)
async def checkout_script() -> FileResponse:
    return FileResponse(_PAGES / "checkout.js", media_type="text/javascript")


@router.get("/checkout/page.js", response_class=FileResponse)
async def page_script() -> FileResponse:
    return FileResponse(_PAGES / "page.js", media_type="text/javascript")


def _page(order: domain.Entity, *, status: int = 200, **shown: Any) -> Response:
    rupees = f"{order['amount_due'] // 100}.{order['amount_due'] % 100:02d}"
    html = _TEMPLATES.get_template("checkout.html").render(order=order, rupees=rupees, cards=_CARDS, **shown)
    return HTMLResponse(html, status_code=status, headers=_HEADERS)


def _check_key(request: Request, key: str) -> None:
    if key != request.app.state.settings.key_id:
        raise domain.Refused(
            "The api key provided is invalid",
            status=401,
            reason="authentication_failed",
        )


Short = Annotated[str, Form(max_length=200)]


@router.get("/checkout", response_class=HTMLResponse)
async def checkout_page(
    request: Request,
    ports: access.Ports,
    key: Annotated[str, Query(max_length=200)],
    order_id: Annotated[str, Query(max_length=40)],
    name: Annotated[str, Query(max_length=100)] = "",
    origin: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """`origin`: the shop's origin, the only page that is told the result."""
    _check_key(request, key)
    async with ports.store.transaction() as tx:
        order = await tx.get("order", order_id)
    return _page(order, key=key, name=name, origin=origin)


@router.post("/checkout", response_class=HTMLResponse)
async def pay_on_page(
    request: Request,
    ports: access.Ports,
    key: Short,
    order_id: Short,
    method: Short,
    vpa: Short = "",
    card: Short = "",
    name: Short = "",
    origin: Short = "",
) -> Response:
    _check_key(request, key)
    shown: dict[str, Any] = {
        "key": key,
        "name": name,
        "origin": origin,
        "method": method,
        "vpa": vpa,
        "card": card,
    }
    async with ports.store.transaction() as tx:
        order = await tx.get("order", order_id)
    try:
        paid_with = domain.instrument(method=method, vpa=vpa, card=card)
        payment = await flow.pay(order_id=order_id, paid_with=paid_with, ports=ports)
    except domain.Refused as refused:
        return _page(order, status=refused.status, error=refused.body["error"], **shown)
    if payment["status"] == "failed":
        error = {name: payment[f"error_{name}"] for name in ("code", "description", "source", "step", "reason")}
        error["metadata"] = {"payment_id": payment["id"], "order_id": order_id}
        return _page(order, error=error, **shown)
    if payment["status"] == "created":
        return _page(order, waiting=True, **shown)
    message = f"{order_id}|{payment['id']}".encode()
    result = {
        "razorpay_payment_id": payment["id"],
        "razorpay_order_id": order_id,
        "razorpay_signature": domain.sign(secret=ports.key_secret, message=message),
    }
    return _page(order, result=result, **shown)
