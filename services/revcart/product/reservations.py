"""Stock that is held for an order: its states, its movements in the ledger, and why one is refused. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from revcart.kit import errors
from revcart.product import domain

State = Literal["HELD", "COMMITTED", "RELEASED", "EXPIRED", "RETURNED"]
Kind = Literal["INITIAL", "RECEIPT", "COUNT", "WASTE", "CORRECTION", "RESERVE", "RELEASE", "EXPIRE", "COMMIT", "RETURN"]
Reason = Literal["RECEIPT", "COUNT", "WASTE", "CORRECTION"]

GRACE = dt.timedelta(seconds=60)  # past `expires_at`, so that order's own deadline comes first


class Insufficient(errors.Conflict):
    code, title = "stock.insufficient", "Out of stock"


class Unavailable(errors.Conflict):
    code, title = "product.unavailable", "No longer sold"


class Committed(errors.Conflict):
    code, title = "reservation.committed", "This reference was bought already"


class NotHeld(errors.Conflict):
    code, title = "reservation.not-held", "This reservation was given back"


class Exceeded(errors.Conflict):
    code, title = "reservation.exceeded", "More than was reserved"


class BelowReserved(errors.Conflict):
    code, title = "stock.below-reserved", "Less than what is reserved for orders"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """So many of a product."""

    product_id: int
    quantity: int


def snapshot(product: domain.Product) -> dict[str, Any]:
    """What a hold remembers of a product: what its price was, whatever happens to the product."""
    return {
        "name": product.name,
        "category": product.category,
        "pricePaise": product.price_paise,
        "weightGrams": product.weight_grams,
        "imageUrl": product.picture_url,
        "maxPerOrder": product.max_per_order,
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """What is held of a product. `snapshot`: see the function of that name."""

    product_id: int
    quantity: int
    returned: int
    snapshot: dict[str, Any]

    @property
    def left(self) -> int:
        """What was not given back."""
        return self.quantity - self.returned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reservation:
    """A hold. `round` counts how often the same reference was held, so that each step has a name of its own."""

    id: int
    reference: str
    user_id: int
    state: State
    round: int
    expires_at: dt.datetime
    lines: tuple[Line, ...]

    @property
    def step(self) -> str:
        """The name of this hold in the ledger."""
        return f"r{self.id}.{self.round}"

    def is_for(self, wanted: Iterable[Wanted]) -> bool:
        """Whether it holds just these quantities."""
        return {line.product_id: line.quantity for line in self.lines} == {w.product_id: w.quantity for w in wanted}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Movement:
    """A change of a product's stock. `reference`: name of the step, unique per product and kind; None when by hand."""

    product_id: int
    on_hand: int
    reserved: int
    kind: Kind
    actor: str
    reference: str | None = None
    note: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stock:
    """A product's stock. `threshold`: below it, the product counts as low."""

    product_id: int
    on_hand: int
    reserved: int
    threshold: int
    max_per_order: int

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


def merged(wanted: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """One per product, in ascending product id: the order in which rows are locked, so that no two holds deadlock."""
    sums: dict[int, int] = {}
    for line in wanted:
        sums[line.product_id] = sums.get(line.product_id, 0) + line.quantity
    return tuple(Wanted(product_id=number, quantity=sums[number]) for number in sorted(sums))
