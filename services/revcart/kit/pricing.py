"""The one price calculation: cart and order both call it, so they cannot disagree. Pure, integer paise."""

import dataclasses
from collections.abc import Iterable
from typing import Literal, Protocol

from revcart.kit import money


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """So many of one product at a price."""

    unit_price_paise: int
    quantity: int

    @property
    def total_paise(self) -> int:
        return self.unit_price_paise * self.quantity


@dataclasses.dataclass(frozen=True, kw_only=True)
class Discount:
    """The terms of a coupon. `value`: paise when FIXED, basis points when PERCENTAGE."""

    type: Literal["PERCENTAGE", "FIXED"]
    value: int
    maximum_paise: int | None = None

    def of(self, subtotal_paise: int) -> int:
        """Paise taken off: at most `maximum_paise`, at most the subtotal."""
        amount = self.value if self.type == "FIXED" else money.percentage(subtotal_paise, basis_points=self.value)
        if self.maximum_paise is not None:
            amount = min(amount, self.maximum_paise)
        return min(amount, subtotal_paise)


class _PricingSettings(Protocol):
    @property
    def pricing_tax_basis_points(self) -> int: ...
    @property
    def pricing_delivery_fee_paise(self) -> int: ...
    @property
    def pricing_free_delivery_above_paise(self) -> int: ...
    @property
    def pricing_minimum_order_paise(self) -> int: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rules:
    """Tax and delivery fee."""

    tax_basis_points: int = 1800
    delivery_fee_paise: int = 3000
    free_delivery_above_paise: int = 19900
    minimum_order_paise: int = 0

    @classmethod
    def of(cls, settings: _PricingSettings) -> "Rules":
        """The rules that `REVCART_PRICING_…` sets."""
        return cls(
            tax_basis_points=settings.pricing_tax_basis_points,
            delivery_fee_paise=settings.pricing_delivery_fee_paise,
            free_delivery_above_paise=settings.pricing_free_delivery_above_paise,
            minimum_order_paise=settings.pricing_minimum_order_paise,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quote:
    """What a basket costs, in paise: `total = subtotal - discount + tax + delivery_fee`."""

    subtotal_paise: int
    discount_paise: int
    tax_paise: int
    delivery_fee_paise: int
    total_paise: int


def price(*, lines: Iterable[Line], discount: Discount | None = None, rules: Rules) -> Quote:
    """Price a basket.

    Tax is on the discounted subtotal, rounded half up once; delivery is free above a threshold of the subtotal
    before discount, and is not taxed. An empty basket costs nothing, delivery included.
    """
    subtotal = sum(line.total_paise for line in lines)
    taken_off = discount.of(subtotal) if discount else 0
    tax = money.percentage(subtotal - taken_off, basis_points=rules.tax_basis_points)
    free = subtotal == 0 or subtotal > rules.free_delivery_above_paise
    fee = 0 if free else rules.delivery_fee_paise
    return Quote(
        subtotal_paise=subtotal,
        discount_paise=taken_off,
        tax_paise=tax,
        delivery_fee_paise=fee,
        total_paise=subtotal - taken_off + tax + fee,
    )
