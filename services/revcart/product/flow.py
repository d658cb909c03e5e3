"""Reading the shop: lists, one product, search, suggestions. And `Ports`, what all flows of product need."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from pydantic import alias_generators

from revcart.kit import auth, clock, errors, pages
from revcart.kit import events as kit_events
from revcart.product import domain, engine, events, search, shelf, store

MOST_SUGGESTED_SHELVES = 2  # categories, and brands, among the suggestions
POPULAR = 8  # products shown where a search found nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What product needs of the world. `demo`: fill an empty shop with the demo catalogue."""

    clock: clock.Clock
    store: store.Store
    shelf: shelf.Shelf
    search: engine.ProductSearch
    stream: kit_events.Stream
    demo: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who looks, as far as known; for statistics."""

    user_id: int | None
    session_id: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """A product with the units that may be bought."""

    product: domain.Product
    available: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hits:
    """A page of products. `cached`: whether the list came from the cache."""

    shown: list[Shown]
    total: int
    corrected_query: str | None
    cached: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Something that a begun query may be meant for: a product (`id`), a category (`slug`) or a brand."""

    type: str
    text: str
    id: int | None = None
    slug: str | None = None
    image_url: str | None = None


async def browse(*, query: search.Query, page: pages.PageQuery, ports: Ports) -> Hits:
    """A page of what `query` finds; `page.sort` is ignored for `query.sort`."""

    async def load() -> dict[str, Any]:
        found = await ports.search.find(query)
        ids = found.ids[page.offset : page.offset + page.limit]
        return {"ids": list(ids), "total": len(found.ids), "correctedQuery": found.corrected_query}

    name = [dataclasses.asdict(query), page.offset, page.limit]
    found, cached = await ports.shelf.listed("product:list", name, seconds=shelf.LIST_SECONDS, load=load)
    return Hits(
        shown=await show(found["ids"], ports=ports),
        total=found["total"],
        corrected_query=found["correctedQuery"],
        cached=cached,
    )


async def search_products(
    *,
    query: search.Query,
    page: pages.PageQuery,
    visitor: Visitor,
    ports: Ports,
) -> tuple[Hits, search.Facets, list[Shown]]:
    """The hits, how they divide, and, where there are none, what is popular. Tells analytics."""
    began = time.perf_counter()
    hits = await browse(query=query, page=page, ports=ports)
    facets = await count_facets(query=query, ports=ports)
    popular: list[Shown] = []
    if not hits.total:
        first = pages.PageQuery(size=POPULAR)
        everything = search.Query(filters=search.Filters(in_stock=True))
        popular = (await browse(query=everything, page=first, ports=ports)).shown
    ports.stream.send(
        events.ProductSearched(
            query=(query.q or "").strip()[:100],
            filters=_told(query.filters),
            sort=_sort(query),
            page=page.page,
            results=hits.total,
            cached=hits.cached,
            took_ms=round((time.perf_counter() - began) * 1000),
            user_id=visitor.user_id,
            session_id=visitor.session_id,
            searched_at=ports.clock.now(),
        )
    )
    return hits, facets, popular


def _told(filters: search.Filters) -> dict[str, object]:
    chosen = dataclasses.asdict(filters).items()
    return {alias_generators.to_camel(name): value for name, value in chosen if value not in (None, ())}


def _sort(query: search.Query) -> str | None:
    if query.sort in {(), (search.BEST_FIRST,)}:
        return None
    return ";".join(f"{field},{'desc' if descending else 'asc'}" for field, descending in query.sort)


async def count_facets(*, query: search.Query, ports: Ports) -> search.Facets:
    """How the hits of `query` divide."""

    async def load() -> dict[str, Any]:
        return dataclasses.asdict(await ports.search.facets(query))

    name = dataclasses.asdict(dataclasses.replace(query, sort=()))
    counted, _ = await ports.shelf.listed("product:facets", name, seconds=shelf.LIST_SECONDS, load=load)
    return search.Facets(
        categories=tuple((value, count) for value, count in counted["categories"]),
        brands=tuple((value, count) for value, count in counted["brands"]),
        tags=tuple((value, count) for value, count in counted["tags"]),
        prices=tuple(counted["prices"]),
        in_stock=counted["in_stock"],
    )


async def count_products(*, query: search.Query, ports: Ports) -> int:
    """How many products `query` finds."""
    return (await browse(query=query, page=pages.PageQuery(size=1), ports=ports)).total


async def view_product(*, product_id: int, include_inactive: bool, visitor: Visitor, ports: Ports) -> Shown:
    """One product; tells analytics. Raises NotFound, also for an inactive one."""
    shown = await get_product(product_id=product_id, include_inactive=include_inactive, ports=ports)
    ports.stream.send(
        events.ProductViewed(
            product_id=product_id,
            category=shown.product.category,
            price_paise=shown.product.price_paise,
            user_id=visitor.user_id,
            session_id=visitor.session_id,
            viewed_at=ports.clock.now(),
        )
    )
    return shown


async def get_product(*, product_id: int, include_inactive: bool = False, ports: Ports) -> Shown:
    """One product. Raises NotFound."""
    product = await ports.shelf.product(product_id, _products_from(ports))
    if product is None or not (product.active or include_inactive):
        raise errors.NotFound
    available = await ports.shelf.available([product_id], _available_from(ports))
    return Shown(product=product, available=available.get(product_id, 0))


async def show(ids: list[int], *, ports: Ports) -> list[Shown]:
    """These products in this order; those that are gone are left out."""
    products = await ports.shelf.products(ids, _products_from(ports)) if ids else {}
    available = await ports.shelf.available(products, _available_from(ports)) if products else {}
    return [Shown(product=products[number], available=available.get(number, 0)) for number in ids if number in products]


async def products_now(*, ids: list[int], ports: Ports) -> list[Shown]:
    """These products with the stock of this moment, for services that decide by it; unknown ids are left out."""
    async with ports.store.read() as tx:
        products = await tx.products.many(ids)
        stock = await tx.stock.many(products)
    return [Shown(product=products[number], available=stock[number].available) for number in sorted(products)]


async def suggest(*, q: str, limit: int, ports: Ports) -> list[Suggestion]:
    """What a begun query may be meant for: shelves first, then products, best first."""

    async def load() -> list[dict[str, Any]]:
        found = await ports.search.find(search.Query(q=q))
        shelves = await _suggest_shelves(q=q, ports=ports)
        shown = await show(list(found.ids[: limit - len(shelves)]), ports=ports)
        products = [
            Suggestion(type="PRODUCT", text=item.product.name, id=item.product.id, image_url=item.product.picture_url)
            for item in shown
        ]
        return [dataclasses.asdict(suggestion) for suggestion in [*shelves, *products][:limit]]

    found, _ = await ports.shelf.listed("product:suggest", [q, limit], seconds=shelf.SUGGEST_SECONDS, load=load)
    return [Suggestion(**suggestion) for suggestion in found]


async def _suggest_shelves(*, q: str, ports: Ports) -> list[Suggestion]:
    def fits(name: str) -> bool:
        text = search.text_of(name=name, brand=None, category=(), tags=(), description="")
        return search.rank(text, search.read(q, text.places)) is not None

    categories = [
        Suggestion(type="CATEGORY", text=category.name, slug=category.slug, image_url=category.image_url)
        for category in await list_categories(include_inactive=False, ports=ports)
        if fits(category.name)
    ]
    brands = [
        Suggestion(type="BRAND", text=brand)
        for brand, _ in await list_brands(category=None, ports=ports)
        if fits(brand)
    ]
    return [*categories[:MOST_SUGGESTED_SHELVES], *brands[:MOST_SUGGESTED_SHELVES]]


async def list_brands(*, category: str | None, ports: Ports) -> list[tuple[str, int]]:
    """Brands by name, with the number of their active products."""
    async with ports.store.read() as tx:
        return await tx.products.brands(category)


async def list_categories(*, include_inactive: bool, ports: Ports) -> list[domain.Category]:
    """Categories by position."""

    async def load() -> list[dict[str, Any]]:
        async with ports.store.read() as tx:
            return [dataclasses.asdict(category) for category in await tx.categories.all()]

    found, _ = await ports.shelf.listed("category:all", [], seconds=shelf.CATEGORY_SECONDS, load=load)
    categories = [domain.Category(**category) for category in found]
    return [category for category in categories if category.active or include_inactive]


async def get_category(*, slug: str, include_inactive: bool, ports: Ports) -> domain.Category:
    """Raises NotFound."""
    for category in await list_categories(include_inactive=include_inactive, ports=ports):
        if category.slug == slug:
            return category
    raise errors.NotFound


def include_inactive_for(user: auth.User | None, *, wanted: bool) -> bool:
    """Whether inactive products are shown. Raises TokenMissing, Forbidden to those who want them and may not."""
    if wanted and user is None:
        raise errors.TokenMissing
    if wanted and user is not None and user.role != "ADMIN":
        raise errors.Forbidden
    return wanted


def _products_from(ports: Ports) -> Any:
    async def load(ids: list[int]) -> Mapping[int, domain.Product]:
        async with ports.store.read() as tx:
            return await tx.products.many(ids)

    return load


def _available_from(ports: Ports) -> Any:
    async def load(ids: list[int]) -> Mapping[int, int]:
        async with ports.store.read() as tx:
            return {number: stock.available for number, stock in (await tx.stock.many(ids)).items()}

    return load
