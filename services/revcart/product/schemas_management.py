"""What administrators send and see, as JSON."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pydantic

from revcart.kit import errors, schemas
from revcart.product import domain, flow, reservations
from revcart.product import schemas as reading

_Label = schemas.text(1, 30)
_HttpsUrl = schemas.text(8, 500, pattern=r"https://\S+")
_Price = Annotated[schemas.RupeesIn, pydantic.Field(ge=1, le=10_000_000)]


class CountedStock(reading.Stock):
    """Stock as an administrator sees it: `stock` = `onHand` - `reserved`."""

    on_hand: int
    reserved: int

    @classmethod
    def of_stock(cls, stock: reservations.Stock) -> Self:
        return cls(
            product_id=stock.product_id,
            stock=stock.available,
            in_stock=stock.available > 0,
            low_stock=stock.available < stock.threshold,
            max_per_order=stock.max_per_order,
            on_hand=stock.on_hand,
            reserved=stock.reserved,
        )


class LedgerRow(schemas.Answer):
    """One movement of a product's stock."""

    id: int
    product_id: int
    on_hand_delta: int
    reserved_delta: int
    kind: reservations.Kind
    reference: str | None
    actor: str
    note: str | None
    at: schemas.Instant


class ChangeProduct(schemas.Body):
    """What is said about a product."""

    sku: schemas.text(3, 40)
    name: schemas.text(2, 120)
    description: schemas.text(0, 4_000, multiline=True) = ""
    category: reading.Slug
    brand: schemas.text(1, 60) | None = None
    price: _Price
    original_price: _Price | None = None
    unit: domain.Unit = "EACH"
    pack_size: float = pydantic.Field(default=1, gt=0, le=100_000)
    weight_grams: int = pydantic.Field(default=500, ge=1, le=50_000)
    max_per_order: int = pydantic.Field(default=20, ge=1, le=20)
    low_stock_threshold: int = pydantic.Field(default=10, ge=0, le=1_000_000)
    tags: list[_Label] = pydantic.Field(default=[], max_length=20)
    allergens: list[_Label] = pydantic.Field(default=[], max_length=20)
    image_url: _HttpsUrl | None = None
    active: bool = True

    @pydantic.field_validator("pack_size")
    @classmethod
    def _thousandths(cls, value: float) -> float:
        if round(value, 3) != value:
            raise ValueError("at most three decimals")
        return value

    def to_details(self) -> domain.Details:
        if self.original_price is not None and self.original_price < self.price:
            item = errors.Item("#/originalPrice", "below the price")
            raise errors.InvalidRequest("originalPrice is below price.", items=[item])
        return domain.Details(
            sku=self.sku,
            name=self.name,
            description=self.description,
            category=self.category,
            brand=self.brand,
            price_paise=self.price,
            original_price_paise=self.original_price,
            unit=self.unit,
            pack_size=self.pack_size,
            weight_grams=self.weight_grams,
            max_per_order=self.max_per_order,
            low_stock_threshold=self.low_stock_threshold,
            tags=tuple(dict.fromkeys(self.tags)),
            allergens=tuple(dict.fromkeys(self.allergens)),
            image_url=self.image_url,
            active=self.active,
        )


class CreateProduct(ChangeProduct):
    """A new product."""

    stock: int = pydantic.Field(default=0, ge=0, le=1_000_000)


class Bulk(schemas.Body):
    """Products by SKU; a row is a product, of which absent fields stay as they are."""

    mode: Literal["UPSERT", "CREATE", "UPDATE"] = "UPSERT"
    dry_run: bool = False
    products: list[dict[str, Any]] = pydantic.Field(min_length=1, max_length=100)


class BulkFault(schemas.Answer):
    """What is wrong in a row. `index`: from 0."""

    index: int
    field: str
    detail: str


class BulkReport(schemas.Answer):
    """What was written, or, with errors or a dry run, would be."""

    created: int
    updated: int
    unchanged: int
    errors: list[BulkFault]


def overlaid(row: Mapping[str, Any], *, current: domain.Product | None) -> dict[str, Any]:
    """`row` over what is said about the product now."""
    given = {name: value for name, value in row.items() if value is not None}
    if current is None:
        return given
    said = reading.Product.of(flow.Shown(product=current, available=0)).model_dump(mode="json", by_alias=True)
    return {**said, "imageUrl": current.image_url, "stock": 0, **given}


class SetActive(schemas.Body):
    """Whether a product is offered."""

    active: bool


class SetStock(schemas.Body):
    """So many are on hand."""

    on_hand: int = pydantic.Field(ge=0, le=1_000_000)
    reason: reservations.Reason
    note: schemas.text(0, 200) | None = None


class AddStock(schemas.Body):
    """So many came, or went (negative)."""

    delta: int = pydantic.Field(ge=-1_000_000, le=1_000_000)
    reason: reservations.Reason
    note: schemas.text(0, 200) | None = None


class ChangeCategory(schemas.Body):
    """What is said about a category."""

    name: schemas.text(2, 40)
    position: int = pydantic.Field(default=0, ge=0, le=10_000)
    image_url: _HttpsUrl | None = None
    active: bool = True

    def to_details(self) -> domain.CategoryDetails:
        return domain.CategoryDetails(
            name=self.name, position=self.position, image_url=self.image_url, active=self.active
        )


class CreateCategory(ChangeCategory):
    """A new category."""

    slug: reading.Slug
