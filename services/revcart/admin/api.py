"""Admin's own views: dashboard, the original's figures, monitoring, the audit log."""

from typing import Annotated

from fastapi import Depends, Query

from revcart.admin import domain, flow, passing, schemas, store
from revcart.kit import asgi, auth, errors, pages
from revcart.kit import schemas as kit_schemas
from revcart.kit.pages import Page

router = asgi.router(prefix="/api/admin", tags=["admin"])

Actor = passing.Actor
Ports = passing.Ports
AuditPage = Annotated[pages.PageQuery, Depends(pages.query("at", "id", default="id,desc"))]


@router.get("/dashboard")
async def admin_dashboard(actor: Actor, ports: Ports) -> schemas.Dashboard:
    return await flow.dashboard(actor=actor, ports=ports)


@router.get("/stats/real")
async def admin_totals(actor: Actor, ports: Ports) -> schemas.Stats:
    return await flow.totals(actor=actor, ports=ports)


@router.get("/metrics/today")
async def admin_today(actor: Actor, ports: Ports) -> schemas.Today:
    return await flow.today(actor=actor, ports=ports)


@router.get("/analytics/sales")
async def admin_revenue(actor: Actor, ports: Ports) -> schemas.Revenue:
    return await flow.revenue(actor=actor, ports=ports)


@router.get("/analytics/top-products")
async def admin_top_products(
    actor: Actor, ports: Ports, limit: Annotated[int, Query(ge=1, le=100)] = 10
) -> list[schemas.Object]:
    return await flow.top_products(limit=limit, actor=actor, ports=ports)


@router.get("/analytics/order-stats")
async def admin_order_stats(actor: Actor, ports: Ports) -> schemas.OrderStats:
    return await flow.order_stats(actor=actor, ports=ports)


@router.get("/orders/recent")
async def admin_recent_orders(actor: Actor, ports: Ports) -> list[schemas.Object]:
    return await flow.recent_orders(actor=actor, ports=ports)


@router.get("/monitoring/services")
async def monitored_services(user: auth.Admin, ports: Ports) -> list[schemas.ServiceHealth]:
    return await ports.monitor.all()


@router.get("/monitoring/services/{name}", responses=errors.documented(errors.NotFound))
async def monitored_service(name: str, user: auth.Admin, ports: Ports) -> schemas.ServiceHealth:
    if name not in domain.SERVICES:
        raise errors.NotFound
    return await ports.monitor.one(name)


@router.get("/audit")
async def audit_entries(
    user: auth.Admin,
    ports: Ports,
    query: AuditPage,
    actor_id: Annotated[kit_schemas.Id | None, Query(alias="actorId")] = None,
    action: Annotated[str | None, Query(max_length=64)] = None,
    entity_type: Annotated[str | None, Query(alias="entityType", max_length=32)] = None,
    entity_id: Annotated[str | None, Query(alias="entityId", max_length=64)] = None,
    since: Annotated[kit_schemas.Instant | None, Query(alias="from")] = None,
    until: Annotated[kit_schemas.Instant | None, Query(alias="to")] = None,
) -> Page[schemas.AuditEntry]:
    wanted = store.Wanted(
        actor_id=actor_id,
        action=action,
        entity_type=entity_type,
        entity_id=entity_id,
        since=since,
        until=until,
    )
    return await flow.audit(wanted=wanted, query=query, ports=ports)


@router.get("/audit/verify")
async def verify_audit(user: auth.Admin, ports: Ports) -> schemas.Verdict:
    return await flow.verify(ports=ports)
