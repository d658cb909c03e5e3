"""Many products at once, by SKU: all of them or none, with every fault of every row named."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pydantic

from revcart.kit import auth, errors, problems
from revcart.product import catalogue, domain, flow, once, schemas_management, store

Mode = Literal["UPSERT", "CREATE", "UPDATE"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Row:
    """A row that can be written. `current`: the product that it changes, None for a new one."""

    details: domain.Details
    on_hand: int
    current: domain.Product | None

    @property
    def is_unchanged(self) -> bool:
        fields = [field.name for field in dataclasses.fields(domain.Details)]
        return self.current is not None and all(
            getattr(self.current, name) == getattr(self.details, name) for name in fields
        )


async def import_products(
    *,
    mode: Mode,
    dry_run: bool,
    rows: Sequence[Mapping[str, Any]],
    user: auth.User,
    key: once.Key | None,
    ports: flow.Ports,
) -> once.Made:
    """Write the rows unless one has a fault or it is a `dry_run`; fields that a row leaves out stay as they are."""
    async with once.claimed(key, user=user, route="POST /api/products/bulk", ports=ports) as claim:
        if (kept := once.replay_of(claim)) is not None:
            return kept
        async with ports.store.transaction() as tx:
            planned, faults = await _plan(tx, rows, mode=mode)
            changed: list[int] = []
            if not faults and not dry_run:
                changed = [await _write(tx, row, user=user, ports=ports) for row in planned if not row.is_unchanged]
            report = schemas_management.BulkReport(
                created=sum(row.current is None for row in planned),
                updated=sum(row.current is not None and not row.is_unchanged for row in planned),
                unchanged=sum(row.is_unchanged for row in planned),
                errors=faults,
            )
            body = report.model_dump(mode="json", by_alias=True)
            if claim is not None:
                await tx.idempotency.keep(claim, status=200, body=body)
        if changed:
            await ports.shelf.changed(*changed)
        return once.Made(status=200, body=body)


async def _plan(
    tx: store.Transaction,
    rows: Sequence[Mapping[str, Any]],
    *,
    mode: Mode,
) -> tuple[list[_Row], list[schemas_management.BulkFault]]:
    skus = [str(row.get("sku", "")).strip() for row in rows]
    ids = await tx.products.ids_of(skus)
    products = {product.sku: product for product in (await tx.products.many(ids.values(), lock=True)).values()}
    slugs = {category.slug for category in await tx.categories.all()}
    planned: list[_Row] = []
    faults: list[schemas_management.BulkFault] = []
    for index, (row, sku) in enumerate(zip(rows, skus, strict=True)):
        current = products.get(sku)
        found = _objections(row, current=current, mode=mode, is_repeated=sku in skus[:index])
        if not found:
            try:
                body = schemas_management.CreateProduct.model_validate(
                    schemas_management.overlaid(row, current=current)
                )
                planned.append(_Row(details=body.to_details(), on_hand=body.stock, current=current))
                if body.category not in slugs:
                    found = [("category", "there is no such category")]
            except pydantic.ValidationError as error:
                found = [(_field(fault), problems.sentence(fault)) for fault in error.errors()]
            except errors.InvalidRequest as error:
                found = [(item.pointer.removeprefix("#/"), item.detail) for item in error.items]
        faults += [schemas_management.BulkFault(index=index, field=field, detail=detail) for field, detail in found]
    return planned, faults


def _objections(
    row: Mapping[str, Any],
    *,
    current: domain.Product | None,
    mode: Mode,
    is_repeated: bool,
) -> list[tuple[str, str]]:
    if is_repeated:
        return [("sku", "stands in an earlier row too")]
    if mode == "CREATE" and current is not None:
        return [("sku", "another product has it")]
    if mode == "UPDATE" and current is None:
        return [("sku", "there is no such product")]
    if current is not None and row.get("stock") is not None:
        return [("stock", "only for a new product; count the stock of this one instead")]
    return []


def _field(fault: Any) -> str:
    return ".".join(str(part) for part in fault["loc"])


async def _write(tx: store.Transaction, row: _Row, *, user: auth.User, ports: flow.Ports) -> int:
    now = ports.clock.now()
    if row.current is None:
        return await catalogue.add(tx, details=row.details, on_hand=row.on_hand, actor=f"user:{user.id}", now=now)
    await catalogue.change(tx, row.current.id, details=row.details, now=now)
    return row.current.id
