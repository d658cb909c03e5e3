"""Razorpay's Refunds API: read and annotate; refunds are made through their payment."""

from fastapi import APIRouter, Depends

from revcart.paysim import access, domain, faults, flow

router = APIRouter(
    prefix="/v1/refunds",
    tags=["refunds"],
    route_class=faults.FaultyRoute,
    dependencies=[Depends(access.authenticate)],
)


@router.get("")
async def list_refunds(selection: access.Selection, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        return access.collection(await tx.find("refund", selection))


@router.get("/{refund_id}")
async def fetch_refund(refund_id: str, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        return await tx.get("refund", refund_id)


@router.patch("/{refund_id}")
async def edit_refund(refund_id: str, body: access.Body, ports: access.Ports) -> domain.Entity:
    return await flow.edit_notes(kind="refund", entity_id=refund_id, body=body, ports=ports)
