"""Razorpay's Orders API."""

import dataclasses

from fastapi import APIRouter, Depends, Request

from revcart.paysim import access, domain, faults, flow, store

router = APIRouter(
    prefix="/v1/orders",
    tags=["orders"],
    route_class=faults.FaultyRoute,
    dependencies=[Depends(access.authenticate)],
)


@router.post("")
async def create_order(body: access.Body, ports: access.Ports) -> domain.Entity:
    return await flow.create_order(body=body, ports=ports)


@router.get("")
async def list_orders(request: Request, selection: access.Selection, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        orders = await tx.find("order", selection)
        if "payments" in request.query_params.getlist("expand[]"):
            every = store.Selection(count=domain.LIST_LIMIT)
            for order in orders:
                payments = await tx.find("payment", dataclasses.replace(every, parent=order["id"]))
                order["payments"] = access.collection(payments)
    return access.collection(orders)


@router.get("/{order_id}")
async def fetch_order(order_id: str, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        return await tx.get("order", order_id)


@router.patch("/{order_id}")
async def edit_order(order_id: str, body: access.Body, ports: access.Ports) -> domain.Entity:
    return await flow.edit_notes(kind="order", entity_id=order_id, body=body, ports=ports)


@router.get("/{order_id}/payments")
async def list_payments_of_order(order_id: str, ports: access.Ports) -> domain.Entity:
    async with ports.store.transaction() as tx:
        await tx.get("order", order_id)
        selection = store.Selection(parent=order_id, count=domain.LIST_LIMIT)
        return access.collection(await tx.find("payment", selection))
