"""Deliveries: their states, who may move them, which agent rides, and the one-time code. Pure."""

import dataclasses
import datetime as dt
import enum
import math
import secrets
import string
from collections.abc import Sequence
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.twofactor import hotp

from revcart.kit import errors

MAX_ATTEMPTS = 2
MAX_OFFERS = 5
ACCEPT_SECONDS = 90
DISPATCH_LEAD = dt.timedelta(minutes=45)
PACKING = dt.timedelta(minutes=8)
SECOND_ATTEMPT_AFTER = dt.timedelta(minutes=30)
FRESH_POSITION = dt.timedelta(minutes=5)
OFFLINE_AFTER = dt.timedelta(minutes=15)
UNASSIGNED_ALERT_AFTER = dt.timedelta(minutes=5)
TRACKING_ENDS_AFTER = dt.timedelta(hours=24)
STOP_SECONDS = 240
HANDOVER_SECONDS = 120
LEFT_THE_SHOP_METRES = 150
UNKNOWN_POSITION_METRES = 2_000
LOAD_METRES = 800
CODE_TRIES = 5
ETA_RANGE = (dt.timedelta(minutes=-3), dt.timedelta(minutes=7))
MAX_SPEED_KMPH = 150
MAX_ACCURACY_METRES = 200

_BASE62 = string.digits + string.ascii_letters
_EARTH_METRES = 6_371_008.8


class Status(enum.StrEnum):
    """Where a delivery stands."""

    ASSIGNED = "ASSIGNED"
    PICKED_UP = "PICKED_UP"
    IN_TRANSIT = "IN_TRANSIT"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Kind(enum.StrEnum):
    """Who moves a delivery."""

    AGENT = "AGENT"
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"


class RequestState(enum.StrEnum):
    """An order that wants a delivery."""

    WAITING = "WAITING"
    ASSIGNED = "ASSIGNED"
    CLOSED = "CLOSED"


class AgentStatus(enum.StrEnum):
    """Whether an agent takes work. BUSY is shown, never stored: it follows from the load."""

    AVAILABLE = "AVAILABLE"
    BUSY = "BUSY"
    OFFLINE = "OFFLINE"


VehicleType = Literal["BICYCLE", "SCOOTER", "MOTORBIKE", "VAN"]
SPEED_KMPH: dict[str, int] = {"BICYCLE": 12, "SCOOTER": 20, "MOTORBIKE": 25, "VAN": 22}
CAPACITY: dict[str, int] = {"BICYCLE": 3, "SCOOTER": 3, "MOTORBIKE": 3, "VAN": 12}
WEIGHT_GRAMS: dict[str, int] = {"BICYCLE": 15_000, "SCOOTER": 25_000, "MOTORBIKE": 25_000, "VAN": 200_000}

FailureReason = Literal[
    "CUSTOMER_UNAVAILABLE",
    "WRONG_ADDRESS",
    "REFUSED",
    "PAYMENT_NOT_AVAILABLE",
    "UNSAFE",
    "VEHICLE_BREAKDOWN",
    "DAMAGED",
    "OTHER",
]
FINAL_FAILURES = frozenset({"REFUSED", "DAMAGED"})  # no second attempt: the goods go back

LIVE = frozenset({Status.ASSIGNED, Status.PICKED_UP, Status.IN_TRANSIT})
ON_THE_WAY = frozenset({Status.PICKED_UP, Status.IN_TRANSIT})
ENDED = frozenset({Status.DELIVERED, Status.CANCELLED})

# What may follow, and who may do it. An offer that moves to another agent stays ASSIGNED and is no transition.
TRANSITIONS: dict[tuple[Status, Status], frozenset[Kind]] = {
    (Status.ASSIGNED, Status.PICKED_UP): frozenset({Kind.AGENT, Kind.ADMIN}),
    (Status.ASSIGNED, Status.CANCELLED): frozenset({Kind.SYSTEM, Kind.ADMIN}),
    (Status.PICKED_UP, Status.IN_TRANSIT): frozenset({Kind.AGENT, Kind.SYSTEM}),
    (Status.PICKED_UP, Status.DELIVERED): frozenset({Kind.AGENT, Kind.ADMIN}),
    (Status.PICKED_UP, Status.FAILED): frozenset({Kind.AGENT, Kind.ADMIN}),
    (Status.PICKED_UP, Status.CANCELLED): frozenset({Kind.ADMIN}),
    (Status.IN_TRANSIT, Status.DELIVERED): frozenset({Kind.AGENT, Kind.ADMIN}),
    (Status.IN_TRANSIT, Status.FAILED): frozenset({Kind.AGENT, Kind.ADMIN}),
    (Status.IN_TRANSIT, Status.CANCELLED): frozenset({Kind.ADMIN}),
    (Status.FAILED, Status.ASSIGNED): frozenset({Kind.SYSTEM, Kind.ADMIN}),
    (Status.FAILED, Status.CANCELLED): frozenset({Kind.SYSTEM, Kind.ADMIN}),
}


class TransitionNotAllowed(errors.Conflict):
    code, title = "delivery.transition-not-allowed", "That step is not possible now"


class AlreadyAssigned(errors.Conflict):
    code, title = "delivery.already-assigned", "Somebody rides already"


class NoAgent(errors.Conflict):
    code, title = "delivery.no-agent", "No agent can take it now"


class AgentAtCapacity(errors.Conflict):
    code, title = "agent.at-capacity", "That agent carries all it can"


class AgentBusy(errors.Conflict):
    code, title = "agent.busy", "That agent still carries deliveries"


class AgentExists(errors.Conflict):
    code, title = "agent.exists", "There is an agent with that e-mail or user"


class OrderNotReady(errors.Conflict):
    code, title = "delivery.order-not-ready", "The order is not ready to leave"


class ProofRequired(errors.Unprocessable):
    code, title = "delivery.proof-required", "The customer's code is needed"


class CodeInvalid(errors.Unprocessable):
    code, title = "delivery.otp-invalid", "That is not the customer's code"


class CodMismatch(errors.Unprocessable):
    code, title = "delivery.cod-mismatch", "The cash must equal the amount due"


class CodeLocked(errors.RevCartError):
    status, code, title = 423, "delivery.otp-locked", "Too many wrong codes"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts. `id`: the user."""

    kind: Kind
    id: int | None = None


SYSTEM = Actor(kind=Kind.SYSTEM)


@dataclasses.dataclass(frozen=True)
class Point:
    """A place on earth, degrees (WGS 84)."""

    lat: float
    lng: float

    def metres_to(self, other: "Point") -> float:
        """Great-circle distance (haversine)."""
        lat_1, lat_2 = math.radians(self.lat), math.radians(other.lat)
        half_lat, half_lng = (lat_2 - lat_1) / 2, math.radians(other.lng - self.lng) / 2
        chord = math.sin(half_lat) ** 2 + math.cos(lat_1) * math.cos(lat_2) * math.sin(half_lng) ** 2
        return 2 * _EARTH_METRES * math.asin(min(1.0, math.sqrt(chord)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shop:
    """Where everything starts. `detour`: how much longer roads are than the straight line. `postal_prefix`: the start
    of the postal codes that are served, for addresses without coordinates."""

    point: Point
    address: str
    radius_metres: int
    postal_prefix: str
    detour: float

    def serves(self, point: Point) -> bool:
        """Whether `point` is near enough."""
        return self.point.metres_to(point) <= self.radius_metres

    def seconds(self, *, start: Point, end: Point, vehicle_type: str) -> float:
        """How long the way takes with that vehicle."""
        return start.metres_to(end) * self.detour / (SPEED_KMPH[vehicle_type] / 3.6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """An agent as the assignment rule sees it. `point`: None when no position is known at all."""

    id: int
    load: int
    capacity: int
    vehicle_type: str
    point: Point | None
    point_is_fresh: bool
    idle_since: dt.datetime | None
    shares_a_stop: bool


def rank(candidates: Sequence[Candidate], *, shop: Shop, weight_grams: int) -> list[Candidate]:
    """Who should be asked, best first: near the shop, little load, on the way anyway; then idle longest, lowest id."""

    def score(candidate: Candidate) -> float:
        metres = shop.point.metres_to(candidate.point) * shop.detour if candidate.point else 0.0
        unknown = 0 if candidate.point_is_fresh else UNKNOWN_POSITION_METRES
        return metres + unknown + LOAD_METRES * candidate.load - (600 if candidate.shares_a_stop else 0)

    able = [
        candidate
        for candidate in candidates
        if candidate.load < candidate.capacity and weight_grams <= WEIGHT_GRAMS[candidate.vehicle_type]
    ]
    long_ago = dt.datetime.min.replace(tzinfo=dt.UTC)
    return sorted(able, key=lambda candidate: (score(candidate), candidate.idle_since or long_ago, candidate.id))


def check_transition(*, current: Status, wanted: Status, actor: Actor) -> None:
    """Raises TransitionNotAllowed (409, with `from`, `to`, `allowed`) unless the table lists the step for the actor."""
    if actor.kind in TRANSITIONS.get((current, wanted), frozenset()):
        return
    allowed = sorted(to for (start, to), kinds in TRANSITIONS.items() if start == current and actor.kind in kinds)
    raise TransitionNotAllowed(
        f"A delivery that is {current} cannot become {wanted} now.",
        items=(),
        retry_after=None,
        **{"from": current.value, "to": wanted.value, "allowed": allowed},
    )


def one_time_code(*, key: bytes, delivery_id: int, attempt: int, version: int) -> str:
    """The customer's six digits: HOTP (RFC 4226) over delivery, attempt and version, so that none need be stored."""
    counter = delivery_id << 16 | (attempt & 0xFF) << 8 | version & 0xFF
    # SHA-1 is what RFC 4226 defines; the length check would refuse keys that are texts of another length.
    return hotp.HOTP(key, 6, hashes.SHA1(), enforce_key_length=False).generate(counter).decode()  # noqa: S303


def tracking_code() -> str:
    """22 characters of base62: at least 128 random bits, fit for a link that anybody with it may open."""
    return "".join(secrets.choice(_BASE62) for _ in range(22))


def first_name(name: str) -> str:
    """What a customer sees of an agent's name."""
    return name.split()[0] if name.split() else name


def before_pick_up(
    *,
    now: dt.datetime,
    ready_at: dt.datetime | None,
    shop: Shop,
    destination: Point | None,
    vehicle_type: str,
) -> dt.datetime:
    """When an order that is still in the shop should arrive."""
    leaves = max(now, ready_at) if ready_at else now + PACKING
    travel = shop.seconds(start=shop.point, end=destination, vehicle_type=vehicle_type) if destination else 900
    return leaves + dt.timedelta(seconds=travel + HANDOVER_SECONDS)


def on_the_way(
    *,
    now: dt.datetime,
    position: Point,
    destination: Point,
    shop: Shop,
    vehicle_type: str,
    stops_before: int,
) -> dt.datetime:
    """When an order that left the shop should arrive, from the agent's position."""
    travel = shop.seconds(start=position, end=destination, vehicle_type=vehicle_type)
    return now + dt.timedelta(seconds=travel + STOP_SECONDS * stops_before + HANDOVER_SECONDS)
