"""`/internal`: products and stock for the services that sell them."""

from typing import Annotated

from fastapi import Depends, Path, Query, Response

from revcart.kit import asgi, auth, errors
from revcart.kit import schemas as kit_schemas
from revcart.product import flow, reservations, schemas, schemas_reservations, stock

router = asgi.router(prefix="/internal", tags=["internal"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
Seller = Annotated[auth.Caller, Depends(auth.service("cart", "order"))]
Order = Annotated[auth.Caller, Depends(auth.service("order"))]
User = Annotated[auth.Caller, Depends(auth.service("user"))]
UserId = Annotated[int, Path(ge=1, le=kit_schemas.MAX_ID)]
ReservationId = Annotated[int, Path(ge=1, le=kit_schemas.MAX_ID)]


@router.get("/products")
async def get_products(
    caller: Seller,
    ports: Ports,
    ids: Annotated[
        str, Query(pattern=r"^[0-9]{1,15}(,[0-9]{1,15}){0,99}$", description="comma separated, at most 100")
    ],
) -> list[schemas.InternalProduct]:
    wanted = [int(number) for number in ids.split(",")]
    return [schemas.InternalProduct.of(shown) for shown in await flow.products_now(ids=wanted, ports=ports)]


@router.post(
    "/stock/reservations",
    status_code=201,
    responses={
        200: {"description": "The reference holds these lines already", "model": schemas_reservations.Reservation},
        **errors.documented(reservations.Insufficient, reservations.Unavailable, reservations.Committed),
    },
)
async def reserve_stock(
    body: schemas_reservations.Reserve, caller: Order, response: Response, ports: Ports
) -> schemas_reservations.Reservation:
    hold, is_new = await stock.reserve(
        reference=body.reference,
        user_id=body.user_id,
        seconds=body.ttl_seconds,
        wanted=[line.to_wanted() for line in body.lines],
        ports=ports,
    )
    if not is_new:
        response.status_code = 200
    return schemas_reservations.Reservation.of(hold)


@router.get("/stock/reservations/{id}")
async def get_reservation(id: ReservationId, caller: Order, ports: Ports) -> schemas_reservations.Reservation:
    return schemas_reservations.Reservation.of(await stock.get_reservation(reservation_id=id, ports=ports))


@router.post(
    "/stock/reservations/{id}/commit",
    responses=errors.documented(reservations.Insufficient, reservations.NotHeld),
)
async def commit_reservation(id: ReservationId, caller: Order, ports: Ports) -> schemas_reservations.Reservation:
    return schemas_reservations.Reservation.of(await stock.commit(reservation_id=id, ports=ports))


@router.post(
    "/stock/reservations/{id}/release",
    responses=errors.documented(reservations.Exceeded, reservations.NotHeld),
)
async def release_reservation(
    id: ReservationId, caller: Order, ports: Ports, body: schemas_reservations.Release | None = None
) -> schemas_reservations.Reservation:
    if body is None or body.ref is None:
        return schemas_reservations.Reservation.of(await stock.release(reservation_id=id, ports=ports))
    lines = [line.to_wanted() for line in body.lines]
    hold = await stock.release_part(reservation_id=id, ref=body.ref, lines=lines, ports=ports)
    return schemas_reservations.Reservation.of(hold)


@router.get("/export/{user_id}")
async def export_user(user_id: UserId, caller: User, ports: Ports) -> schemas_reservations.Export:
    found = await stock.export_user(user_id=user_id, ports=ports)
    return schemas_reservations.Export(
        reservations=[schemas_reservations.ExportedHold.model_validate(hold) for hold in found]
    )


@router.delete("/personal-data/{user_id}", status_code=204)
async def forget_user(user_id: UserId, caller: User, ports: Ports) -> None:
    await stock.forget_user(user_id=user_id, ports=ports)
