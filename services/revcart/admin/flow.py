"""The use cases: make an audited change, put a view together from its owners, read and check the audit log."""

import asyncio
import dataclasses
from collections.abc import Awaitable
from typing import Any

from revcart.admin import clients, domain, monitoring, schemas, store
from revcart.kit import clock, errors, http, pages, telemetry

log = telemetry.get_logger(__name__)
_RECENT = 10
_PROCESSING = ("CONFIRMED", "PREPARING", "OUT_FOR_DELIVERY")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What admin needs."""

    clock: clock.Clock
    store: store.Store
    owners: clients.Owners
    monitor: monitoring.Monitor


async def prepare(*, ports: Ports) -> None:
    async with ports.store.transaction() as tx:
        await tx.make_head()


# Changes


async def change(*, change: domain.Change, actor: domain.Actor, ports: Ports) -> http.Answer:
    """Make a change at its owner, with a row before and a row after it, so that a crash between them leaves a trace.

    Raises Refused (the owner's answer, passed back unchanged), DependencyUnavailable (503; nothing is sent when the
    audit log itself is away).
    """
    before = await _before(change, actor=actor, ports=ports)
    await _note(change, actor, outcome="PENDING", before=None, after=change.body, ports=ports)
    try:
        answer = await ports.owners.perform(actor, change)
    except errors.Refused as refusal:
        await _note(change, actor, outcome="REFUSED", status=refusal.answered, ports=ports)
        raise
    except errors.DependencyUnavailable as away:
        await _note(change, actor, outcome="FAILED", status=away.status, ports=ports)
        raise
    await _finish(change, actor, before=before, answer=answer, ports=ports)
    return answer


async def _before(change: domain.Change, *, actor: domain.Actor, ports: Ports) -> Any:
    """What the thing was; None where its owner does not say: then the change itself shows why."""
    if change.seen_at is None:
        return None
    try:
        return await ports.owners.read(actor, change.service, change.seen_at, **change.seen_with)
    except (errors.Refused, errors.DependencyUnavailable):
        return None


async def _finish(
    change: domain.Change, actor: domain.Actor, *, before: Any, answer: http.Answer, ports: Ports
) -> None:
    after = answer.json() if answer.body else None
    if change.entity_id is None and isinstance(after, dict) and "id" in after:
        change = dataclasses.replace(change, entity_id=str(after["id"]))
    was, became = domain.difference(before, after) if before is not None else (None, after)
    try:
        await _note(change, actor, outcome="OK", status=answer.status, before=was, after=became, ports=ports)
    except errors.DependencyUnavailable as away:
        # The change is made: saying otherwise would be wrong, and its PENDING row tells of it.
        log.error("audit.unfinished", action=change.action, exc_info=away)


async def _note(
    change: domain.Change,
    actor: domain.Actor,
    *,
    outcome: domain.Outcome,
    ports: Ports,
    status: int | None = None,
    before: Any = None,
    after: Any = None,
) -> None:
    async with ports.store.transaction() as tx:
        await tx.append(
            actor_id=actor.id,
            actor_email=actor.email,
            actor_ip=actor.ip,
            action=change.action,
            entity_type=change.entity_type,
            entity_id=change.entity_id,
            before=None if before is None else domain.text(domain.hidden(before)),
            after=None if after is None else domain.text(domain.hidden(after)),
            outcome=outcome,
            status=status,
            request_id=telemetry.request_id.get(),
        )


async def assign(*, order_id: str, body: dict[str, Any], actor: domain.Actor, ports: Ports) -> http.Answer:
    """Give an order to an agent: a new delivery, or another agent for the one it has.

    Raises Refused, DependencyUnavailable.
    """
    number = await order_number(order_id=order_id, actor=actor, ports=ports)
    seen_at = f"/api/delivery/order/{number}"
    agent = body.get("agentId")
    delivery = await ports.owners.read_or_none(actor, "delivery", seen_at)
    again = delivery is not None and agent is not None
    return await change(
        change=domain.Change(
            action="delivery.reassign" if again else "delivery.assign",
            entity_type="order",
            entity_id=str(number),
            service="delivery",
            method="PUT" if again else "POST",
            path=f"/api/delivery/{delivery['id']}/reassign/{agent}" if again else "/api/delivery/assign",
            body={"reason": body.get("reason")} if again else {"orderId": number, "agentId": agent},
            seen_at=seen_at if again else None,
        ),
        actor=actor,
        ports=ports,
    )


async def order_number(*, order_id: str, actor: domain.Actor, ports: Ports) -> int:
    """The id of an order, also where its number was given. Raises Refused (404), DependencyUnavailable."""
    if order_id.isascii() and order_id.isdecimal():
        return int(order_id)
    return int((await ports.owners.read(actor, "order", f"/api/orders/{order_id}"))["id"])


# Views


async def order(*, order_id: str, actor: domain.Actor, ports: Ports) -> schemas.OrderView:
    """An order with all that other services know of it; a silent one is named. Raises Refused (404)."""
    found = await ports.owners.read(actor, "order", f"/api/orders/{order_id}")
    number = found["id"]
    owners = ports.owners
    parts = await _parts(
        payments=("payment", owners.read_or_none(actor, "payment", f"/api/payments/{number}")),
        delivery=("delivery", owners.read_or_none(actor, "delivery", f"/api/delivery/order/{number}")),
        customer=("user", owners.read_or_none(actor, "user", f"/api/users/{found['userId']}")),
        history=("order", owners.read(actor, "order", f"/api/orders/{number}/history")),
    )
    payment = parts.values["payments"]
    return schemas.OrderView(
        order=found,
        payments=None if "payment" in parts.unavailable else [payment] if payment else [],
        delivery=parts.values["delivery"],
        customer=parts.values["customer"],
        history=parts.values["history"],
        unavailable=parts.unavailable,
    )


async def dashboard(*, actor: domain.Actor, ports: Ports) -> schemas.Dashboard:
    """The shop at a glance. A part whose owner is silent is null and named in `unavailable`."""
    owners = ports.owners
    parts = await _parts(
        products=("product", owners.read(actor, "product", "/api/products/count")),
        low=("product", owners.read(actor, "product", "/api/products/low-stock", size=_RECENT)),
        orders=("order", owners.read(actor, "order", "/api/orders/count")),
        recent=("order", recent_orders(actor=actor, ports=ports)),
        users=("user", owners.read(actor, "user", "/api/users/count")),
        figures=("analytics", owners.read(actor, "analytics", "/api/analytics/dashboard")),
        waiting=("delivery", owners.read(actor, "delivery", "/api/delivery/requests", state="WAITING", size=1)),
    )
    return schemas.Dashboard(
        total_products=parts.field("products", "count"),
        total_orders=parts.field("orders", "count"),
        total_users=parts.field("users", "count"),
        total_revenue=parts.field("figures", "totalRevenue"),
        today=parts.field("figures", "today"),
        orders_by_status=parts.field("orders", "byStatus"),
        recent_orders=parts.values["recent"],
        low_stock=parts.field("low", "content"),
        waiting_deliveries=parts.field("waiting", "totalElements"),
        services=await ports.monitor.registered(),
        unavailable=parts.unavailable,
    )


async def totals(*, actor: domain.Actor, ports: Ports) -> schemas.Stats:
    """The dashboard's four totals."""
    owners = ports.owners
    parts = await _parts(
        products=("product", owners.read(actor, "product", "/api/products/count")),
        orders=("order", owners.read(actor, "order", "/api/orders/count")),
        users=("user", owners.read(actor, "user", "/api/users/count")),
        figures=("analytics", owners.read(actor, "analytics", "/api/analytics/dashboard")),
    )
    return schemas.Stats(
        total_products=parts.field("products", "count"),
        total_orders=parts.field("orders", "count"),
        total_users=parts.field("users", "count"),
        total_revenue=parts.field("figures", "totalRevenue"),
        unavailable=parts.unavailable,
    )


async def today(*, actor: domain.Actor, ports: Ports) -> schemas.Today:
    """Raises DependencyUnavailable."""
    figures = await ports.owners.read(actor, "analytics", "/api/analytics/dashboard")
    return schemas.Today(
        today_orders=figures["today"]["orders"],
        today_revenue=figures["today"]["revenue"],
        pending_deliveries=figures["pendingDeliveries"],
    )


async def revenue(*, actor: domain.Actor, ports: Ports) -> schemas.Revenue:
    """Raises DependencyUnavailable."""
    sales = await ports.owners.read(actor, "analytics", "/api/analytics/sales", compare=False)
    return schemas.Revenue(today=sales["today"], week=sales["week"], month=sales["month"])


async def top_products(*, limit: int, actor: domain.Actor, ports: Ports) -> list[dict[str, Any]]:
    """Raises DependencyUnavailable."""
    found = await ports.owners.read(actor, "analytics", "/api/analytics/products", limit=limit)
    top: list[dict[str, Any]] = found["top"]
    return top


async def order_stats(*, actor: domain.Actor, ports: Ports) -> schemas.OrderStats:
    """Raises DependencyUnavailable."""
    by_status = (await ports.owners.read(actor, "order", "/api/orders/count"))["byStatus"]
    return schemas.OrderStats(
        pending=by_status.get("PENDING", 0),
        processing=sum(by_status.get(status, 0) for status in _PROCESSING),
        delivered=by_status.get("DELIVERED", 0),
        cancelled=by_status.get("CANCELLED", 0),
    )


async def recent_orders(*, actor: domain.Actor, ports: Ports) -> list[dict[str, Any]]:
    """The last ten. Raises DependencyUnavailable."""
    found = await ports.owners.read(actor, "order", "/api/orders", size=_RECENT, sort="createdAt,desc")
    orders: list[dict[str, Any]] = found["content"]
    return orders


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Parts:
    values: dict[str, Any]
    unavailable: list[str]

    def field(self, part: str, name: str) -> Any:
        """A field of a part, None where its owner is silent."""
        return None if self.values[part] is None else self.values[part][name]


async def _parts(**asked: tuple[str, Awaitable[Any]]) -> _Parts:
    """Answers of several owners, asked at once; None for one that is away. Raises Refused: that is no outage."""
    answers = await asyncio.gather(*(answer for _, answer in asked.values()), return_exceptions=True)
    values: dict[str, Any] = {}
    unavailable = set()
    for (name, (service, _)), answer in zip(asked.items(), answers, strict=True):
        if isinstance(answer, errors.DependencyUnavailable):
            unavailable.add(service)
        elif isinstance(answer, BaseException):
            raise answer
        values[name] = None if isinstance(answer, BaseException) else answer
    return _Parts(values=values, unavailable=sorted(unavailable))


# The audit log


async def audit(*, wanted: store.Wanted, query: pages.PageQuery, ports: Ports) -> pages.Page[schemas.AuditEntry]:
    """One page of it."""
    async with ports.store.read() as tx:
        entries, total = await tx.search(wanted, query)
    return pages.of(content=[schemas.AuditEntry.of(entry) for entry in entries], query=query, total=total)


async def verify(*, ports: Ports) -> schemas.Verdict:
    """Whether every row is as it was written, none is missing, and the last one is the last that was added."""
    async with ports.store.read() as tx:
        last_id, last_hash = await tx.head()
    rows, previous = 0, domain.FIRST_HASH
    async for entry in ports.store.entries():
        if entry.id > last_id:
            break  # added since the question was asked
        if entry.id != rows + 1 or entry.previous_hash != previous or entry.hash != entry.true_hash:
            return schemas.Verdict(ok=False, rows=rows, first_broken_id=rows + 1)
        rows, previous = rows + 1, entry.hash
    if rows != last_id or previous != last_hash:
        return schemas.Verdict(ok=False, rows=rows, first_broken_id=rows + 1)
    return schemas.Verdict(ok=True, rows=rows, first_broken_id=None)
