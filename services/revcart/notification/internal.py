"""Personal data, for user's export and erasure."""

from typing import Annotated, Any

from fastapi import Depends, Response

from revcart.kit import asgi, auth, schemas
from revcart.notification import flow

router = asgi.router(prefix="/internal", tags=["internal"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
FromUser = Annotated[auth.Caller, Depends(auth.service("user"))]


@router.get("/export/{user_id}")
async def export_personal_data(user_id: schemas.Id, _: FromUser, ports: Ports) -> dict[str, Any]:
    return await ports.store.personal_data(user_id)


@router.delete("/personal-data/{user_id}", status_code=204, response_class=Response)
async def erase_personal_data(user_id: schemas.Id, _: FromUser, ports: Ports) -> None:
    await ports.store.forget(user_id)
