"""Products, orders, users and deliveries: passed on to their owners and back; every change is audited."""

import urllib.parse
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, Path, Response

from revcart.admin import domain, flow, passing, schemas
from revcart.kit import asgi
from revcart.kit import schemas as kit_schemas

router = asgi.router(prefix="/api/admin", tags=["admin"])

Actor = passing.Actor
Ports = passing.Ports
Headers = passing.Headers
REFUSALS = passing.REFUSALS
Object = schemas.Object
Asked = Mapping[str, object]
OrderId = Annotated[str, Path(alias="id", pattern=r"^[A-Za-z0-9-]{1,32}$", description="Id or order number")]
Id = Annotated[kit_schemas.Id, Path(alias="id")]

PRODUCTS = passing.Query("category", "brand", "minPrice", "maxPrice", "inStock", "tag", "q", "includeInactive")
ORDERS = passing.Query("status", "from", "to", "userId", "q", "paymentMethod", "slotId")
USERS = passing.Query("q", "role", "status", "ids")
DELIVERIES = passing.Query("status", "agentId", "date", "slotId", "active")
AGENTS = passing.Query("status", "vehicleType", "q")
ACTIVE = passing.Query("active", paged=False)
STATUS = passing.Query("status", paged=False)


# Products


@router.get("/products", openapi_extra=PRODUCTS.document)
async def admin_products(actor: Actor, ports: Ports, query: Annotated[Asked, Depends(PRODUCTS)]) -> Response:
    return await passing.listed(actor, ports, "product", "/api/products", {"includeInactive": "true", **query})


@router.get("/products/{id}")
async def admin_product(product_id: Id, actor: Actor, ports: Ports) -> Response:
    query = {"includeInactive": "true"}
    return await passing.listed(actor, ports, "product", f"/api/products/{product_id}", query)


@router.post("/products", status_code=201, responses=REFUSALS)
async def admin_create_product(body: Object, actor: Actor, ports: Ports, headers: Headers) -> Response:
    change = domain.Change(
        action="product.create",
        entity_type="product",
        entity_id=None,
        service="product",
        method="POST",
        path="/api/products",
        body=body,
        headers=headers,
    )
    return passing.back(await flow.change(change=change, actor=actor, ports=ports))


@router.put("/products/{id}", responses=REFUSALS)
async def admin_update_product(product_id: Id, body: Object, actor: Actor, ports: Ports, headers: Headers) -> Response:
    return await _product("update", "PUT", product_id, actor=actor, ports=ports, body=body, headers=headers)


@router.delete("/products/{id}", status_code=204, responses=REFUSALS)
async def admin_delete_product(product_id: Id, actor: Actor, ports: Ports, headers: Headers) -> Response:
    return await _product("delete", "DELETE", product_id, actor=actor, ports=ports, headers=headers)


@router.patch("/products/{id}/status", openapi_extra=ACTIVE.document, responses=REFUSALS)
async def admin_product_status(
    product_id: Id,
    actor: Actor,
    ports: Ports,
    query: Annotated[Asked, Depends(ACTIVE)],
    body: Object | None = None,
) -> Response:
    return await _product(
        "status", "PATCH", product_id, actor=actor, ports=ports, body=body, params=query, below="/status"
    )


@router.put("/products/{id}/stock", responses=REFUSALS)
async def admin_set_stock(product_id: Id, body: Object, actor: Actor, ports: Ports, headers: Headers) -> Response:
    return await _product(
        "set-stock", "PUT", product_id, actor=actor, ports=ports, body=body, headers=headers, below="/stock"
    )


@router.post("/products/{id}/stock", responses=REFUSALS)
async def admin_move_stock(product_id: Id, body: Object, actor: Actor, ports: Ports, headers: Headers) -> Response:
    return await _product(
        "move-stock", "POST", product_id, actor=actor, ports=ports, body=body, headers=headers, below="/stock"
    )


async def _product(
    what: str,
    method: str,
    product_id: int,
    *,
    actor: domain.Actor,
    ports: flow.Ports,
    body: Any = None,
    params: Asked | None = None,
    headers: Mapping[str, str] | None = None,
    below: str = "",
) -> Response:
    path = f"/api/products/{product_id}"
    change = domain.Change(
        action=f"product.{what}",
        entity_type="product",
        entity_id=str(product_id),
        service="product",
        method=method,
        path=path + below,
        body=body,
        params=params or {},
        headers=headers or {},
        seen_at=path + (below if below == "/stock" else ""),
        seen_with={"includeInactive": "true"},
    )
    return passing.back(await flow.change(change=change, actor=actor, ports=ports))


# Orders


@router.get("/orders", openapi_extra=ORDERS.document)
async def admin_orders(actor: Actor, ports: Ports, query: Annotated[Asked, Depends(ORDERS)]) -> Response:
    return await passing.listed(actor, ports, "order", "/api/orders", query)


@router.get("/orders/{id}")
async def admin_order(order_id: OrderId, actor: Actor, ports: Ports) -> schemas.OrderView:
    return await flow.order(order_id=order_id, actor=actor, ports=ports)


@router.put("/orders/{id}/status", openapi_extra=STATUS.document, responses=REFUSALS)
@router.patch("/orders/{id}/status", openapi_extra=STATUS.document, name="admin_patch_order_status", responses=REFUSALS)
async def admin_order_status(
    order_id: OrderId,
    actor: Actor,
    ports: Ports,
    query: Annotated[Asked, Depends(STATUS)],
    body: Object | None = None,
) -> Response:
    return await _order("status", "PUT", order_id, actor=actor, ports=ports, body=body, params=query)


@router.post("/orders/{id}/cancel", responses=REFUSALS)
async def admin_cancel_order(order_id: OrderId, body: Object, actor: Actor, ports: Ports) -> Response:
    return await _order("cancel", "POST", order_id, actor=actor, ports=ports, body=body)


async def _order(
    what: str,
    method: str,
    order_id: str,
    *,
    actor: domain.Actor,
    ports: flow.Ports,
    body: Any,
    params: Asked | None = None,
) -> Response:
    path = f"/api/orders/{urllib.parse.quote(order_id)}"
    change = domain.Change(
        action=f"order.{what}",
        entity_type="order",
        entity_id=order_id,
        service="order",
        method=method,
        path=f"{path}/{what}",
        body=body,
        params=params or {},
        seen_at=path,
    )
    return passing.back(await flow.change(change=change, actor=actor, ports=ports))


@router.post("/orders/{id}/refund", status_code=202, responses=REFUSALS)
async def admin_refund(order_id: OrderId, body: Object, actor: Actor, ports: Ports, headers: Headers) -> Response:
    number = await flow.order_number(order_id=order_id, actor=actor, ports=ports)
    change = domain.Change(
        action="payment.refund",
        entity_type="order",
        entity_id=str(number),
        service="payment",
        method="POST",
        path="/api/payments/refund",
        body={**body, "orderId": number},
        headers=headers,
    )
    return passing.back(await flow.change(change=change, actor=actor, ports=ports))


@router.post("/orders/{id}/assign-delivery-agent", responses={**REFUSALS, 201: {"description": "A new delivery"}})
async def admin_assign(order_id: OrderId, actor: Actor, ports: Ports, body: Object | None = None) -> Response:
    return passing.back(await flow.assign(order_id=order_id, body=body or {}, actor=actor, ports=ports))


# People and deliveries


@router.get("/users", openapi_extra=USERS.document)
async def admin_users(actor: Actor, ports: Ports, query: Annotated[Asked, Depends(USERS)]) -> Response:
    return await passing.listed(actor, ports, "user", "/api/users", query)


@router.get("/users/{id}")
async def admin_user(user_id: Id, actor: Actor, ports: Ports) -> Response:
    return await passing.listed(actor, ports, "user", f"/api/users/{user_id}", {})


@router.get("/deliveries", openapi_extra=DELIVERIES.document)
async def admin_deliveries(actor: Actor, ports: Ports, query: Annotated[Asked, Depends(DELIVERIES)]) -> Response:
    return await passing.listed(actor, ports, "delivery", "/api/delivery/all", query)


@router.get("/agents", openapi_extra=AGENTS.document)
async def admin_agents(actor: Actor, ports: Ports, query: Annotated[Asked, Depends(AGENTS)]) -> Response:
    return await passing.listed(actor, ports, "delivery", "/api/delivery/agents", query)
