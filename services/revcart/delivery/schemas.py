"""Request and response models of delivery."""

from typing import Annotated, Any, Literal

import pydantic

from revcart.delivery import domain, fleet, moves, store, track
from revcart.kit import schemas

Latitude = Annotated[float, pydantic.Field(ge=-90, le=90, strict=False, allow_inf_nan=False)]
Longitude = Annotated[float, pydantic.Field(ge=-180, le=180, strict=False, allow_inf_nan=False)]
Reportable = Literal["PICKED_UP", "IN_TRANSIT", "DELIVERED", "FAILED", "CANCELLED"]


class StatusUpdate(schemas.Body):
    status: Reportable | None = None
    otp: schemas.text(6, 6, pattern="[0-9]{6}") | None = None
    reason: schemas.text(1, 200) | None = None
    note: schemas.text(1, 300) | None = None
    cod_collected: schemas.RupeesIn | None = None
    lat: Latitude | None = None
    lng: Longitude | None = None

    def to_step(self, status: Reportable) -> moves.Step:
        return moves.Step(
            to=domain.Status(status),
            code=self.otp,
            reason=self.reason,
            note=self.note,
            cod_collected_paise=self.cod_collected,
            lat=self.lat,
            lng=self.lng,
        )


class Assign(schemas.Body):
    order_id: schemas.Id
    agent_id: schemas.Id | None = None


class Reason(schemas.Body):
    reason: schemas.text(1, 200)


class AgentFields(schemas.Body):
    name: schemas.text(2, 50)
    phone: schemas.Phone
    email: schemas.Email
    vehicle_type: domain.VehicleType
    capacity: Annotated[int, pydantic.Field(ge=1, le=50)] | None = None
    user_id: schemas.Id | None = None
    base_lat: Latitude | None = None
    base_lng: Longitude | None = None

    def to_values(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "phone": self.phone,
            "email": self.email.lower(),
            "vehicle_type": self.vehicle_type,
            "capacity": self.capacity or domain.CAPACITY[self.vehicle_type],
            "user_id": self.user_id,
            "base_lat": self.base_lat,
            "base_lng": self.base_lng,
        }


class AgentStatusUpdate(schemas.Body):
    status: Literal["AVAILABLE", "BUSY", "OFFLINE"]


class Location(schemas.Body):
    lat: Latitude
    lng: Longitude
    accuracy_metres: Annotated[float, pydantic.Field(ge=0, le=100_000, strict=False)] | None = None
    heading: Annotated[float, pydantic.Field(ge=0, le=360, strict=False)] | None = None
    speed_kmph: Annotated[float, pydantic.Field(ge=0, le=1_000, strict=False)] | None = None
    recorded_at: schemas.Instant | None = None

    def to_ping(self) -> fleet.Ping:
        return fleet.Ping(
            lat=self.lat,
            lng=self.lng,
            accuracy_metres=self.accuracy_metres,
            heading=self.heading,
            speed_kmph=self.speed_kmph,
            recorded_at=self.recorded_at,
        )


class LocationAccepted(schemas.Answer):
    accepted: bool
    eta_at: schemas.Instant | None


class Rider(schemas.Answer):
    """The agent as others see it. `phone`: only for those who may call."""

    id: int | None
    name: str
    vehicle_type: str
    phone: str | None


class Delivery(schemas.Answer):
    id: int
    order_id: int
    order_number: str
    user_id: int
    agent_id: int | None
    agent: Rider | None
    status: domain.Status
    attempt: int
    pickup_address: str
    delivery_address: dict[str, Any]
    lat: float | None
    lng: float | None
    window_start: schemas.Instant
    window_end: schemas.Instant
    eta_at: schemas.Instant | None
    cod_amount: schemas.Rupees
    cod_collected: schemas.Rupees | None
    accept_by: schemas.Instant | None
    accepted_at: schemas.Instant | None
    assigned_at: schemas.Instant
    picked_up_at: schemas.Instant | None
    in_transit_at: schemas.Instant | None
    delivered_at: schemas.Instant | None
    failed_at: schemas.Instant | None
    cancelled_at: schemas.Instant | None
    failure_reason: str | None
    proof: str | None
    tracking_code: str
    otp: str | None
    version: int

    @classmethod
    def of(cls, view: track.View, *, shop: domain.Shop) -> "Delivery":
        row, request = view.delivery, view.request
        return cls(
            id=row.id,
            order_id=row.order_id,
            order_number=request.order_number,
            user_id=row.user_id,
            agent_id=row.agent_id,
            agent=_rider(view.agent, shows_phone=view.shows_phone),
            status=row.status,
            attempt=row.attempt,
            pickup_address=shop.address,
            delivery_address=request.place,
            lat=request.lat,
            lng=request.lng,
            window_start=request.window_start,
            window_end=request.window_end,
            eta_at=row.eta_at,
            cod_amount=request.cod_paise,
            cod_collected=row.cod_collected_paise,
            accept_by=row.accept_by,
            accepted_at=row.accepted_at,
            assigned_at=row.assigned_at,
            picked_up_at=row.picked_up_at,
            in_transit_at=row.in_transit_at,
            delivered_at=row.delivered_at,
            failed_at=row.failed_at,
            cancelled_at=row.cancelled_at,
            failure_reason=row.failure_reason,
            proof=row.proof,
            tracking_code=row.tracking_code,
            otp=view.code,
            version=row.version,
        )


class HistoryRow(schemas.Answer):
    from_: str | None = pydantic.Field(alias="from")
    to: str
    actor: dict[str, Any]
    reason: str | None
    at: schemas.Instant


class TimelineStep(schemas.Answer):
    status: str
    at: schemas.Instant


class AgentLocation(schemas.Answer):
    lat: float
    lng: float
    recorded_at: schemas.Instant


class EtaRange(schemas.Answer):
    earliest: schemas.Instant
    latest: schemas.Instant


class Track(schemas.Answer):
    """`orderId`, `orderNumber`, `otp`, the agent's phone and the whole destination are null behind a tracking code."""

    order_id: int | None
    order_number: str | None
    status: str
    stage: str
    timeline: list[TimelineStep]
    eta_at: schemas.Instant | None
    eta_range: EtaRange | None
    window_start: schemas.Instant
    window_end: schemas.Instant
    attempt: int
    agent: Rider | None
    agent_location: AgentLocation | None
    destination: dict[str, Any]
    otp: str | None

    @classmethod
    def of(cls, seen: track.Track) -> "Track":
        row, request = seen.delivery, seen.request
        live = row is not None and row.status in domain.LIVE
        eta_at = row.eta_at if row is not None and live else None
        earliest, latest = domain.ETA_RANGE
        position = seen.position
        return cls(
            order_id=None if seen.public else request.order_id,
            order_number=None if seen.public else request.order_number,
            status=seen.stage,
            stage=seen.stage,
            timeline=[TimelineStep(status=status, at=at) for status, at in seen.timeline],
            eta_at=eta_at,
            eta_range=EtaRange(earliest=eta_at + earliest, latest=eta_at + latest) if eta_at else None,
            window_start=request.window_start,
            window_end=request.window_end,
            attempt=row.attempt if row else 1,
            agent=_public_rider(seen.agent) if seen.public else _rider(seen.agent, shows_phone=live),
            agent_location=(
                AgentLocation(lat=position[0].lat, lng=position[0].lng, recorded_at=position[1]) if position else None
            ),
            destination=_locality(request) if seen.public else request.place,
            otp=seen.code,
        )


class Agent(schemas.Answer):
    id: int
    user_id: int | None
    name: str
    phone: str
    email: str
    vehicle_type: str
    status: domain.AgentStatus
    capacity: int
    load: int
    current_lat: float | None
    current_lng: float | None
    last_seen_at: schemas.Instant | None
    active: bool

    @classmethod
    def of(cls, agent: store.Agent) -> "Agent":
        full = agent.status == domain.AgentStatus.AVAILABLE and agent.load_count >= agent.capacity
        return cls(
            id=agent.id,
            user_id=agent.user_id,
            name=agent.name,
            phone=agent.phone,
            email=agent.email,
            vehicle_type=agent.vehicle_type,
            status=domain.AgentStatus.BUSY if full else agent.status,
            capacity=agent.capacity,
            load=agent.load_count,
            current_lat=agent.current_lat,
            current_lng=agent.current_lng,
            last_seen_at=agent.last_seen_at,
            active=agent.active,
        )


class AgentCount(schemas.Answer):
    count: int
    available: int
    busy: int
    offline: int


class Request(schemas.Answer):
    order_id: int
    order_number: str
    state: domain.RequestState
    due_at: schemas.Instant
    window_start: schemas.Instant
    window_end: schemas.Instant
    waiting_seconds: int
    last_reason: str | None


class Serviceability(schemas.Answer):
    serviceable: bool
    distance_metres: int | None
    reason: str | None
    eta_minutes: list[int] | None


def _rider(agent: store.Agent | None, *, shows_phone: bool) -> Rider | None:
    if agent is None:
        return None
    return Rider(
        id=agent.id,
        name=agent.name,
        vehicle_type=agent.vehicle_type,
        phone=agent.phone if shows_phone else None,
    )


def _public_rider(agent: store.Agent | None) -> Rider | None:
    if agent is None:
        return None
    return Rider(id=None, name=domain.first_name(agent.name), vehicle_type=agent.vehicle_type, phone=None)


def _locality(request: store.Request) -> dict[str, Any]:
    return {"city": request.place.get("city"), "postalCode": str(request.place.get("postalCode", ""))[:3]}
