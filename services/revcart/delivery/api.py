"""The HTTP face of delivery."""

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from revcart.delivery import domain, fleet, flow, offers, schemas, store, track
from revcart.delivery import ports as all_ports
from revcart.kit import asgi, auth, clock, errors, pages, preconditions
from revcart.kit import schemas as kit_schemas

router = asgi.router(prefix="/api/delivery", tags=["delivery"])
internal = asgi.router(prefix="/internal", tags=["internal"])

Ports = Annotated[all_ports.Ports, Depends(asgi.ports)]
Sorting = Annotated[pages.PageQuery, Depends(pages.query("assignedAt", "windowStart", "id", default="assignedAt,desc"))]
Paging = Annotated[pages.PageQuery, Depends(pages.query("id", default="id,asc"))]
ForOrder = Annotated[auth.Caller, Depends(auth.service("order"))]
ForOrderAndNotification = Annotated[auth.Caller, Depends(auth.service("order", "notification"))]

_MOVING = errors.documented(
    domain.TransitionNotAllowed,
    domain.OrderNotReady,
    domain.ProofRequired,
    domain.CodeInvalid,
    domain.CodMismatch,
    domain.CodeLocked,
)


@router.get("/orders")
async def list_deliveries(
    user: auth.Staff,
    ports: Ports,
    query: Sorting,
    status: domain.Status | None = None,
    agent_id: Annotated[kit_schemas.Id | None, Query(alias="agentId")] = None,
    date: dt.date | None = None,
    slot_id: Annotated[kit_schemas.Id | None, Query(alias="slotId")] = None,
    active: bool = False,
) -> pages.Page[schemas.Delivery]:
    """An agent's own deliveries, live ones first; all of them for an ADMIN."""
    conditions: list[Any] = []
    if status is not None:
        conditions.append(store.deliveries.c.status == status)
    if agent_id is not None and user.role == "ADMIN":
        conditions.append(store.deliveries.c.agent_id == agent_id)
    if slot_id is not None:
        conditions.append(store.delivery_requests.c.slot_id == slot_id)
    if date is not None:
        start, end = clock.day_bounds(date, ports.timezone)
        conditions += [store.delivery_requests.c.window_start >= start, store.delivery_requests.c.window_start < end]
    if active:
        conditions.append(store.deliveries.c.status.in_(domain.LIVE))
    views, total = await track.find(conditions=conditions, query=query, user=user, ports=ports)
    content = [schemas.Delivery.of(view, shop=ports.shop) for view in views]
    return pages.of(content=content, query=query, total=total)


@router.put("/{delivery_id}/status", responses=_MOVING)
@router.patch("/{delivery_id}/status", responses=_MOVING, name="patch_delivery_status")
async def update_delivery_status(
    delivery_id: kit_schemas.Id,
    user: auth.Staff,
    ports: Ports,
    body: schemas.StatusUpdate | None = None,
    status: schemas.Reportable | None = None,
) -> schemas.Delivery:
    """What the agent reports. A body wins over `?status=`, the original's form."""
    update = body or schemas.StatusUpdate()
    wanted = update.status or status
    if wanted is None:
        raise errors.InvalidRequest(items=[errors.Item("#/status", "is needed")])
    await flow.advance(delivery_id=delivery_id, step=update.to_step(wanted), user=user, ports=ports)
    return await _delivery(delivery_id, user, ports)


@router.get("/track/{reference}")
async def track_delivery(
    request: Request, response: Response, reference: str, user: auth.OptionalUser, ports: Ports
) -> Any:
    """By order id for the people involved, by tracking code for anyone who holds it."""
    if len(reference) < 17 and reference.isascii() and reference.isdecimal():
        if user is None:
            raise errors.TokenMissing
        seen = await track.by_order(order_id=int(reference), user=user, ports=ports)
    else:
        seen = await track.by_code(code=reference, ports=ports)
    tag = preconditions.etag(f"{seen.delivery.version}-{seen.stage}" if seen.delivery else seen.request.id)
    headers = {"ETag": tag, "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
    if preconditions.unchanged(request, tag) and seen.position is None:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return schemas.Track.of(seen)


@router.get("/serviceability")
async def serviceability(
    ports: Ports,
    lat: Annotated[float | None, Query(ge=-90, le=90)] = None,
    lng: Annotated[float | None, Query(ge=-180, le=180)] = None,
    postal_code: Annotated[str | None, Query(alias="postalCode", pattern="^[1-9][0-9]{5}$")] = None,
) -> schemas.Serviceability:
    """Whether the shop delivers there. Without coordinates the postal code's first three digits decide."""
    return _serviceability(ports, lat=lat, lng=lng, postal_code=postal_code)


@router.post(
    "/assign",
    status_code=201,
    responses=errors.documented(domain.AlreadyAssigned, domain.NoAgent, domain.AgentAtCapacity),
)
async def assign_delivery(body: schemas.Assign, user: auth.Admin, ports: Ports) -> schemas.Delivery:
    """Assign an order now; without an agent the rule decides."""
    made = await offers.assign_order(order_id=body.order_id, agent_id=body.agent_id, ports=ports)
    return await _delivery(made.id, user, ports)


@router.get("/requests")
async def list_requests(
    user: auth.Admin, ports: Ports, query: Paging, state: domain.RequestState | None = None
) -> pages.Page[schemas.Request]:
    """Orders that want a delivery, the most urgent first."""
    conditions = [store.delivery_requests.c.state == state] if state else []
    async with ports.store.read() as tx:
        rows, total = await tx.requests_like(*conditions, query=query)
    now = ports.clock.now()
    content = [
        schemas.Request(
            order_id=row.order_id,
            order_number=row.order_number,
            state=row.state,
            due_at=row.due_at,
            window_start=row.window_start,
            window_end=row.window_end,
            waiting_seconds=max(0, int((now - row.due_at).total_seconds())) if row.state == "WAITING" else 0,
            last_reason=row.last_reason,
        )
        for row in rows
    ]
    return pages.of(content=content, query=query, total=total)


@router.put(
    "/{delivery_id}/reassign/{agent_id}",
    responses=errors.documented(domain.TransitionNotAllowed, domain.AgentAtCapacity),
)
async def reassign_delivery(
    delivery_id: kit_schemas.Id, agent_id: kit_schemas.Id, user: auth.Admin, ports: Ports, force: bool = False
) -> schemas.Delivery:
    """Move a delivery to another agent; `force` once it was picked up."""
    await offers.reassign(delivery_id=delivery_id, agent_id=agent_id, force=force, ports=ports)
    return await _delivery(delivery_id, user, ports)


@router.post("/{delivery_id}/accept")
async def accept_delivery(delivery_id: kit_schemas.Id, user: auth.Agent, ports: Ports) -> schemas.Delivery:
    """Take the offer."""
    await offers.accept(delivery_id=delivery_id, user=user, ports=ports)
    return await _delivery(delivery_id, user, ports)


@router.post("/{delivery_id}/reject", status_code=204, responses=errors.documented(domain.TransitionNotAllowed))
async def reject_delivery(delivery_id: kit_schemas.Id, body: schemas.Reason, user: auth.Agent, ports: Ports) -> None:
    """Refuse the offer; it moves on to the next agent, so there is nothing left to show."""
    await offers.reject(delivery_id=delivery_id, user=user, reason=body.reason, ports=ports)


@router.post("/{delivery_id}/otp/resend", status_code=202)
async def resend_code(delivery_id: kit_schemas.Id, user: auth.CurrentUser, ports: Ports) -> dict[str, str]:
    """Send the customer's code to the customer once more."""
    await flow.resend_code(delivery_id=delivery_id, user=user, ports=ports)
    return {"message": "The code is on its way."}


@router.get("/order/{order_id}")
async def get_delivery_of_order(order_id: kit_schemas.Id, user: auth.CurrentUser, ports: Ports) -> schemas.Delivery:
    """The delivery of an order."""
    view = await track.delivery_of_order(order_id=order_id, user=user, ports=ports)
    return schemas.Delivery.of(view, shop=ports.shop)


@router.get("/{delivery_id}/history")
async def get_delivery_history(delivery_id: kit_schemas.Id, user: auth.Admin, ports: Ports) -> list[schemas.HistoryRow]:
    """Every step, oldest first."""
    return [schemas.HistoryRow.model_validate(row) for row in await track.history(delivery_id=delivery_id, ports=ports)]


agents: APIRouter = asgi.router(prefix="/api/delivery/agents", tags=["agents"])


@agents.post("", status_code=201, responses=errors.documented(domain.AgentExists))
async def create_agent(body: schemas.AgentFields, user: auth.Admin, ports: Ports) -> schemas.Agent:
    """Enter an agent; without `userId` it is linked when a user with its e-mail signs up as an agent."""
    return schemas.Agent.of(await fleet.create(values=body.to_values(), ports=ports))


@agents.get("")
async def list_agents(
    user: auth.Admin,
    ports: Ports,
    query: Paging,
    status: Literal["AVAILABLE", "OFFLINE"] | None = None,
    vehicle_type: Annotated[domain.VehicleType | None, Query(alias="vehicleType")] = None,
) -> pages.Page[schemas.Agent]:
    """The fleet."""
    conditions: list[Any] = []
    if status is not None:
        conditions.append(store.agents.c.status == status)
    if vehicle_type is not None:
        conditions.append(store.agents.c.vehicle_type == vehicle_type)
    found, total = await fleet.find(conditions=conditions, query=query, ports=ports)
    return pages.of(content=[schemas.Agent.of(agent) for agent in found], query=query, total=total)


@agents.get("/available")
async def list_available_agents(user: auth.Admin, ports: Ports) -> list[schemas.Agent]:
    """Who could take one more delivery now."""
    async with ports.store.read() as tx:
        found = await tx.active_agents(domain.AgentStatus.AVAILABLE)
    return [schemas.Agent.of(agent) for agent in found if agent.load_count < agent.capacity]


@agents.get("/count")
async def count_agents(user: auth.Admin, ports: Ports) -> schemas.AgentCount:
    """The fleet in numbers."""
    async with ports.store.read() as tx:
        shown = [schemas.Agent.of(agent).status for agent in await tx.active_agents()]
    return schemas.AgentCount(
        count=len(shown),
        available=shown.count(domain.AgentStatus.AVAILABLE),
        busy=shown.count(domain.AgentStatus.BUSY),
        offline=shown.count(domain.AgentStatus.OFFLINE),
    )


@agents.get("/me")
async def get_own_agent(user: auth.Agent, ports: Ports) -> schemas.Agent:
    """The agent that the caller is."""
    return schemas.Agent.of(await fleet.of_user(user=user, ports=ports))


@agents.get("/{agent_id}")
async def get_agent(agent_id: kit_schemas.Id, user: auth.Staff, ports: Ports) -> schemas.Agent:
    """One agent."""
    return schemas.Agent.of(await fleet.own_or_any(agent_id=agent_id, user=user, ports=ports))


@agents.delete("/{agent_id}", status_code=204, responses=errors.documented(domain.AgentBusy))
async def delete_agent(agent_id: kit_schemas.Id, user: auth.Admin, ports: Ports) -> None:
    """Take an agent out of the fleet; its history stays."""
    await fleet.deactivate(agent_id=agent_id, ports=ports)


@agents.put("/{agent_id}/status", responses=errors.documented(domain.AgentBusy))
async def update_agent_status(
    agent_id: kit_schemas.Id,
    user: auth.Staff,
    ports: Ports,
    body: schemas.AgentStatusUpdate | None = None,
    status: Literal["AVAILABLE", "BUSY", "OFFLINE"] | None = None,
) -> schemas.Agent:
    """Start or end work."""
    wanted = body.status if body else status
    if wanted is None:
        raise errors.InvalidRequest(items=[errors.Item("#/status", "is needed")])
    changed = await fleet.set_status(agent_id=agent_id, status=domain.AgentStatus(wanted), user=user, ports=ports)
    return schemas.Agent.of(changed)


@agents.put("/{agent_id}/location", status_code=202)
async def report_location(
    agent_id: kit_schemas.Id, body: schemas.Location, user: auth.Agent, ports: Ports
) -> schemas.LocationAccepted:
    """The agent's own position, at most one a second."""
    seen = await fleet.report(agent_id=agent_id, ping=body.to_ping(), user=user, ports=ports)
    return schemas.LocationAccepted(accepted=seen.accepted, eta_at=seen.eta_at)


# Last, so that its parameter does not take the place of a name above.
catch_all: APIRouter = asgi.router(prefix="/api/delivery", tags=["delivery"])


@catch_all.get("/{delivery_id}")
async def get_delivery(delivery_id: kit_schemas.Id, user: auth.CurrentUser, ports: Ports) -> schemas.Delivery:
    """One delivery, for its customer, its agent or an ADMIN."""
    return await _delivery(delivery_id, user, ports)


@internal.get("/serviceability")
async def serviceability_for_order(
    caller: ForOrder,
    ports: Ports,
    lat: Annotated[float | None, Query(ge=-90, le=90)] = None,
    lng: Annotated[float | None, Query(ge=-180, le=180)] = None,
    postal_code: Annotated[str | None, Query(alias="postalCode")] = None,
) -> schemas.Serviceability:
    """The same for the order service."""
    return _serviceability(ports, lat=lat, lng=lng, postal_code=postal_code)


@internal.get("/deliveries/by-order/{order_id}")
async def delivery_for_services(
    order_id: kit_schemas.Id, caller: ForOrderAndNotification, ports: Ports
) -> schemas.Delivery:
    """The delivery of an order, without the customer's code."""
    return schemas.Delivery.of(await track.for_service(order_id=order_id, ports=ports), shop=ports.shop)


async def _delivery(delivery_id: int, user: auth.User, ports: all_ports.Ports) -> schemas.Delivery:
    return schemas.Delivery.of(await track.delivery(delivery_id=delivery_id, user=user, ports=ports), shop=ports.shop)


def _serviceability(
    ports: all_ports.Ports, *, lat: float | None, lng: float | None, postal_code: str | None
) -> schemas.Serviceability:
    if lat is not None and lng is not None:
        point = domain.Point(lat, lng)
        metres = round(ports.shop.point.metres_to(point))
        if not ports.shop.serves(point):
            return schemas.Serviceability(serviceable=False, distance_metres=metres, reason="TOO_FAR", eta_minutes=None)
        return schemas.Serviceability(serviceable=True, distance_metres=metres, reason=None, eta_minutes=[30, 45])
    if postal_code is None:
        raise errors.InvalidRequest(items=[errors.Item("query:lat", "send lat and lng, or postalCode")])
    serves = postal_code.startswith(ports.shop.postal_prefix)
    return schemas.Serviceability(
        serviceable=serves,
        distance_metres=None,
        reason=None if serves else "TOO_FAR",
        eta_minutes=[30, 45] if serves else None,
    )
