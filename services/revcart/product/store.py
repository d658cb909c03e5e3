"""The unit of work of product, and every query about the catalogue; those about stock are in `stocks`."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.kit import sql
from revcart.product import domain, stocks, tables

_products, _categories, _images = tables.products.c, tables.categories.c, tables.product_images.c
_DETAILS = [field.name for field in dataclasses.fields(domain.Details) if field.name != "category"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sign:
    """What tells whether a product's entry in the search is still right, and what changes without a new version."""

    id: int
    version: tuple[int, int]  # of the product and of its category
    active: bool
    available: int
    sold: int


class Products:
    """Queries about products."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def many(self, ids: Iterable[int], *, lock: bool = False) -> dict[int, domain.Product]:
        """The products that exist, inactive ones included."""
        wanted = sorted(set(ids))
        statement = (
            sa.select(tables.products, _categories.slug)
            .join(tables.categories, _categories.id == _products.category_id)
            .where(_products.id.in_(wanted))
        )
        if lock:
            statement = statement.with_for_update(of=tables.products)
        rows = (await self._connection.execute(statement)).mappings().all()
        pictures = await Pictures(self._connection).of(row["id"] for row in rows)
        return {row["id"]: _product(row, pictures.get(row["id"], ())) for row in rows}

    async def get(self, product_id: int, *, lock: bool = False) -> domain.Product | None:
        return (await self.many([product_id], lock=lock)).get(product_id)

    async def all_ids(self) -> list[int]:
        return list((await self._connection.execute(sa.select(_products.id).order_by(_products.id))).scalars())

    async def id_of(self, sku: str) -> int | None:
        found = await self._connection.execute(sa.select(_products.id).where(_products.sku == sku))
        return found.scalar_one_or_none()

    async def ids_of(self, skus: Iterable[str]) -> dict[str, int]:
        """SKU -> id, of those that exist."""
        found = await self._connection.execute(
            sa.select(_products.sku, _products.id).where(_products.sku.in_(list(skus)))
        )
        return {row.sku: row.id for row in found}

    async def add(
        self,
        details: domain.Details,
        *,
        category_id: int,
        now: dt.datetime,
        rating: float | None = None,
        rating_count: int = 0,
        sold: int = 0,
    ) -> int:
        """A new product without stock; its id. Raises SkuTaken."""
        row = _columns(details) | {
            "category_id": category_id,
            "on_hand": 0,
            "reserved": 0,
            "rating": rating,
            "rating_count": rating_count,
            "sold_30d": sold,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        if not await sql.insert_if_absent(self._connection, tables.products, row):
            raise domain.SkuTaken(f"Another product has the SKU {details.sku}.")
        made = await self.id_of(details.sku)
        assert made is not None
        return made

    async def change(self, product_id: int, details: domain.Details, *, category_id: int, now: dt.datetime) -> None:
        """Raises SkuTaken."""
        if (await self.id_of(details.sku)) not in {None, product_id}:
            raise domain.SkuTaken(f"Another product has the SKU {details.sku}.")
        await self._update(product_id, _columns(details) | {"category_id": category_id}, now=now)

    async def set_active(self, product_id: int, active: bool, *, now: dt.datetime) -> None:
        await self._update(product_id, {"active": active}, now=now)

    async def touch(self, product_id: int, *, now: dt.datetime) -> None:
        """A new version: its pictures changed."""
        await self._update(product_id, {}, now=now)

    async def _update(self, product_id: int, values: Mapping[str, Any], *, now: dt.datetime) -> None:
        await self._connection.execute(
            tables.products.update()
            .where(_products.id == product_id)
            .values(**values, version=_products.version + 1, updated_at=now)
        )

    async def signs(self) -> list[Sign]:
        """One sign per product."""
        rows = await self._connection.execute(
            sa.select(
                _products.id,
                _products.version,
                _categories.version,
                _products.active,
                _products.on_hand - _products.reserved,
                _products.sold_30d,
            )
            .join(tables.categories, _categories.id == _products.category_id)
            .order_by(_products.id)
        )
        return [
            Sign(id=number, version=(own, category), active=active, available=available, sold=sold)
            for number, own, category, active, available, sold in rows
        ]

    async def brands(self, category: str | None) -> list[tuple[str, int]]:
        """Brands of active products and how many each has, by name."""
        statement = (
            sa.select(_products.brand, sa.func.count())
            .where(_products.active, _products.brand.is_not(None))
            .group_by(_products.brand)
            .order_by(_products.brand)
        )
        if category is not None:
            statement = statement.join(tables.categories, _categories.id == _products.category_id).where(
                _categories.slug == category
            )
        return [(brand, count) for brand, count in await self._connection.execute(statement)]

    async def without_picture(self, skus: Iterable[str]) -> list[str]:
        """Which of these SKUs have no picture yet."""
        statement = (
            sa.select(_products.sku)
            .outerjoin(tables.product_images, _images.product_id == _products.id)
            .where(_products.sku.in_(list(skus)), _images.id.is_(None))
            .order_by(_products.id)
        )
        return list((await self._connection.execute(statement)).scalars())


class Categories:
    """Queries about categories."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> list[domain.Category]:
        """All of them by position, inactive ones included."""
        return await self._select()

    async def get(self, slug: str, *, lock: bool = False) -> domain.Category | None:
        if lock:
            await self._connection.execute(sa.select(_categories.id).where(_categories.slug == slug).with_for_update())
        found = await self._select(_categories.slug == slug)
        return found[0] if found else None

    async def _select(self, *conditions: sa.ColumnElement[bool]) -> list[domain.Category]:
        counted = (
            sa.select(sa.func.count())
            .where(_products.category_id == _categories.id, _products.active)
            .correlate(tables.categories)
            .scalar_subquery()
            .label("product_count")
        )
        statement = (
            sa.select(tables.categories, counted).where(*conditions).order_by(_categories.position, _categories.id)
        )
        return [domain.Category(**row) for row in (await self._connection.execute(statement)).mappings()]

    async def add(self, slug: str, details: domain.CategoryDetails) -> None:
        """Raises SlugTaken."""
        row = {"slug": slug, **dataclasses.asdict(details), "version": 1}
        if not await sql.insert_if_absent(self._connection, tables.categories, row):
            raise domain.SlugTaken(f"There is a category {slug} already.")

    async def change(self, slug: str, details: domain.CategoryDetails) -> None:
        await self._connection.execute(
            tables.categories.update()
            .where(_categories.slug == slug)
            .values(**dataclasses.asdict(details), version=_categories.version + 1)
        )

    async def remove(self, category_id: int) -> None:
        """Raises CategoryNotEmpty, also for inactive products: their orders still name the category."""
        held = await self._connection.execute(
            sa.select(sa.func.count()).select_from(tables.products).where(_products.category_id == category_id)
        )
        if count := held.scalar_one():
            raise domain.CategoryNotEmpty(f"{count} products are in this category, inactive ones included.")
        await self._connection.execute(tables.categories.delete().where(_categories.id == category_id))


class Pictures:
    """Queries about pictures of products."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of(self, product_ids: Iterable[int]) -> dict[int, tuple[domain.Picture, ...]]:
        """The pictures of each product, in their order."""
        statement = (
            sa.select(_images.product_id, _images.id, _images.alt)
            .where(_images.product_id.in_(list(product_ids)))
            .order_by(_images.position, _images.id)
        )
        found: dict[int, tuple[domain.Picture, ...]] = {}
        for product_id, number, alt in await self._connection.execute(statement):
            found[product_id] = (*found.get(product_id, ()), domain.Picture(id=number, alt=alt))
        return found

    async def add(self, product_id: int, *, alt: str, position: int, sizes: Mapping[int, bytes]) -> int:
        """A new last picture; its id. `sizes`: width -> WebP."""
        made = await self._connection.execute(
            tables.product_images.insert().values(product_id=product_id, alt=alt, position=position)
        )
        assert made.inserted_primary_key is not None
        number: int = made.inserted_primary_key[0]
        rows = [{"image_id": number, "width": width, "bytes": data} for width, data in sizes.items()]
        await self._connection.execute(tables.image_blobs.insert(), rows)
        return number

    async def remove(self, picture_id: int) -> None:
        await self._connection.execute(tables.image_blobs.delete().where(tables.image_blobs.c.image_id == picture_id))
        await self._connection.execute(tables.product_images.delete().where(_images.id == picture_id))

    async def arrange(self, picture_ids: Sequence[int]) -> None:
        for position, number in enumerate(picture_ids):
            await self._connection.execute(
                tables.product_images.update().where(_images.id == number).values(position=position)
            )

    async def bytes_of(self, *, product_id: int, picture_id: int, width: int) -> bytes | None:
        blobs = tables.image_blobs.c
        found = await self._connection.execute(
            sa.select(blobs.bytes)
            .join(tables.product_images, _images.id == blobs.image_id)
            .where(_images.product_id == product_id, blobs.image_id == picture_id, blobs.width == width)
        )
        return found.scalar_one_or_none()


class Transaction(sql.Transaction):
    """What may be done at once."""

    @property
    def products(self) -> Products:
        return Products(self.connection)

    @property
    def categories(self) -> Categories:
        return Categories(self.connection)

    @property
    def pictures(self) -> Pictures:
        return Pictures(self.connection)

    @property
    def stock(self) -> stocks.Stocks:
        return stocks.Stocks(self.connection)

    @property
    def reservations(self) -> stocks.Reservations:
        return stocks.Reservations(self.connection)


class Store(sql.Store[Transaction]):
    """The only committer."""


def _columns(details: domain.Details) -> dict[str, Any]:
    row = {name: getattr(details, name) for name in _DETAILS}
    return row | {"tags": list(details.tags), "allergens": list(details.allergens)}


def _product(row: Mapping[Any, Any], pictures: tuple[domain.Picture, ...]) -> domain.Product:
    return domain.Product(
        **{name: row[name] for name in _DETAILS if name not in {"tags", "allergens"}},
        category=row["slug"],
        tags=tuple(row["tags"]),
        allergens=tuple(row["allergens"]),
        id=row["id"],
        rating=row["rating"],
        rating_count=row["rating_count"],
        pictures=pictures,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )
