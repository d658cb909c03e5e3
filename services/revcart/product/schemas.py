"""What anyone may send and see, as JSON. Money is rupees here and paise everywhere else."""

from typing import Annotated, Any, Literal, Self

import pydantic

from revcart.kit import errors, pages, schemas
from revcart.product import domain, flow, search

Slug = Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9-]{1,29}$")]
_Label = schemas.text(1, 30)
_SORT = rf"({'|'.join(search.SORTS)})(,(asc|desc))?"


class UnitPrice(schemas.Answer):
    """Price per kilogram, litre or piece."""

    amount: schemas.Rupees
    per: domain.Per


class Card(schemas.Answer):
    """A product in a list."""

    id: int
    sku: str
    name: str
    category: str
    brand: str | None
    price: schemas.Rupees
    original_price: schemas.Rupees | None
    discount_percent: int
    unit: domain.Unit
    pack_size: float
    unit_price: UnitPrice | None
    image_url: str | None
    rating: float | None
    rating_count: int
    stock: int
    in_stock: bool
    low_stock: bool
    max_per_order: int
    tags: list[str]

    @classmethod
    def of(cls, shown: flow.Shown) -> Self:
        return cls(**cls._fields_of(shown))

    @classmethod
    def _fields_of(cls, shown: flow.Shown) -> dict[str, Any]:
        product = shown.product
        per = product.unit_price
        return {
            "id": product.id,
            "sku": product.sku,
            "name": product.name,
            "category": product.category,
            "brand": product.brand,
            "price": product.price_paise,
            "original_price": product.original_price_paise,
            "discount_percent": product.discount_percent,
            "unit": product.unit,
            "pack_size": product.pack_size,
            "unit_price": None if per is None else UnitPrice(amount=per[0], per=per[1]),
            "image_url": product.picture_url,
            "rating": product.rating,
            "rating_count": product.rating_count,
            "stock": shown.available,
            "in_stock": shown.available > 0,
            "low_stock": shown.available < product.low_stock_threshold,
            "max_per_order": product.max_per_order,
            "tags": list(product.tags),
        }


class Picture(schemas.Answer):
    """A picture; `urls`: width -> path."""

    id: int
    alt: str
    urls: dict[str, str]


class Product(Card):
    """All of a product."""

    description: str
    images: list[Picture]
    weight_grams: int
    allergens: list[str]
    low_stock_threshold: int
    active: bool
    created_at: schemas.Instant
    updated_at: schemas.Instant
    version: int

    @classmethod
    def _fields_of(cls, shown: flow.Shown) -> dict[str, Any]:
        product = shown.product
        return super()._fields_of(shown) | {
            "description": product.description,
            "images": [
                Picture(id=picture.id, alt=picture.alt, urls=product.picture_urls(picture))
                for picture in product.pictures
            ],
            "weight_grams": product.weight_grams,
            "allergens": list(product.allergens),
            "low_stock_threshold": product.low_stock_threshold,
            "active": product.active,
            "created_at": product.created_at,
            "updated_at": product.updated_at,
            "version": product.version,
        }


class InternalProduct(Card):
    """A product as cart and order see it."""

    active: bool
    weight_grams: int

    @classmethod
    def _fields_of(cls, shown: flow.Shown) -> dict[str, Any]:
        extra = {"active": shown.product.active, "weight_grams": shown.product.weight_grams}
        return super()._fields_of(shown) | extra


class Facet(schemas.Answer):
    """How many hits have this value."""

    value: str
    label: str
    count: int


class PriceFacet(schemas.Answer):
    """How many hits cost at least `from` and less than `to`."""

    from_: Annotated[schemas.Rupees, pydantic.Field(alias="from")]
    to: schemas.Rupees | None
    count: int


class Facets(schemas.Answer):
    """How the hits divide, each facet counted without its own filter."""

    categories: list[Facet]
    brands: list[Facet]
    tags: list[Facet]
    price: list[PriceFacet]
    in_stock: int

    @classmethod
    def of(cls, facets: search.Facets, *, labels: dict[str, str]) -> Self:
        """`labels`: names of categories by slug."""
        ends = [*search.PRICE_STEPS_PAISE[1:], None]
        return cls(
            categories=[
                Facet(value=value, label=labels.get(value, value), count=count) for value, count in facets.categories
            ],
            brands=[Facet(value=value, label=value, count=count) for value, count in facets.brands],
            tags=[Facet(value=value, label=value, count=count) for value, count in facets.tags],
            price=[
                PriceFacet(from_=start, to=end, count=count)
                for start, end, count in zip(search.PRICE_STEPS_PAISE, ends, facets.prices, strict=True)
            ],
            in_stock=facets.in_stock,
        )


class SearchPage(pages.Page[Card]):
    """A page of hits with their facets; `suggestions` only where there is no hit."""

    facets: Facets
    corrected_query: str | None
    suggestions: list[Card]


class Suggestion(schemas.Answer):
    """What a begun query may be meant for."""

    type: Literal["PRODUCT", "CATEGORY", "BRAND"]
    text: str
    id: int | None
    slug: str | None
    image_url: str | None


class Brand(schemas.Answer):
    """A brand and its number of products."""

    brand: str
    count: int


class Count(schemas.Answer):
    """How many."""

    count: int


class Stock(schemas.Answer):
    """What may be bought."""

    product_id: int
    stock: int
    in_stock: bool
    low_stock: bool
    max_per_order: int

    @classmethod
    def of(cls, shown: flow.Shown) -> Self:
        return cls(
            product_id=shown.product.id,
            stock=shown.available,
            in_stock=shown.available > 0,
            low_stock=shown.available < shown.product.low_stock_threshold,
            max_per_order=shown.product.max_per_order,
        )


class Category(schemas.Answer):
    """A category; `productCount`: its active products."""

    slug: str
    name: str
    position: int
    image_url: str | None
    product_count: int
    active: bool
    version: int


class Search(schemas.Body):
    """What is looked for."""

    q: schemas.text(1, 100) | None = None
    categories: list[Slug] = pydantic.Field(default=[], max_length=50)
    brands: list[schemas.text(1, 60)] = pydantic.Field(default=[], max_length=50)
    tags: list[_Label] = pydantic.Field(default=[], max_length=50)
    min_price: schemas.RupeesIn | None = None
    max_price: schemas.RupeesIn | None = None
    in_stock: bool | None = None
    min_rating: float | None = pydantic.Field(default=None, ge=0, le=5)
    sort: schemas.text(4, 30, pattern=_SORT) | None = None
    page: int = pydantic.Field(default=0, ge=0, le=pages.MAX_PAGE)
    size: int = pydantic.Field(default=20, ge=1, le=pages.MAX_SIZE)

    def to_query(self, *, include_inactive: bool) -> search.Query:
        field, _, direction = (self.sort or "relevance").partition(",")
        filters = search.Filters(
            categories=tuple(self.categories),
            brands=tuple(self.brands),
            tags=tuple(self.tags),
            min_price_paise=self.min_price,
            max_price_paise=self.max_price,
            in_stock=self.in_stock,
            min_rating=self.min_rating,
        )
        check_prices(filters, pointer="#/minPrice")
        sort = ((field, direction == "desc"),)
        return search.Query(q=self.q, filters=filters, sort=sort, include_inactive=include_inactive)

    def to_page(self) -> pages.PageQuery:
        return pages.PageQuery(page=self.page, size=self.size)


def check_prices(filters: search.Filters, *, pointer: str) -> None:
    """Raises InvalidRequest where the lower price is above the higher one."""
    low, high = filters.min_price_paise, filters.max_price_paise
    if low is not None and high is not None and low > high:
        raise errors.InvalidRequest("minPrice is above maxPrice.", items=[errors.Item(pointer, "above maxPrice")])
