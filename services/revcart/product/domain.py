"""What the shop sells: products, categories, their pictures, and why a change to them is refused. Pure."""

import dataclasses
import datetime as dt
import decimal
from typing import Literal

from revcart.kit import errors

Unit = Literal["EACH", "PACK", "DOZEN", "G", "KG", "ML", "L"]
Per = Literal["KG", "L", "EACH"]

PICTURE_WIDTHS = (160, 480, 1080)  # pixels
MOST_PICTURES = 8

# How many of the unit that a price is compared by are in one of the product's own unit.
_COMPARED: dict[Unit, tuple[Per, decimal.Decimal]] = {
    "G": ("KG", decimal.Decimal("0.001")),
    "KG": ("KG", decimal.Decimal(1)),
    "ML": ("L", decimal.Decimal("0.001")),
    "L": ("L", decimal.Decimal(1)),
    "EACH": ("EACH", decimal.Decimal(1)),
    "PACK": ("EACH", decimal.Decimal(1)),
    "DOZEN": ("EACH", decimal.Decimal(12)),
}


class SkuTaken(errors.Conflict):
    code, title = "product.sku-taken", "Another product has this SKU"


class CategoryUnknown(errors.Unprocessable):
    code, title = "category.unknown", "There is no such category"


class CategoryNotEmpty(errors.Conflict):
    code, title = "category.not-empty", "Products are still in this category"


class SlugTaken(errors.Conflict):
    code, title = "category.slug-taken", "Another category has this slug"


class PictureLimit(errors.Conflict):
    code, title = "image.limit", "A product has eight pictures at most"


class PictureUnreadable(errors.Unprocessable):
    code, title = "image.unreadable", "That is no picture that can be read"


class PicturesDiffer(errors.Conflict):
    code, title = "image.order-mismatch", "The order must name each picture of the product once"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Category:
    """A shelf. `product_count`: its active products."""

    id: int
    slug: str
    name: str
    position: int
    image_url: str | None
    active: bool
    version: int
    product_count: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoryDetails:
    """What an administrator decides about a category."""

    name: str
    position: int
    image_url: str | None
    active: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a product; ids are never used twice, so its address may be kept for ever."""

    id: int
    alt: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Details:
    """What an administrator decides about a product. Prices in paise, `category` a slug."""

    sku: str
    name: str
    description: str
    category: str
    brand: str | None
    price_paise: int
    original_price_paise: int | None
    unit: Unit
    pack_size: float
    weight_grams: int
    max_per_order: int
    low_stock_threshold: int
    tags: tuple[str, ...]
    allergens: tuple[str, ...]
    image_url: str | None
    active: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product(Details):
    """A product without its stock, which changes by the second and is read apart."""

    id: int
    rating: float | None
    rating_count: int
    pictures: tuple[Picture, ...]
    created_at: dt.datetime
    updated_at: dt.datetime
    version: int

    @property
    def discount_percent(self) -> int:
        """Whole percents off the original price, rounded down."""
        return discount_percent(price_paise=self.price_paise, original_price_paise=self.original_price_paise)

    @property
    def unit_price(self) -> tuple[int, Per] | None:
        """Paise per kilogram, litre or piece; None where it would repeat the price."""
        per, each = _COMPARED[self.unit]
        amount = each * decimal.Decimal(repr(self.pack_size))
        if amount == 1:
            return None
        return int((self.price_paise / amount).to_integral_value(decimal.ROUND_HALF_UP)), per

    @property
    def picture_url(self) -> str | None:
        """Path of the first picture, else the address that an administrator gave."""
        return self.picture_urls(self.pictures[0])["480"] if self.pictures else self.image_url

    def picture_urls(self, picture: Picture) -> dict[str, str]:
        """Width -> path on the gateway."""
        base = f"/api/products/{self.id}/images/{picture.id}"
        return {str(width): f"{base}/{width}.webp" for width in PICTURE_WIDTHS}


def discount_percent(*, price_paise: int, original_price_paise: int | None) -> int:
    """Whole percents that a price is below its original, rounded down."""
    if not original_price_paise:
        return 0
    return (original_price_paise - price_paise) * 100 // original_price_paise
