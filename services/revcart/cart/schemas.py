"""What cart takes and answers, as JSON. Money is rupees here and paise everywhere else."""

import datetime as dt
from typing import Annotated, Self

import pydantic

from revcart.cart import domain
from revcart.kit import money, schemas

SESSION = r"^gs_[A-Za-z0-9_-]{32}$"
_PRICES = {"PRICE_UP", "PRICE_DOWN"}


class Add(schemas.Body):
    """So many more of a product."""

    product_id: schemas.Id
    quantity: int = pydantic.Field(default=1, ge=1, le=domain.MOST_QUANTITY)
    substitution: domain.Substitution | None = None


class Update(schemas.Body):
    """So many of a product; 0 removes it."""

    product_id: schemas.Id
    quantity: int = pydantic.Field(ge=0, le=domain.MOST_QUANTITY)
    substitution: domain.Substitution | None = None


class ApplyCoupon(schemas.Body):
    """A coupon's code."""

    code: schemas.text(1, 20)


class Merge(schemas.Body):
    """A guest's session, where it is not in the header."""

    session: Annotated[str, pydantic.Field(pattern=SESSION)] | None = None


class Change(schemas.Answer):
    """What is not as the customer left it. `from`, `to`: rupees for prices, else quantities."""

    product_id: int | None
    kind: domain.ChangeKind
    from_: Annotated[int | float | None, pydantic.Field(alias="from")]
    to: int | float | None

    @classmethod
    def of(cls, change: domain.Change) -> Self:
        def shown(value: int | None) -> int | float | None:
            return money.to_rupees(value) if value is not None and change.kind in _PRICES else value

        return cls(product_id=change.product_id, kind=change.kind, from_=shown(change.before), to=shown(change.after))


class Line(schemas.Answer):
    """A line; its `id` is the product's."""

    id: int
    product_id: int
    product_name: str
    image_url: str | None
    category: str
    unit: str
    pack_size: float
    price: schemas.Rupees
    price_when_added: schemas.Rupees
    quantity: int
    line_total: schemas.Rupees
    available: int
    max_quantity: int
    substitution: domain.Substitution
    problem: domain.Problem | None

    @classmethod
    def of(cls, priced: domain.PricedLine) -> Self:
        line, product = priced.line, priced.product
        return cls(
            id=line.product_id,
            product_id=line.product_id,
            product_name=product.name,
            image_url=product.image_url,
            category=product.category,
            unit=product.unit,
            pack_size=product.pack_size,
            price=product.price_paise,
            price_when_added=line.price_when_added_paise,
            quantity=line.quantity,
            line_total=priced.total_paise,
            available=max(product.available, 0),
            max_quantity=priced.most,
            substitution=line.substitution,
            problem=priced.problem,
        )


class Coupon(schemas.Answer):
    """The coupon of a cart, and why it does not apply, if so."""

    code: str
    description: str
    discount: schemas.Rupees
    valid: bool
    message: str | None


class Total(schemas.Answer):
    """What the cart costs."""

    subtotal: schemas.Rupees
    discount: schemas.Rupees
    tax: schemas.Rupees
    delivery_fee: schemas.Rupees
    total: schemas.Rupees

    @classmethod
    def of(cls, view: domain.View) -> Self:
        quote = view.quote
        return cls(
            subtotal=quote.subtotal_paise,
            discount=quote.discount_paise,
            tax=quote.tax_paise,
            delivery_fee=quote.delivery_fee_paise,
            total=quote.total_paise,
        )


class Cart(schemas.Answer):
    """A cart at the prices of this moment, or, when `stale`, at the last known ones."""

    lines: list[Line]
    line_count: int
    quantity: int
    coupon: Coupon | None
    subtotal: schemas.Rupees
    discount: schemas.Rupees
    tax: schemas.Rupees
    delivery_fee: schemas.Rupees
    free_delivery_missing: schemas.Rupees
    minimum_order: schemas.Rupees
    total: schemas.Rupees
    changes: list[Change]
    stale: bool
    session: str | None
    version: int
    updated_at: schemas.Instant | None
    expires_at: schemas.Instant | None

    @classmethod
    def of(cls, view: domain.View, *, expires_at: dt.datetime | None) -> Self:
        cart, quote = view.cart, view.quote
        coupon = None
        if cart.coupon is not None:
            coupon = Coupon(
                code=cart.coupon.code,
                description=cart.coupon.description,
                discount=quote.discount_paise,
                valid=view.coupon_message is None,
                message=view.coupon_message,
            )
        return cls(
            lines=[Line.of(line) for line in view.lines],
            line_count=len(view.lines),
            quantity=cart.quantity,
            coupon=coupon,
            subtotal=quote.subtotal_paise,
            discount=quote.discount_paise,
            tax=quote.tax_paise,
            delivery_fee=quote.delivery_fee_paise,
            free_delivery_missing=view.free_delivery_missing_paise,
            minimum_order=view.minimum_order_paise,
            total=quote.total_paise,
            changes=[Change.of(change) for change in view.changes],
            stale=view.stale,
            session=view.owner.session,
            version=cart.version,
            updated_at=cart.updated_at,
            expires_at=expires_at,
        )


class Count(schemas.Answer):
    """How much is in the cart."""

    line_count: int
    quantity: int


class Validation(schemas.Answer):
    """Whether nothing would stop a checkout, and what would stop or change one."""

    valid: bool
    changes: list[Change]


class InternalLine(schemas.Answer):
    """So many of a product."""

    product_id: int
    quantity: int
    substitution: domain.Substitution


class InternalCart(schemas.Answer):
    """What order reads: no prices, those are product's."""

    lines: list[InternalLine]
    coupon_code: str | None
    version: int

    @classmethod
    def of(cls, cart: domain.Cart) -> Self:
        return cls(
            lines=[InternalLine.model_validate(line) for line in cart.lines],
            coupon_code=cart.coupon.code if cart.coupon else None,
            version=cart.version,
        )
