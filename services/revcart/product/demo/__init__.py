"""The demo catalogue: what a newcomer sees in the shop before having any product of their own.

`products.csv` is the one list; `catalogue` reads it. Pictures are drawn (`paint`), so nothing is fetched and no picture
belongs to somebody else.
"""

import csv
import dataclasses
import decimal
import importlib.resources
from collections.abc import Iterator
from typing import cast

from revcart.kit import money
from revcart.product import domain

# slug, name; in the order of the shop's front page
CATEGORIES = (
    ("fruits", "Fruits"),
    ("vegetables", "Vegetables"),
    ("dairy", "Dairy & Eggs"),
    ("meat", "Meat & Fish"),
    ("beverages", "Beverages"),
    ("bakery", "Bakery"),
    ("snacks", "Snacks"),
    ("frozen", "Frozen"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoProduct:
    """One row of `products.csv`. Prices in paise, weight in grams; `sold` is what it sold in the last 30 days."""

    sku: str
    name: str
    brand: str
    category: str
    price_paise: int
    original_price_paise: int | None
    unit: domain.Unit
    pack_size: decimal.Decimal
    weight_grams: int
    stock: int
    sold: int
    rating: decimal.Decimal
    rating_count: int
    motif: str
    colour: str
    tags: tuple[str, ...]
    allergens: tuple[str, ...]
    description: str


def catalogue() -> Iterator[DemoProduct]:
    """The demo products, in the order of the file."""
    text = importlib.resources.files(__package__).joinpath("products.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        motif, _, colour = row["picture"].partition(":")
        yield DemoProduct(
            sku=row["sku"],
            name=row["name"],
            brand=row["brand"],
            category=row["category"],
            price_paise=_paise(row["price"]),
            original_price_paise=_paise(row["original_price"]) if row["original_price"] else None,
            unit=cast(domain.Unit, row["unit"]),
            pack_size=decimal.Decimal(row["pack_size"]),
            weight_grams=int(row["weight_grams"]),
            stock=int(row["stock"]),
            sold=int(row["sold"]),
            rating=decimal.Decimal(row["rating"]),
            rating_count=int(row["rating_count"]),
            motif=motif,
            colour=colour,
            tags=_listed(row["tags"]),
            allergens=_listed(row["allergens"]),
            description=row["description"],
        )


def _paise(text: str) -> int:
    return money.from_rupees(decimal.Decimal(text))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(";") if part)
