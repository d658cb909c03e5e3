"""Admin's own answers. What belongs to other services is passed back as they answered it."""

import json
from typing import Any, Literal, Self

from revcart.admin import domain
from revcart.kit import schemas

Object = dict[str, Any]


class ServiceCount(schemas.Answer):
    up: int
    total: int


class Stats(schemas.Answer):
    total_products: int | None
    total_orders: int | None
    total_users: int | None
    total_revenue: float | None  # rupees, as analytics answered them
    unavailable: list[str]


class Dashboard(Stats):
    today: Object | None
    orders_by_status: dict[str, int] | None
    recent_orders: list[Object] | None
    low_stock: list[Object] | None
    waiting_deliveries: int | None
    services: ServiceCount


class Today(schemas.Answer):
    today_orders: int
    today_revenue: float
    pending_deliveries: int


class Revenue(schemas.Answer):
    today: float
    week: float
    month: float


class OrderStats(schemas.Answer):
    pending: int
    processing: int
    delivered: int
    cancelled: int


class OrderView(schemas.Answer):
    order: Object
    payments: list[Object] | None
    delivery: Object | None
    customer: Object | None
    history: list[Object] | None
    unavailable: list[str]


class AuditEntry(schemas.Answer):
    id: int
    at: schemas.Instant
    actor_id: int
    actor_email: str
    actor_ip: str
    action: str
    entity_type: str
    entity_id: str | None
    before: Any
    after: Any
    outcome: domain.Outcome
    status: int | None
    request_id: str
    previous_hash: str
    hash: str

    @classmethod
    def of(cls, entry: domain.Entry) -> Self:
        read = {name: None if text is None else json.loads(text) for name, text in
                (("before", entry.before), ("after", entry.after))}  # fmt: skip
        return cls(**{**vars(entry), **read})


class Verdict(schemas.Answer):
    ok: bool
    rows: int
    first_broken_id: int | None


Status = Literal["UP", "DEGRADED", "DOWN", "UNKNOWN"]


class InstanceHealth(schemas.Answer):
    id: str
    address: str
    status: str
    version: str | None
    started_at: schemas.Instant | None
    components: dict[str, str]
    requests: int | None
    errors: int | None
    error_rate: float | None
    mean_ms: float | None
    max_ms: float | None


class ServiceHealth(schemas.Answer):
    name: str
    status: Status
    instances: list[InstanceHealth]
    required_replicas: int | None
    checked_at: schemas.Instant
