"""`/api/products`, `/api/categories`: what administrators change, and what only they read."""

from typing import Annotated, Any

from fastapi import Body, Depends, File, Form, Header, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from revcart.kit import asgi, auth, errors, idempotency, pages, preconditions
from revcart.kit import schemas as kit_schemas
from revcart.product import (
    api,
    bulk,
    catalogue,
    counting,
    domain,
    flow,
    once,
    pictures,
    reservations,
    schemas,
    schemas_management,
)

router = asgi.router(prefix="/api/products", tags=["product"])
categories = asgi.router(prefix="/api/categories", tags=["category"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
Page = Annotated[pages.PageQuery, Depends(pages.query("id", default="id,desc"))]
_FORM_BYTES = 64 * 1024  # what a form adds to its file


def _if_match(if_match: Annotated[str | None, Header(alias="If-Match")] = None) -> int:
    """The version that the writer has seen; the stock behind it in a product's ETag is nobody's to match."""
    if if_match is not None and if_match.count("-") == 1:
        if_match = if_match.partition("-")[0]
    return preconditions.IfMatch(if_match)


SeenVersion = Annotated[int, Depends(_if_match)]
_STALE = (errors.PreconditionFailed, errors.PreconditionMissing)


def _key(request: Request, key: str | None, *, body: Any) -> once.Key | None:
    if key is None:
        return None
    return once.Key(value=key, fingerprint=idempotency.fingerprint(request.url.path, body.model_dump(mode="json")))


def _answer(made: once.Made) -> JSONResponse:
    if made.is_replay:
        return idempotency.replayed((made.status, made.body))
    return JSONResponse(made.body, status_code=made.status)


def _product(shown: flow.Shown, response: Response) -> schemas.Product:
    response.headers["ETag"] = preconditions.etag(api.product_tag(shown))
    return schemas.Product.of(shown)


def _category(category: domain.Category, response: Response) -> schemas.Category:
    response.headers["ETag"] = preconditions.etag(f"{category.version}-{category.product_count}")
    return schemas.Category.model_validate(category)


@router.get("/low-stock")
async def list_low_stock(user: auth.Admin, page: Page, ports: Ports) -> pages.Page[schemas.Card]:
    shown, total = await counting.list_low_stock(page=page, ports=ports)
    return pages.of(content=[schemas.Card.of(item) for item in shown], query=page, total=total)


@router.post(
    "",
    status_code=201,
    response_model=schemas.Product,
    responses=errors.documented(domain.SkuTaken, domain.CategoryUnknown, idempotency.KeyReused, idempotency.InProgress),
)
async def create_product(
    body: schemas_management.CreateProduct, user: auth.Admin, key: idempotency.Optional, request: Request, ports: Ports
) -> Response:
    made = await catalogue.create_product(
        details=body.to_details(), on_hand=body.stock, user=user, key=_key(request, key, body=body), ports=ports
    )
    answer = _answer(made)
    answer.headers["Location"] = f"/api/products/{made.body['id']}"
    answer.headers["ETag"] = preconditions.etag(f"{made.body['version']}-{made.body['stock']}")
    return answer


@router.post(
    "/bulk",
    response_model=schemas_management.BulkReport,
    responses=errors.documented(idempotency.KeyReused, idempotency.InProgress),
)
async def import_products(
    body: schemas_management.Bulk, user: auth.Admin, key: idempotency.Optional, request: Request, ports: Ports
) -> Response:
    made = await bulk.import_products(
        mode=body.mode,
        dry_run=body.dry_run,
        rows=body.products,
        user=user,
        key=_key(request, key, body=body),
        ports=ports,
    )
    return _answer(made)


@router.put("/{id}", responses=errors.documented(domain.SkuTaken, domain.CategoryUnknown, *_STALE))
async def change_product(
    id: api.ProductId,
    body: schemas_management.ChangeProduct,
    user: auth.Admin,
    seen_version: SeenVersion,
    response: Response,
    ports: Ports,
) -> schemas.Product:
    shown = await catalogue.change_product(
        product_id=id, details=body.to_details(), seen_version=seen_version, ports=ports
    )
    return _product(shown, response)


@router.delete("/{id}", status_code=204, responses=errors.documented(*_STALE))
async def retire_product(id: api.ProductId, user: auth.Admin, seen_version: SeenVersion, ports: Ports) -> None:
    await catalogue.retire_product(product_id=id, seen_version=seen_version, ports=ports)


@router.patch("/{id}/status")
async def set_product_status(
    id: api.ProductId,
    user: auth.Admin,
    response: Response,
    ports: Ports,
    body: schemas_management.SetActive | None = None,
    active: Annotated[bool | None, Query(description="in place of the body")] = None,
) -> schemas.Product:
    wanted = body.active if body is not None else active
    if wanted is None:
        raise errors.InvalidRequest("Say whether it is active.", items=[errors.Item("#/active", "missing")])
    return _product(await catalogue.set_active(product_id=id, active=wanted, ports=ports), response)


@router.post(
    "/{id}/images",
    status_code=201,
    responses=errors.documented(domain.PictureLimit, domain.PictureUnreadable),
)
@asgi.body_limit(pictures.MAX_BYTES + _FORM_BYTES)
async def add_image(
    id: api.ProductId,
    user: auth.Admin,
    file: Annotated[UploadFile, File()],
    alt: Annotated[kit_schemas.text(1, 150), Form()],
    ports: Ports,
) -> schemas.Picture:
    shown = await pictures.add_picture(product_id=id, data=await file.read(), alt=alt, ports=ports)
    return schemas.Product.of(shown).images[-1]


@router.put("/{id}/images/order", responses=errors.documented(domain.PicturesDiffer))
async def arrange_images(
    id: api.ProductId,
    user: auth.Admin,
    body: Annotated[list[kit_schemas.Id], Body(max_length=domain.MOST_PICTURES)],
    ports: Ports,
) -> list[schemas.Picture]:
    shown = await pictures.arrange_pictures(product_id=id, picture_ids=body, ports=ports)
    return schemas.Product.of(shown).images


@router.delete("/{id}/images/{image_id}", status_code=204)
async def remove_image(id: api.ProductId, image_id: api.ProductId, user: auth.Admin, ports: Ports) -> None:
    await pictures.remove_picture(product_id=id, picture_id=image_id, ports=ports)


@router.put("/{id}/stock", responses=errors.documented(reservations.BelowReserved))
async def set_stock(
    id: api.ProductId, body: schemas_management.SetStock, user: auth.Admin, ports: Ports
) -> schemas_management.CountedStock:
    stock = await counting.set_stock(
        product_id=id, on_hand=body.on_hand, reason=body.reason, note=body.note, user=user, ports=ports
    )
    return schemas_management.CountedStock.of_stock(stock)


@router.post(
    "/{id}/stock",
    response_model=schemas_management.CountedStock,
    responses=errors.documented(reservations.BelowReserved, idempotency.KeyReused, idempotency.InProgress),
)
async def add_stock(
    id: api.ProductId,
    body: schemas_management.AddStock,
    user: auth.Admin,
    key: idempotency.Optional,
    request: Request,
    ports: Ports,
) -> Response:
    made = await counting.add_stock(
        product_id=id,
        delta=body.delta,
        reason=body.reason,
        note=body.note,
        user=user,
        key=_key(request, key, body=body),
        ports=ports,
    )
    return _answer(made)


@router.get("/{id}/stock/ledger")
async def get_stock_ledger(
    id: api.ProductId, user: auth.Admin, page: Page, ports: Ports
) -> pages.Page[schemas_management.LedgerRow]:
    rows, total = await counting.get_ledger(product_id=id, page=page, ports=ports)
    return pages.of(content=[schemas_management.LedgerRow.model_validate(row) for row in rows], query=page, total=total)


@categories.post("", status_code=201, responses=errors.documented(domain.SlugTaken))
async def create_category(
    body: schemas_management.CreateCategory, user: auth.Admin, response: Response, ports: Ports
) -> schemas.Category:
    category = await catalogue.create_category(slug=body.slug, details=body.to_details(), ports=ports)
    response.headers["Location"] = f"/api/categories/{category.slug}"
    return _category(category, response)


@categories.put("/{slug}", responses=errors.documented(*_STALE))
async def change_category(
    slug: api.Slug,
    body: schemas_management.ChangeCategory,
    user: auth.Admin,
    seen_version: SeenVersion,
    response: Response,
    ports: Ports,
) -> schemas.Category:
    category = await catalogue.change_category(
        slug=slug, details=body.to_details(), seen_version=seen_version, ports=ports
    )
    return _category(category, response)


@categories.delete("/{slug}", status_code=204, responses=errors.documented(domain.CategoryNotEmpty, *_STALE))
async def remove_category(slug: api.Slug, user: auth.Admin, seen_version: SeenVersion, ports: Ports) -> None:
    await catalogue.remove_category(slug=slug, seen_version=seen_version, ports=ports)
