"""`/api/products`, `/api/categories`: what anyone may read. `includeInactive` is for administrators."""

import decimal
import hashlib
from typing import Annotated, Any, Literal

import pydantic
from fastapi import Depends, Header, Path, Query, Request, Response

from revcart.kit import asgi, auth, money, pages, preconditions
from revcart.kit import schemas as kit_schemas
from revcart.product import flow, pictures, schemas, search

PUBLIC = "public, max-age=60"
FOREVER = "public, max-age=31536000, immutable"
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "As it was when the ETag that was sent was read"}}

router = asgi.router(prefix="/api/products", tags=["product"])
categories = asgi.router(prefix="/api/categories", tags=["category"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
ProductId = Annotated[int, Path(ge=1, le=kit_schemas.MAX_ID)]
Slug = Annotated[str, Path(max_length=30)]
Page = Annotated[pages.PageQuery, Depends(pages.query(*search.SORTS, default="relevance,asc"))]
_Rupees = Annotated[decimal.Decimal | None, Query(ge=0, le=10_000_000, decimal_places=2)]
_Text = Annotated[str, Query(min_length=1, max_length=100)]
_Values = Annotated[list[str] | None, Query(max_length=50)]


async def _inactive_too(
    user: auth.OptionalUser,
    include_inactive: Annotated[bool, Query(alias="includeInactive", description="ADMIN only")] = False,
) -> bool:
    return flow.include_inactive_for(user, wanted=include_inactive)


InactiveToo = Annotated[bool, Depends(_inactive_too)]


def _visitor(
    user: auth.OptionalUser,
    x_cart_session: Annotated[str | None, Header(pattern=r"^gs_[A-Za-z0-9_-]{32}$")] = None,
) -> flow.Visitor:
    return flow.Visitor(user_id=user.id if user else None, session_id=x_cart_session)


Visitor = Annotated[flow.Visitor, Depends(_visitor)]


def _filters(
    category: _Values = None,
    brand: _Values = None,
    tag: _Values = None,
    min_price: Annotated[_Rupees, Query(alias="minPrice")] = None,
    max_price: Annotated[_Rupees, Query(alias="maxPrice")] = None,
    in_stock: Annotated[bool | None, Query(alias="inStock")] = None,
    min_rating: Annotated[float | None, Query(alias="minRating", ge=0, le=5)] = None,
) -> search.Filters:
    filters = search.Filters(
        categories=tuple(category or ()),
        brands=tuple(brand or ()),
        tags=tuple(tag or ()),
        min_price_paise=None if min_price is None else money.from_rupees(min_price),
        max_price_paise=None if max_price is None else money.from_rupees(max_price),
        in_stock=in_stock,
        min_rating=min_rating,
    )
    schemas.check_prices(filters, pointer="query:minPrice")
    return filters


Filters = Annotated[search.Filters, Depends(_filters)]


def _public(request: Request, answer: pydantic.BaseModel, *, private: bool, tag: str | None = None) -> Response:
    """The answer as the catalogue gives it: to be kept for a minute, 304 where the reader has it. `tag`: its ETag."""
    return _tagged(request, answer.model_dump_json(by_alias=True).encode(), private=private, tag=tag)


def _tagged(request: Request, body: bytes, *, private: bool, tag: str | None = None) -> Response:
    tag = preconditions.etag(tag or hashlib.sha256(body).hexdigest()[:32])
    cache_control = "no-store" if private else PUBLIC
    if preconditions.unchanged(request, tag):
        return preconditions.not_modified(tag, cache_control=cache_control)
    return Response(body, media_type="application/json", headers={"ETag": tag, "Cache-Control": cache_control})


def product_tag(shown: flow.Shown) -> str:
    """ETag of a product: its version, then its stock, which changes without a version. If-Match reads the version."""
    return f"{shown.product.version}-{shown.available}"


def _cards(hits: flow.Hits, page: pages.PageQuery) -> pages.Page[schemas.Card]:
    return pages.of(content=[schemas.Card.of(shown) for shown in hits.shown], query=page, total=hits.total)


@router.get("", response_model=pages.Page[schemas.Card], responses=UNCHANGED)
async def list_products(
    request: Request, filters: Filters, page: Page, inactive_too: InactiveToo, ports: Ports, q: _Text | None = None
) -> Response:
    query = search.Query(q=q, filters=filters, sort=page.sort, include_inactive=inactive_too)
    hits = await flow.browse(query=query, page=page, ports=ports)
    return _public(request, _cards(hits, page), private=inactive_too)


@router.get("/search", response_model=schemas.SearchPage, responses=UNCHANGED)
async def search_by_link(
    request: Request, q: _Text, filters: Filters, page: Page, visitor: Visitor, inactive_too: InactiveToo, ports: Ports
) -> Response:
    query = search.Query(q=q, filters=filters, sort=page.sort, include_inactive=inactive_too)
    answer = await _search(query=query, page=page, visitor=visitor, ports=ports)
    return _public(request, answer, private=inactive_too)


@router.post("/search")
async def search_products(
    body: schemas.Search, visitor: Visitor, inactive_too: InactiveToo, ports: Ports
) -> schemas.SearchPage:
    query = body.to_query(include_inactive=inactive_too)
    return await _search(query=query, page=body.to_page(), visitor=visitor, ports=ports)


async def _search(
    *, query: search.Query, page: pages.PageQuery, visitor: flow.Visitor, ports: flow.Ports
) -> schemas.SearchPage:
    hits, facets, popular = await flow.search_products(query=query, page=page, visitor=visitor, ports=ports)
    shelves = await flow.list_categories(include_inactive=True, ports=ports)
    return schemas.SearchPage(
        **dict(_cards(hits, page)),
        facets=schemas.Facets.of(facets, labels={shelf.slug: shelf.name for shelf in shelves}),
        corrected_query=hits.corrected_query,
        suggestions=[schemas.Card.of(shown) for shown in popular],
    )


_SUGGESTIONS = pydantic.TypeAdapter(list[schemas.Suggestion])
_BRANDS = pydantic.TypeAdapter(list[schemas.Brand])
_CATEGORIES = pydantic.TypeAdapter(list[schemas.Category])


@router.get("/suggest", response_model=list[schemas.Suggestion], responses=UNCHANGED)
async def suggest_products(
    request: Request,
    ports: Ports,
    q: Annotated[str, Query(min_length=2, max_length=50)],
    limit: Annotated[int, Query(ge=1, le=10)] = 8,
) -> Response:
    found = await flow.suggest(q=q, limit=limit, ports=ports)
    answer = [schemas.Suggestion.model_validate(suggestion) for suggestion in found]
    return _tagged(request, _SUGGESTIONS.dump_json(answer, by_alias=True), private=False)


@router.get("/brands", response_model=list[schemas.Brand], responses=UNCHANGED)
async def list_brands(
    request: Request, ports: Ports, category: Annotated[str | None, Query(max_length=30)] = None
) -> Response:
    found = await flow.list_brands(category=category, ports=ports)
    answer = [schemas.Brand(brand=brand, count=count) for brand, count in found]
    return _tagged(request, _BRANDS.dump_json(answer, by_alias=True), private=False)


@router.get("/count", response_model=schemas.Count, responses=UNCHANGED)
async def count_products(
    request: Request, filters: Filters, inactive_too: InactiveToo, ports: Ports, q: _Text | None = None
) -> Response:
    query = search.Query(q=q, filters=filters, include_inactive=inactive_too)
    answer = schemas.Count(count=await flow.count_products(query=query, ports=ports))
    return _public(request, answer, private=inactive_too)


@router.get("/category/{category}", response_model=pages.Page[schemas.Card], responses=UNCHANGED)
async def list_products_of_category(
    request: Request, category: Slug, page: Page, inactive_too: InactiveToo, ports: Ports
) -> Response:
    await flow.get_category(slug=category, include_inactive=inactive_too, ports=ports)
    filters = search.Filters(categories=(category,))
    query = search.Query(filters=filters, sort=page.sort, include_inactive=inactive_too)
    hits = await flow.browse(query=query, page=page, ports=ports)
    return _public(request, _cards(hits, page), private=inactive_too)


@router.get("/{id}", response_model=schemas.Product, responses=UNCHANGED)
async def view_product(
    request: Request, id: ProductId, visitor: Visitor, inactive_too: InactiveToo, ports: Ports
) -> Response:
    shown = await flow.view_product(product_id=id, include_inactive=inactive_too, visitor=visitor, ports=ports)
    return _public(request, schemas.Product.of(shown), private=inactive_too, tag=product_tag(shown))


@router.get("/{id}/stock", response_model=schemas.Stock, responses=UNCHANGED)
async def get_stock(request: Request, id: ProductId, inactive_too: InactiveToo, ports: Ports) -> Response:
    shown = await flow.get_product(product_id=id, include_inactive=inactive_too, ports=ports)
    return _public(request, schemas.Stock.of(shown), private=inactive_too)


@router.get(
    "/{id}/images/{image_id}/{width}.webp", response_class=Response, responses={200: {"content": {"image/webp": {}}}}
)
@asgi.produces("image/webp")
async def get_image(
    id: ProductId, image_id: ProductId, width: Annotated[Literal["160", "480", "1080"], Path()], ports: Ports
) -> Response:
    data = await pictures.get_picture(product_id=id, picture_id=image_id, width=int(width), ports=ports)
    return Response(data, media_type="image/webp", headers={"Cache-Control": FOREVER})


@categories.get("", response_model=list[schemas.Category], responses=UNCHANGED)
async def list_categories(request: Request, inactive_too: InactiveToo, ports: Ports) -> Response:
    found = await flow.list_categories(include_inactive=inactive_too, ports=ports)
    answer = [schemas.Category.model_validate(category) for category in found]
    return _tagged(request, _CATEGORIES.dump_json(answer, by_alias=True), private=inactive_too)


@categories.get("/{slug}", response_model=schemas.Category, responses=UNCHANGED)
async def get_category(request: Request, slug: Slug, inactive_too: InactiveToo, ports: Ports) -> Response:
    category = await flow.get_category(slug=slug, include_inactive=inactive_too, ports=ports)
    answer = schemas.Category.model_validate(category)
    return _public(request, answer, private=inactive_too, tag=f"{category.version}-{category.product_count}")
