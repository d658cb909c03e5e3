"""Razorpay's Payments API: read, capture, refund."""

import dataclasses
from typing import Annotated

from fastapi import APIRouter, Depends, Header

from revcart.paysim import access, domain, faults, flow

router = APIRouter(
    prefix="/v1/payments",
    tags=["payments"],
    route_class=faults.FaultyRoute,
    dependencies=[Depends(access.authenticate)],
)


@router.get("")
async def list_payments(selection: access.Selection, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        return access.collection(await tx.find("payment", selection))


@router.get("/{payment_id}")
async def fetch_payment(payment_id: str, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        return await tx.get("payment", payment_id)


@router.post("/{payment_id}/capture")
async def capture_payment(payment_id: str, body: access.Body, ports: access.Ports) -> domain.Entity:
    return await flow.capture(payment_id=payment_id, body=body, ports=ports)


@router.post("/{payment_id}/refund")
async def refund_payment(
    payment_id: str,
    body: access.Body,
    ports: access.Ports,
    x_refund_idempotency: Annotated[str | None, Header()] = None,
) -> domain.Entity:
    return await flow.refund(payment_id=payment_id, body=body, key=x_refund_idempotency, ports=ports)


@router.get("/{payment_id}/refunds")
async def list_refunds_of_payment(payment_id: str, selection: access.Selection, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        await tx.get("payment", payment_id)
        return access.collection(await tx.find("refund", dataclasses.replace(selection, parent=payment_id)))


@router.get("/{payment_id}/refunds/{refund_id}")
async def fetch_refund_of_payment(payment_id: str, refund_id: str, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        refund = await tx.get("refund", refund_id)
    if refund["payment_id"] != payment_id:
        raise domain.unknown_id()
    return refund
