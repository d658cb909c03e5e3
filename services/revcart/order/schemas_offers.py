"""What clients send and get about coupons and slots. Amounts are rupees here."""

import datetime as dt
from typing import Annotated, Any, Literal

import pydantic

from revcart.kit import money, schemas
from revcart.order import coupons, slots


class CouponIn(schemas.Body):
    """`discountValue`: per cent (1 to 100) for PERCENTAGE, rupees for FIXED."""

    code: schemas.text(3, 20)
    description: schemas.text(0, 200) = ""
    discount_type: Literal["PERCENTAGE", "FIXED"]
    discount_value: schemas.RupeesIn
    min_order_amount: schemas.RupeesIn = 0
    max_discount_amount: schemas.RupeesIn | None = None
    valid_from: schemas.Instant
    valid_until: schemas.Instant
    usage_limit: Annotated[int, pydantic.Field(ge=1, le=1_000_000_000)] | None = None
    per_user_limit: Annotated[int, pydantic.Field(ge=1, le=1_000)] = 1
    active: bool = True

    @pydantic.field_validator("code")
    @classmethod
    def _upper(cls, value: str) -> str:
        value = value.upper()
        if not (value.isascii() and value.isalnum()):
            raise ValueError("must be 3 to 20 letters and digits")
        return value

    @pydantic.model_validator(mode="after")
    def _sensible(self) -> "CouponIn":
        # Hundredths of either unit: paise, or basis points.
        if self.discount_type == "PERCENTAGE" and not 100 <= self.discount_value <= 10_000:
            raise ValueError("discountValue must be 1 to 100 per cent")
        if self.discount_value == 0:
            raise ValueError("discountValue must be above 0")
        if self.valid_from >= self.valid_until:
            raise ValueError("validUntil must be after validFrom")
        return self

    def to_terms(self) -> coupons.Terms:
        return coupons.Terms(
            code=self.code,
            description=self.description,
            discount_type=self.discount_type,
            discount_value=self.discount_value,
            min_order_paise=self.min_order_amount,
            max_discount_paise=self.max_discount_amount,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            usage_limit=self.usage_limit,
            per_user_limit=self.per_user_limit,
            active=self.active,
        )


class Coupon(schemas.Answer):
    id: int
    code: str
    description: str
    discount_type: Literal["PERCENTAGE", "FIXED"]
    discount_value: schemas.Rupees
    min_order_amount: schemas.Rupees = pydantic.Field(validation_alias="min_order_paise")
    max_discount_amount: schemas.Rupees | None = pydantic.Field(validation_alias="max_discount_paise")
    valid_from: schemas.Instant
    valid_until: schemas.Instant
    usage_limit: int | None
    per_user_limit: int
    used_count: int
    active: bool
    created_at: schemas.Instant
    updated_at: schemas.Instant
    version: int


class CouponQuestion(schemas.Body):
    code: schemas.text(1, 20)
    order_amount: schemas.RupeesIn


class CouponVerdict(schemas.Answer):
    """`code`, `message`: why not, when `valid` is false."""

    valid: bool
    coupon: Coupon | None
    discount: schemas.Rupees
    final_amount: schemas.Rupees
    code: str | None
    message: str | None


class CouponCheck(schemas.Body):
    code: schemas.text(1, 20)
    user_id: schemas.Id | None = None
    subtotal_paise: Annotated[int, pydantic.Field(ge=0, le=money.LIMIT_PAISE)]


class CouponTerms(schemas.Answer):
    """What cart keeps to price the coupon by itself. `discountValue`: paise or basis points."""

    coupon_id: int = pydantic.Field(validation_alias="id")
    code: str
    description: str
    discount_type: Literal["PERCENTAGE", "FIXED"]
    discount_value: int
    min_order_paise: int
    max_discount_paise: int | None
    valid_until: schemas.Instant
    discount_paise: int

    @classmethod
    def of(cls, coupon: coupons.Coupon, *, discount_paise: int) -> "CouponTerms":
        values: dict[str, Any] = {name: getattr(coupon, name) for name in ("id", "code", "description", "valid_until")}
        for name in ("discount_type", "discount_value", "min_order_paise", "max_discount_paise"):
            values[name] = getattr(coupon, name)
        return cls.model_validate({**values, "discount_paise": discount_paise})


class SlotIn(schemas.Body):
    start_at: schemas.Instant
    end_at: schemas.Instant
    capacity: Annotated[int, pydantic.Field(ge=0, le=1_000)]
    cutoff_minutes: Annotated[int, pydantic.Field(ge=0, le=1_440)] = 60
    blackout: bool = False
    reason: schemas.text(0, 200) | None = None

    @pydantic.model_validator(mode="after")
    def _forward(self) -> "SlotIn":
        if not dt.timedelta() < self.end_at - self.start_at <= dt.timedelta(days=1):
            raise ValueError("endAt must be after startAt, at most a day")
        return self

    def to_terms(self) -> slots.Terms:
        return slots.Terms(
            starts_at=self.start_at,
            ends_at=self.end_at,
            capacity=self.capacity,
            cutoff_minutes=self.cutoff_minutes,
            blackout=self.blackout,
            reason=self.reason,
        )


class Slot(schemas.Answer):
    """A window as customers see it. `reason`: why it takes no orders."""

    id: int
    date: dt.date
    start_at: schemas.Instant
    end_at: schemas.Instant
    cutoff_at: schemas.Instant
    remaining: int
    available: bool
    reason: slots.Reason | None

    @classmethod
    def of(cls, slot: slots.Slot, *, day: dt.date, now: dt.datetime) -> "Slot":
        """`day`: the business day it belongs to."""
        reason = slot.closed(now)
        return cls(
            id=slot.id,
            date=day,
            start_at=slot.starts_at,
            end_at=slot.ends_at,
            cutoff_at=slot.cutoff_at,
            remaining=slot.remaining,
            available=reason is None,
            reason=reason,
        )


class SlotAdmin(Slot):
    capacity: int
    booked: int
    cutoff_minutes: int
    blackout: bool
    note: str | None
    version: int

    @classmethod
    def whole(cls, slot: slots.Slot, *, day: dt.date, now: dt.datetime) -> "SlotAdmin":
        """With what only the shop sees; `note` is the `reason` that was sent."""
        shown = Slot.of(slot, day=day, now=now)
        return cls(
            **dict(shown),
            capacity=slot.capacity,
            booked=slot.booked,
            cutoff_minutes=slot.cutoff_minutes,
            blackout=slot.blackout,
            note=slot.reason,
            version=slot.version,
        )
