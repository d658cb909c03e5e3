"""`/internal/users`: what other services may know about a person."""

from typing import Annotated

from fastapi import Depends, Path

from revcart.kit import asgi, auth, tokens
from revcart.user import addresses, flow, schemas

router = asgi.router(prefix="/internal/users", tags=["internal"])
Ports = Annotated[flow.Ports, Depends(asgi.ports)]
UserId = Annotated[int, Path(alias="id", ge=1, le=tokens.LARGEST_ID)]
AddressId = Annotated[int, Path(alias="addressId", ge=1, le=tokens.LARGEST_ID)]


@router.get("/{id}/contact")
async def get_contact(
    user_id: UserId,
    caller: Annotated[auth.Caller, Depends(auth.service("notification", "delivery", "order"))],
    ports: Ports,
) -> schemas.Contact:
    return schemas.Contact.of(await flow.contact(user_id=user_id, ports=ports))


@router.get("/{id}/addresses/{addressId}")
async def get_address_for_order(
    user_id: UserId,
    address_id: AddressId,
    caller: Annotated[auth.Caller, Depends(auth.service("order"))],
    ports: Ports,
) -> schemas.Address:
    return schemas.Address.model_validate(
        await addresses.get_address(address_id=address_id, user_id=user_id, ports=ports)
    )
