"""`/internal`: a user's cart for order, and his data for user."""

from typing import Annotated, Any

from fastapi import Depends, Path

from revcart.cart import domain, flow, schemas
from revcart.kit import asgi, auth
from revcart.kit import schemas as kit_schemas

router = asgi.router(prefix="/internal", tags=["internal"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
UserId = Annotated[int, Path(ge=1, le=kit_schemas.MAX_ID)]
Order = Annotated[auth.Caller, Depends(auth.service("order"))]
User = Annotated[auth.Caller, Depends(auth.service("user"))]


@router.get("/carts/{user_id}")
async def get_users_cart(user_id: UserId, caller: Order, ports: Ports) -> schemas.InternalCart:
    return schemas.InternalCart.of(await ports.carts.get(domain.Owner(user_id=user_id)))


@router.get("/export/{user_id}")
async def export_cart(user_id: UserId, caller: User, ports: Ports) -> dict[str, Any]:
    cart = await ports.carts.get(domain.Owner(user_id=user_id))
    return {"cart": schemas.InternalCart.of(cart).model_dump(mode="json", by_alias=True)}


@router.delete("/personal-data/{user_id}", status_code=204)
async def forget_user(user_id: UserId, caller: User, ports: Ports) -> None:
    await flow.forget_user(user_id=user_id, ports=ports)
