"""Coupons: their terms, and whether somebody may use one now."""

import dataclasses
import datetime as dt
from typing import Literal

from revcart.kit import money, pricing
from revcart.order import refusals


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """What the shop decides about a coupon. `discount_value`: paise when FIXED, basis points when PERCENTAGE."""

    code: str
    description: str
    discount_type: Literal["PERCENTAGE", "FIXED"]
    discount_value: int
    min_order_paise: int
    max_discount_paise: int | None
    valid_from: dt.datetime
    valid_until: dt.datetime
    usage_limit: int | None
    per_user_limit: int
    active: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coupon(Terms):
    """A coupon as it is stored."""

    id: int
    used_count: int
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def discount(self) -> pricing.Discount:
        return pricing.Discount(
            type=self.discount_type, value=self.discount_value, maximum_paise=self.max_discount_paise
        )

    def check(self, *, subtotal_paise: int, used_by_user: int, now: dt.datetime) -> None:
        """Raises the refusal (409) that stands against its use for an order of `subtotal_paise`."""
        if not self.active:
            raise refusals.CouponInactive(f"{self.code} is not active.")
        if now < self.valid_from:
            raise refusals.CouponNotYetValid(f"{self.code} is not valid yet.")
        if now >= self.valid_until:
            raise refusals.CouponExpired(f"{self.code} has expired.")
        if self.usage_limit is not None and self.used_count >= self.usage_limit:
            raise refusals.CouponUsedUp(f"{self.code} is used up.")
        if used_by_user >= self.per_user_limit:
            raise refusals.CouponUserLimit(f"You have used {self.code} already.")
        missing = self.min_order_paise - subtotal_paise
        if missing > 0:
            raise refusals.CouponMinimumNotMet(
                f"Add goods for {money.text(missing)} to use {self.code}.", missing=money.to_rupees(missing)
            )
