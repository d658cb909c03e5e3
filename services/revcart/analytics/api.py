"""The reports' endpoints: read the query, ask the flow, answer as JSON or CSV. All for ADMIN."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Query, Request, Response

from revcart.analytics import calendar, domain, flow, schemas, table
from revcart.kit import asgi, auth
from revcart.kit import schemas as kit_schemas

router = asgi.router(prefix="/api/analytics", tags=["analytics"])
internal = asgi.router(prefix="/internal", tags=["internal"])

Ports = Annotated[flow.Ports, Depends(asgi.ports)]
From = Annotated[kit_schemas.Date | None, Query(alias="from")]
Format = Annotated[Literal["json", "csv"] | None, Query()]
Limit = Annotated[int, Query(ge=1, le=100)]


def _period(
    ports: Ports,
    from_: From = None,
    to: kit_schemas.Date | None = None,
    interval: calendar.Interval | None = None,
) -> domain.Period:
    today = ports.calendar.day(ports.clock.now())
    return domain.period(first=from_, last=to, interval=interval, today=today)


Period = Annotated[domain.Period, Depends(_period)]
Category = Annotated[str | None, Query(max_length=30)]
Report = TypeVar("Report", schemas.Sales, schemas.Products, schemas.Users)
User = Annotated[auth.Caller, Depends(auth.service("user"))]


_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {table.MEDIA_TYPE: {"schema": {"type": "string"}}}}}


@router.get("/sales", responses=_CSV)
@asgi.produces(table.MEDIA_TYPE)
async def sales_report(
    request: Request,
    user: auth.Admin,
    ports: Ports,
    period: Period,
    compare: bool = True,
    method: schemas.Method | None = None,
    category: Category = None,
    format: Format = None,
) -> schemas.Sales:
    report = await flow.sales(period=period, compare=compare, method=method, category=category, ports=ports)
    return _answer(request, format, report, name="sales", rows=report.series, row=schemas.SalesPoint)


@router.get("/products", responses=_CSV)
@asgi.produces(table.MEDIA_TYPE)
async def products_report(
    request: Request,
    user: auth.Admin,
    ports: Ports,
    period: Period,
    category: Category = None,
    sort: schemas.ProductSort = "units",
    limit: Limit = 10,
    format: Format = None,
) -> schemas.Products:
    report = await flow.products(period=period, category=category, sort=sort, limit=limit, ports=ports)
    return _answer(request, format, report, name="products", rows=report.top, row=schemas.ProductFigures)


@router.get("/users", responses=_CSV)
@asgi.produces(table.MEDIA_TYPE)
async def users_report(
    request: Request,
    user: auth.Admin,
    ports: Ports,
    period: Period,
    compare: bool = True,
    limit: Limit = 10,
    format: Format = None,
) -> schemas.Users:
    report = await flow.users(period=period, compare=compare, limit=limit, ports=ports)
    return _answer(request, format, report, name="users", rows=report.series, row=schemas.UserPoint)


@router.get("/dashboard")
async def analytics_dashboard(user: auth.Admin, ports: Ports, to: kit_schemas.Date | None = None) -> schemas.Dashboard:
    return await flow.dashboard(day=to, ports=ports)


@internal.post("/rebuild", status_code=202)
async def rebuild_rollups(
    body: schemas.Rebuild, caller: Annotated[auth.Caller, Depends(auth.service("admin"))], ports: Ports
) -> schemas.Accepted:
    await flow.rebuild(first=body.from_, last=body.to, ports=ports)
    return schemas.Accepted(message="Those days are being counted again.")


@internal.get("/export/{user_id}")
async def export_analytics(user_id: kit_schemas.Id, caller: User, ports: Ports) -> dict[str, Any]:
    return await flow.export(user_id=user_id, ports=ports)


@internal.delete("/personal-data/{user_id}", status_code=204)
async def erase_analytics(user_id: kit_schemas.Id, caller: User, ports: Ports) -> None:
    await flow.erase(user_id=user_id, ports=ports)


def _answer(
    request: Request,
    format: str | None,
    report: Report,
    *,
    name: str,
    rows: Sequence[kit_schemas.Answer],
    row: type[kit_schemas.Answer],
) -> Report:
    """The report, or, where CSV is asked for, one list of it."""
    asked = request.headers.get("accept", "").partition(";")[0].strip().lower()
    if format == "json" or (format is None and asked != table.MEDIA_TYPE):
        return report
    columns = [field.alias or field_name for field_name, field in row.model_fields.items()]
    columns.sort(key=lambda column: column != "start")
    content = table.render([item.model_dump(mode="json", by_alias=True) for item in rows], columns=columns)
    disposition = f'attachment; filename="{name}-{report.from_}-{report.to}.csv"'
    answer: Any = Response(
        content, media_type=f"{table.MEDIA_TYPE}; charset=utf-8", headers={"Content-Disposition": disposition}
    )
    return answer  # type: ignore[no-any-return]  # FastAPI sends a Response as it is
