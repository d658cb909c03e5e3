"""A cart: its lines, whose it is, what it costs now, and why a change to it is refused. Pure; amounts in paise."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from revcart.kit import errors, money, pricing

MOST_LINES = 50
MOST_QUANTITY = 20

Substitution = Literal["SUBSTITUTE", "REFUND_ITEM", "CONTACT_ME"]
Problem = Literal["UNAVAILABLE", "INSUFFICIENT_STOCK", "QUANTITY_LIMIT"]
ChangeKind = Literal["PRICE_UP", "PRICE_DOWN", "CAPPED", "UNAVAILABLE", "LINE_LIMIT", "COUPON_DROPPED"]
STOPPING: frozenset[ChangeKind] = frozenset({"CAPPED", "UNAVAILABLE", "COUPON_DROPPED"})


class QuantityLimit(errors.Unprocessable):
    code, title = "cart.quantity-limit", "More of it than one order may hold"


class LineLimit(errors.Unprocessable):
    code, title = "cart.line-limit", "A cart has fifty lines at most"


class Insufficient(errors.Conflict):
    code, title = "stock.insufficient", "Out of stock"


class Unavailable(errors.Conflict):
    code, title = "product.unavailable", "No longer sold"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose cart it is: a user's, else that of a guest's session; a guest without a session has none yet."""

    user_id: int | None = None
    session: str | None = None

    @property
    def key(self) -> str | None:
        """Where the cart is kept. The braces are Redis Cluster's hash tag."""
        if self.user_id is not None:
            return f"cart:{{u:{self.user_id}}}"
        return None if self.session is None else f"cart:{{s:{self.session}}}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product:
    """A product as the product service offers it."""

    name: str
    category: str
    image_url: str | None
    unit: str
    pack_size: float
    price_paise: int
    available: int
    max_per_order: int
    active: bool

    @property
    def most(self) -> int:
        """Units that one order may hold, whatever the stock."""
        return min(MOST_QUANTITY, self.max_per_order)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """So many of one product. `known`: the product as it was at the last write, for when product is away."""

    product_id: int
    quantity: int
    substitution: Substitution
    price_when_added_paise: int
    added_at: dt.datetime
    known: Product


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coupon:
    """The terms of a coupon as order gave them. `discount_value`: paise when FIXED, basis points when PERCENTAGE."""

    code: str
    description: str
    discount_type: Literal["PERCENTAGE", "FIXED"]
    discount_value: int
    min_order_paise: int
    max_discount_paise: int | None
    valid_until: dt.datetime

    def objection(self, *, subtotal_paise: int, now: dt.datetime) -> str | None:
        """Why it does not apply at this moment, in words for the customer."""
        if now >= self.valid_until:
            return f"{self.code} has expired."
        if subtotal_paise < self.min_order_paise:
            return f"Add {money.text(self.min_order_paise - subtotal_paise)} to use {self.code}."
        return None

    @property
    def discount(self) -> pricing.Discount:
        return pricing.Discount(
            type=self.discount_type, value=self.discount_value, maximum_paise=self.max_discount_paise
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cart:
    """A cart as it is kept; one that nobody wrote has version 0."""

    lines: tuple[Line, ...] = ()
    coupon: Coupon | None = None
    version: int = 0
    updated_at: dt.datetime | None = None

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def product_ids(self) -> list[int]:
        return [line.product_id for line in self.lines]

    def line(self, product_id: int) -> Line | None:
        return next((line for line in self.lines if line.product_id == product_id), None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What is not as the customer left it. `before`, `after`: paise for prices, else quantities."""

    kind: ChangeKind
    product_id: int | None = None
    before: int | None = None
    after: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PricedLine:
    """A line with the product of this moment, or the last known one."""

    line: Line
    product: Product

    @property
    def most(self) -> int:
        """Units that can be bought now."""
        return min(self.product.most, max(self.product.available, 0)) if self.product.active else 0

    @property
    def problem(self) -> Problem | None:
        if not self.product.active:
            return "UNAVAILABLE"
        if self.line.quantity > self.product.available:
            return "INSUFFICIENT_STOCK"
        return "QUANTITY_LIMIT" if self.line.quantity > self.product.most else None

    @property
    def total_paise(self) -> int:
        return self.product.price_paise * self.line.quantity

    def changes(self) -> Iterable[Change]:
        number, was, now = self.line.product_id, self.line.price_when_added_paise, self.product.price_paise
        if self.problem == "UNAVAILABLE":
            yield Change(kind="UNAVAILABLE", product_id=number)
            return
        if self.problem is not None:
            yield Change(kind="CAPPED", product_id=number, before=self.line.quantity, after=self.most)
        if was != now:
            yield Change(kind="PRICE_UP" if now > was else "PRICE_DOWN", product_id=number, before=was, after=now)


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """A cart with its prices. `stale`: product was away, prices and stock are the last known ones."""

    cart: Cart
    owner: Owner
    lines: tuple[PricedLine, ...]
    quote: pricing.Quote
    free_delivery_missing_paise: int
    minimum_order_paise: int
    coupon_message: str | None
    changes: tuple[Change, ...]
    stale: bool

    @property
    def is_valid(self) -> bool:
        """Whether nothing would stop a checkout."""
        stopped = any(change.kind in STOPPING for change in self.changes)
        return bool(self.lines) and not stopped and self.quote.subtotal_paise >= self.minimum_order_paise


def view(
    cart: Cart,
    *,
    owner: Owner,
    products: Mapping[int, Product] | None,
    rules: pricing.Rules,
    now: dt.datetime,
    merged: Sequence[Change] = (),
) -> View:
    """Price a cart. `products`: what product offers now, None while it is away; `merged`: what a merge changed."""
    lines = tuple(PricedLine(line=line, product=offered(line, products)) for line in cart.lines)
    subtotal = sum(line.total_paise for line in lines)
    message = cart.coupon.objection(subtotal_paise=subtotal, now=now) if cart.coupon else None
    discount = cart.coupon.discount if cart.coupon and message is None else None
    quote = pricing.price(
        lines=[pricing.Line(unit_price_paise=line.product.price_paise, quantity=line.line.quantity) for line in lines],
        discount=discount,
        rules=rules,
    )
    changes = [change for line in lines for change in line.changes()]
    changes = [*merged, *(change for change in changes if change not in merged)]
    if message is not None:
        changes.append(Change(kind="COUPON_DROPPED"))
    missing = rules.free_delivery_above_paise + 1 - subtotal
    return View(
        cart=cart,
        owner=owner,
        lines=lines,
        quote=quote,
        free_delivery_missing_paise=max(missing, 0) if lines else 0,
        minimum_order_paise=rules.minimum_order_paise,
        coupon_message=message,
        changes=tuple(changes),
        stale=products is None,
    )


def offered(line: Line, products: Mapping[int, Product] | None) -> Product:
    """The product now; one that product does not know any more is the last known, and no longer sold."""
    if products is None:
        return line.known
    return products.get(line.product_id) or dataclasses.replace(line.known, active=False, available=0)
