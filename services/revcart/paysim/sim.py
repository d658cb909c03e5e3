"""What Razorpay does not have: paying without a browser, faults, the webhook log, a fresh start (tests and demos)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from revcart.paysim import access, domain, faults, flow


def _allowed(request: Request) -> None:
    settings = request.app.state.settings
    if settings.environment == "production" and settings.mode != "Simulated":
        raise domain.Refused(
            "The switches of the double are off in production.",
            status=403,
            reason="forbidden",
        )


router = APIRouter(prefix="/_sim", tags=["switches"], dependencies=[Depends(_allowed)])


class Pay(BaseModel):
    method: str = "upi"
    vpa: str | None = None
    card: str | None = None


class Paid(BaseModel):
    """The payment and, where it was authorised, what Checkout hands to the shop."""

    payment: dict[str, Any]
    razorpay_payment_id: str
    razorpay_order_id: str
    razorpay_signature: str | None


@router.post("/orders/{order_id}/pay")
async def pay(order_id: str, body: Pay, ports: access.Ports) -> Paid:
    vpa = body.vpa or ("success@razorpay" if body.method == "upi" else None)
    paid_with = domain.instrument(method=body.method, vpa=vpa, card=body.card)
    payment = await flow.pay(order_id=order_id, paid_with=paid_with, ports=ports)
    signed = payment["status"] in ("authorized", "captured")
    message = f"{order_id}|{payment['id']}".encode()
    return Paid(
        payment=payment,
        razorpay_payment_id=payment["id"],
        razorpay_order_id=order_id,
        razorpay_signature=domain.sign(secret=ports.key_secret, message=message) if signed else None,
    )


@router.get("/faults")
async def list_faults(ports: access.Ports) -> dict[str, dict[str, Any]]:
    return ports.faults.listed()


@router.put("/faults")
async def set_faults(body: faults.Switches, ports: access.Ports) -> dict[str, dict[str, Any]]:
    """The switches named are on, all others off."""
    ports.faults.replace(body)
    return ports.faults.listed()


@router.get("/webhooks")
async def list_webhooks(ports: access.Ports, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[domain.Entity]:
    async with ports.store.transaction() as tx:
        return await tx.webhook_log(limit=limit)


@router.post("/webhooks/{event_id}/resend", status_code=202)
async def resend_webhook(event_id: str, ports: access.Ports) -> dict[str, str]:
    async with ports.store.transaction() as tx:
        await tx.resend_webhook(event_id, now=ports.clock.now().timestamp())
    ports.webhooks.wake()
    return {"id": event_id, "state": "pending"}


@router.post("/reset", status_code=204)
async def reset(ports: access.Ports) -> None:
    await flow.reset(ports=ports)
