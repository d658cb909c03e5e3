"""The order and its states. What may follow is one table; nothing else in this service changes a state."""

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping
from typing import Any, Literal

from revcart.kit import pricing


class Status(enum.StrEnum):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    PREPARING = "PREPARING"
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"


class Action(enum.StrEnum):
    PLACE = "PLACE"
    CONFIRM = "CONFIRM"
    EXPIRE = "EXPIRE"
    PREPARE = "PREPARE"
    DISPATCH = "DISPATCH"
    DELIVER = "DELIVER"
    CANCEL = "CANCEL"


class Kind(enum.StrEnum):
    """Who acts."""

    USER = "USER"  # the owner
    ADMIN = "ADMIN"
    SYSTEM = "SYSTEM"  # an event or a deadline


PaymentMethod = Literal["RAZORPAY", "COD"]
PaymentStatus = Literal["PENDING", "FAILED", "PAID", "PARTIALLY_REFUNDED", "REFUNDED"]
Substitution = Literal["SUBSTITUTE", "REFUND_ITEM", "CONTACT_ME"]

OUT_OF_STOCK = "OUT_OF_STOCK"
PAYMENT_TIMEOUT = "PAYMENT_TIMEOUT"
DELIVERY_FAILED = "DELIVERY_FAILED"

_EVERYBODY = frozenset(Kind)
_SHOP = frozenset({Kind.ADMIN, Kind.SYSTEM})
_SYSTEM = frozenset({Kind.SYSTEM})


@dataclasses.dataclass(frozen=True)
class Transition:
    """Where an action leads, and who may take it."""

    to: Status
    by: frozenset[Kind]


TRANSITIONS: Mapping[tuple[Status, Action], Transition] = {
    (Status.PENDING, Action.CONFIRM): Transition(Status.CONFIRMED, _SYSTEM),
    (Status.PENDING, Action.CANCEL): Transition(Status.CANCELLED, _EVERYBODY),
    (Status.PENDING, Action.EXPIRE): Transition(Status.CANCELLED, _SYSTEM),
    (Status.CONFIRMED, Action.PREPARE): Transition(Status.PREPARING, _SHOP),
    (Status.CONFIRMED, Action.CANCEL): Transition(Status.CANCELLED, frozenset({Kind.USER, Kind.ADMIN})),
    (Status.PREPARING, Action.DISPATCH): Transition(Status.OUT_FOR_DELIVERY, _SHOP),
    (Status.PREPARING, Action.CANCEL): Transition(Status.CANCELLED, frozenset({Kind.ADMIN})),
    (Status.OUT_FOR_DELIVERY, Action.DELIVER): Transition(Status.DELIVERED, _SHOP),
    (Status.OUT_FOR_DELIVERY, Action.CANCEL): Transition(Status.CANCELLED, _SHOP),
}

# The action that a wanted state stands for (`PUT /status`). Nothing leads to PENDING.
ACTION_TO: Mapping[Status, Action] = {
    Status.CONFIRMED: Action.CONFIRM,
    Status.PREPARING: Action.PREPARE,
    Status.OUT_FOR_DELIVERY: Action.DISPATCH,
    Status.DELIVERED: Action.DELIVER,
    Status.CANCELLED: Action.CANCEL,
}


def goal(action: Action) -> Status:
    """Where `action` leads, from wherever it may be taken."""
    # PLACE is in no row: it makes the order.
    return next((step.to for (_, known), step in TRANSITIONS.items() if known is action), Status.PENDING)


# The way of a delivered order. A delivery that is steps ahead takes the order along it.
FORWARD = (Status.PENDING, Status.CONFIRMED, Status.PREPARING, Status.OUT_FOR_DELIVERY, Status.DELIVERED)


def allowed(status: Status, *, by: Kind) -> list[Status]:
    """The states that `by` may bring an order of `status` to."""
    return [step.to for (at, _), step in TRANSITIONS.items() if at is status and by in step.by]


def transition(status: Status, action: Action, *, by: Kind) -> Transition | None:
    """What `action` by `by` leads to, None where the table has no such row."""
    found = TRANSITIONS.get((status, action))
    return found if found is not None and by in found.by else None


def steps_to(status: Status, goal: Status) -> list[Action]:
    """The actions between a confirmed order's `status` and `goal` on the way forward; [] when it is there or beyond."""
    if status not in FORWARD:
        return []
    return [ACTION_TO[state] for state in FORWARD[FORWARD.index(status) + 1 : FORWARD.index(goal) + 1]]


@dataclasses.dataclass(frozen=True)
class Actor:
    """Who did it; `id` is the user's, None for the system."""

    kind: Kind
    id: int | None = None


SYSTEM = Actor(Kind.SYSTEM)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Address:
    """Where it goes, as it was when the order was placed."""

    label: str | None = None
    name: str
    phone: str
    line1: str
    line2: str | None = None
    landmark: str | None = None
    city: str
    state: str
    postal_code: str
    country: str = "IN"
    lat: float | None = None
    lng: float | None = None
    instructions: str | None = None

    @property
    def one_line(self) -> str:
        """`12 MG Road, Near Metro, Bengaluru, Karnataka 560001`."""
        parts = (self.line1, self.line2, self.landmark, self.city, f"{self.state} {self.postal_code}")
        return ", ".join(part for part in parts if part)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One product of an order, with price and category of that moment."""

    id: int
    product_id: int
    product_name: str
    category: str | None
    image_url: str | None
    weight_grams: int
    price_paise: int
    quantity: int
    line_paise: int
    substitution: Substitution


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """An order as it is stored."""

    id: int
    order_number: str
    user_id: int
    status: Status
    payment_method: PaymentMethod
    payment_status: PaymentStatus
    payment_failure: str | None
    subtotal_paise: int
    discount_paise: int
    tax_paise: int
    delivery_fee_paise: int
    total_paise: int
    refunded_paise: int  # what went back so far
    refund_paise: int | None  # what the cancellation sends back
    coupon_id: int | None
    coupon_code: str | None
    reservation_id: int
    slot_id: int | None
    window_start: dt.datetime
    window_end: dt.datetime
    address: Address
    customer_name: str
    customer_email: str
    customer_phone: str
    instructions: str | None
    agent_name: str | None
    eta_at: dt.datetime | None
    cancel_reason: str | None
    invoice_number: str | None
    expires_at: dt.datetime
    confirmed_at: dt.datetime | None
    delivered_at: dt.datetime | None
    cancelled_at: dt.datetime | None
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int
    items: tuple[Item, ...]

    @property
    def paid(self) -> bool:
        """Whether money was taken, be it returned since."""
        return self.payment_status in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED")

    @property
    def item_count(self) -> int:
        return sum(item.quantity for item in self.items)

    @property
    def weight_grams(self) -> int:
        return sum(item.weight_grams * item.quantity for item in self.items)

    @property
    def cod_due_paise(self) -> int:
        """Cash to collect at the door."""
        due = self.payment_method == "COD" and not self.paid and self.status is not Status.CANCELLED
        return self.total_paise if due else 0

    def cut_off(self, minutes: int) -> dt.datetime | None:
        """Until when the owner may cancel a confirmed order; without a slot until PREPARING begins."""
        return None if self.slot_id is None else self.window_start - dt.timedelta(minutes=minutes)

    def cancellable(self, *, now: dt.datetime, cut_off_minutes: int) -> bool:
        """Whether the owner may cancel."""
        if self.status is Status.PENDING:
            return True
        cut_off = self.cut_off(cut_off_minutes)
        return self.status is Status.CONFIRMED and (cut_off is None or now < cut_off)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """A row of an order's history."""

    from_: Status | None
    to: Status
    action: Action
    actor: Actor
    reason: str | None
    at: dt.datetime


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlaceOrder:
    """What a customer asks for. `address` or `address_id`; `fingerprint` tells this request from another one."""

    payment_method: PaymentMethod
    address_id: int | None = None
    address: Mapping[str, Any] | None = None
    slot_id: int | None = None
    coupon_code: str | None = None
    substitutions: Mapping[int, Substitution] = dataclasses.field(default_factory=dict)
    instructions: str | None = None
    expected_total_paise: int | None = None
    fingerprint: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filter:
    """Which orders a list holds; None does not narrow. `start` ≤ created < `end`."""

    user_id: int | None = None
    status: Status | None = None
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    text: str | None = None  # beginning of number, e-mail or telephone
    payment_method: PaymentMethod | None = None
    slot_id: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class QuoteLine:
    """A line of the cart at the present price, in paise."""

    product_id: int
    product_name: str
    price: int
    quantity: int
    line_total: int
    available: int


@dataclasses.dataclass(frozen=True)
class Problem:
    """What stands against a checkout."""

    code: str
    detail: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quote:
    """What a checkout would be."""

    lines: list[QuoteLine]
    price: pricing.Quote
    problems: list[Problem]


def refund_share(order: Order, *, value_paise: int) -> int:
    """What goes back for items of `value_paise`: their share of discount and tax, half up; the fee stays."""
    if order.subtotal_paise == 0:
        return 0
    goods = order.total_paise - order.delivery_fee_paise
    return (goods * value_paise * 2 + order.subtotal_paise) // (order.subtotal_paise * 2)


def financial_year(day: dt.date) -> str:
    """`2627` for 1 April 2026 to 31 March 2027."""
    first = day.year if day.month >= 4 else day.year - 1
    return f"{first % 100:02d}{(first + 1) % 100:02d}"
