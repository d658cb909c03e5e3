"""Every query of the delivery service."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from revcart.delivery import domain
from revcart.kit import columns, pages, sql

metadata = sa.MetaData()
sql.shared_tables(metadata, outbox=True, inbox=True)

_stamps = ("created_at", "updated_at")


def _stamped() -> list[sa.Column[Any]]:
    return [sa.Column(name, columns.Instant, nullable=False) for name in _stamps]


agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", columns.Id, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.BigInteger, unique=True),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("phone", sa.String(16), nullable=False),
    sa.Column("email", sa.String(254), nullable=False, unique=True),  # lower case
    sa.Column("vehicle_type", sa.String(10), nullable=False),
    sa.Column("status", sa.String(10), nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("load_count", sa.Integer, nullable=False, default=0),
    sa.Column("base_lat", columns.Double),
    sa.Column("base_lng", columns.Double),
    sa.Column("current_lat", columns.Double),
    sa.Column("current_lng", columns.Double),
    sa.Column("last_seen_at", columns.Instant),
    sa.Column("idle_since", columns.Instant),
    sa.Column("active", sa.Boolean, nullable=False, default=True),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    *_stamped(),
    sa.CheckConstraint("load_count >= 0 AND load_count <= capacity", name="ck_agents_load"),
)

agent_locations = sa.Table(
    "agent_locations",
    metadata,
    sa.Column("id", columns.Id, primary_key=True, autoincrement=True),
    sa.Column("agent_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("delivery_id", sa.BigInteger),
    sa.Column("lat", columns.Double, nullable=False),
    sa.Column("lng", columns.Double, nullable=False),
    sa.Column("accuracy_m", columns.Double),
    sa.Column("speed_kmph", columns.Double),
    sa.Column("heading", columns.Double),
    sa.Column("doubtful", sa.Boolean, nullable=False),
    sa.Column("recorded_at", columns.Instant, nullable=False, index=True),
)

delivery_requests = sa.Table(
    "delivery_requests",
    metadata,
    sa.Column("id", columns.Id, primary_key=True, autoincrement=True),
    sa.Column("order_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("order_number", sa.String(20), nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("place", columns.Json, nullable=False),
    sa.Column("lat", columns.Double),
    sa.Column("lng", columns.Double),
    sa.Column("window_start", columns.Instant, nullable=False, index=True),
    sa.Column("window_end", columns.Instant, nullable=False),
    sa.Column("slot_id", sa.BigInteger),
    sa.Column("weight_g", sa.Integer, nullable=False),
    sa.Column("item_count", sa.Integer, nullable=False),
    sa.Column("cod_paise", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(10), nullable=False, index=True),
    sa.Column("due_at", columns.Instant, nullable=False, index=True),
    sa.Column("ready_at", columns.Instant),
    sa.Column("offers", sa.Integer, nullable=False, default=0),
    sa.Column("refused_agents", columns.Json, nullable=False),
    sa.Column("last_reason", sa.String(40)),
    sa.Column("alerted_at", columns.Instant),
    *_stamped(),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", columns.Id, primary_key=True, autoincrement=True),
    sa.Column("request_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("order_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("user_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("agent_id", sa.BigInteger, index=True),
    sa.Column("status", sa.String(12), nullable=False, index=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("otp_version", sa.Integer, nullable=False, default=0),
    sa.Column("otp_tries", sa.Integer, nullable=False, default=0),
    sa.Column("otp_locked_at", columns.Instant),
    sa.Column("tracking_code", sa.String(22), nullable=False, unique=True),
    sa.Column("accept_by", columns.Instant),
    sa.Column("accepted_at", columns.Instant),
    sa.Column("eta_at", columns.Instant),
    sa.Column("cod_collected_paise", sa.BigInteger),
    sa.Column("proof", sa.String(5)),
    sa.Column("failure_reason", sa.String(24)),
    sa.Column("assigned_at", columns.Instant, nullable=False),
    sa.Column("picked_up_at", columns.Instant),
    sa.Column("in_transit_at", columns.Instant),
    sa.Column("delivered_at", columns.Instant),
    sa.Column("failed_at", columns.Instant),
    sa.Column("cancelled_at", columns.Instant),
    sa.Column("published_location_at", columns.Instant),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    *_stamped(),
)

delivery_history = sa.Table(
    "delivery_history",
    metadata,
    sa.Column("id", columns.Id, primary_key=True, autoincrement=True),
    sa.Column("delivery_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("from", sa.String(12)),
    sa.Column("to", sa.String(12), nullable=False),
    sa.Column("actor", columns.Json, nullable=False),
    sa.Column("reason", sa.String(200)),
    sa.Column("lat", columns.Double),
    sa.Column("lng", columns.Double),
    sa.Column("at", columns.Instant, nullable=False),
)

delivery_attempts = sa.Table(
    "delivery_attempts",
    metadata,
    sa.Column("delivery_id", sa.BigInteger, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("agent_id", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(24), nullable=False),
    sa.Column("note", sa.String(300)),
    sa.Column("at", columns.Instant, nullable=False),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agent:
    """A row of `agents`."""

    id: int
    user_id: int | None
    name: str
    phone: str
    email: str
    vehicle_type: domain.VehicleType
    status: domain.AgentStatus
    capacity: int
    load_count: int
    base_lat: float | None
    base_lng: float | None
    current_lat: float | None
    current_lng: float | None
    last_seen_at: dt.datetime | None
    idle_since: dt.datetime | None
    active: bool
    version: int

    def position(self, *, now: dt.datetime) -> tuple[domain.Point | None, bool]:
        """Where the agent is, and whether that is fresh: else the base counts."""
        fresh = self.last_seen_at is not None and now - self.last_seen_at <= domain.FRESH_POSITION
        if fresh and self.current_lat is not None and self.current_lng is not None:
            return domain.Point(self.current_lat, self.current_lng), True
        if self.base_lat is not None and self.base_lng is not None:
            return domain.Point(self.base_lat, self.base_lng), False
        return None, False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A row of `delivery_requests`."""

    id: int
    order_id: int
    order_number: str
    user_id: int
    place: dict[str, Any]
    lat: float | None
    lng: float | None
    window_start: dt.datetime
    window_end: dt.datetime
    slot_id: int | None
    weight_g: int
    item_count: int
    cod_paise: int
    state: domain.RequestState
    due_at: dt.datetime
    ready_at: dt.datetime | None
    offers: int
    refused_agents: list[int]
    last_reason: str | None
    alerted_at: dt.datetime | None
    created_at: dt.datetime

    @property
    def point(self) -> domain.Point | None:
        return domain.Point(self.lat, self.lng) if self.lat is not None and self.lng is not None else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delivery:
    """A row of `deliveries`."""

    id: int
    request_id: int
    order_id: int
    user_id: int
    agent_id: int | None
    status: domain.Status
    attempt: int
    otp_version: int
    otp_tries: int
    otp_locked_at: dt.datetime | None
    tracking_code: str
    accept_by: dt.datetime | None
    accepted_at: dt.datetime | None
    eta_at: dt.datetime | None
    cod_collected_paise: int | None
    proof: str | None
    failure_reason: str | None
    assigned_at: dt.datetime
    picked_up_at: dt.datetime | None
    in_transit_at: dt.datetime | None
    delivered_at: dt.datetime | None
    failed_at: dt.datetime | None
    cancelled_at: dt.datetime | None
    published_location_at: dt.datetime | None
    version: int


R = TypeVar("R")
_SORTS = {
    "id": deliveries.c.id,
    "assignedAt": deliveries.c.assigned_at,
    "windowStart": delivery_requests.c.window_start,
}


def _row(kind: type[R], row: sa.RowMapping) -> R:
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    values = {name: row[name] for name in names}
    if kind is Agent:
        values["status"] = domain.AgentStatus(values["status"])
    elif kind is Delivery:
        values["status"] = domain.Status(values["status"])
    else:
        values["state"] = domain.RequestState(values["state"])
    return kind(**values)


class Transaction(sql.Transaction):
    """The queries, inside one transaction."""

    # agents

    async def agent(self, agent_id: int, *, lock: bool = False) -> Agent | None:
        return await self._one(Agent, agents, agents.c.id == agent_id, lock=lock)

    async def agent_of_user(self, user_id: int) -> Agent | None:
        return await self._one(Agent, agents, agents.c.user_id == user_id)

    async def agents_like(self, *conditions: sa.ColumnElement[bool], query: pages.PageQuery) -> tuple[list[Agent], int]:
        total = await self._count(sa.select(sa.func.count()).select_from(agents).where(*conditions))
        statement = sa.select(agents).where(*conditions).order_by(agents.c.id).limit(query.limit).offset(query.offset)
        rows = (await self.connection.execute(statement)).mappings()
        return [_row(Agent, row) for row in rows], total

    async def active_agents(self, status: domain.AgentStatus | None = None) -> list[Agent]:
        condition = agents.c.status == status if status else sa.true()
        rows = await self.connection.execute(sa.select(agents).where(agents.c.active, condition).order_by(agents.c.id))
        return [_row(Agent, row) for row in rows.mappings()]

    async def add_agent(self, **values: Any) -> int | None:
        """The new agent's id, None when e-mail or user are taken."""
        now = self.clock.now()
        row = {
            "status": domain.AgentStatus.AVAILABLE,
            "idle_since": now,
            "created_at": now,
            "updated_at": now,
            **values,
        }
        if not await sql.insert_if_absent(
            self.connection, agents, {"load_count": 0, "active": True, "version": 1, **row}
        ):
            return None
        found = await self.connection.execute(sa.select(agents.c.id).where(agents.c.email == values["email"]))
        return int(found.scalar_one())

    async def update_agent(self, agent_id: int, **values: Any) -> None:
        changes = {**values, "updated_at": self.clock.now(), "version": agents.c.version + 1}
        await self.connection.execute(agents.update().where(agents.c.id == agent_id).values(**changes))

    async def link_agent(self, *, email: str, user_id: int) -> bool:
        """Give the agent with that e-mail its user; whether there was one without."""
        statement = agents.update().where(agents.c.email == email, agents.c.user_id.is_(None)).values(user_id=user_id)
        return (await self.connection.execute(statement)).rowcount == 1

    async def take_load(self, agent_id: int) -> bool:
        """One delivery more, unless the agent is full or takes no work: decided by the update itself."""
        statement = (
            agents.update()
            .where(
                agents.c.id == agent_id,
                agents.c.active,
                agents.c.status == domain.AgentStatus.AVAILABLE,
                agents.c.load_count < agents.c.capacity,
            )
            .values(load_count=agents.c.load_count + 1, idle_since=None)
        )
        return (await self.connection.execute(statement)).rowcount == 1

    async def drop_load(self, agent_id: int) -> None:
        statement = (
            agents.update()
            .where(agents.c.id == agent_id, agents.c.load_count > 0)
            .values(load_count=agents.c.load_count - 1, idle_since=self.clock.now())
        )
        await self.connection.execute(statement)

    # requests

    async def request(self, request_id: int, *, lock: bool = False) -> Request | None:
        return await self._one(Request, delivery_requests, delivery_requests.c.id == request_id, lock=lock)

    async def request_of_order(self, order_id: int, *, lock: bool = False) -> Request | None:
        return await self._one(Request, delivery_requests, delivery_requests.c.order_id == order_id, lock=lock)

    async def add_request(self, **values: Any) -> bool:
        """Whether it is new: an order has one request."""
        now = self.clock.now()
        row = {"offers": 0, "refused_agents": [], "created_at": now, "updated_at": now, **values}
        return await sql.insert_if_absent(self.connection, delivery_requests, row)

    async def update_request(self, request_id: int, **values: Any) -> None:
        changes = {**values, "updated_at": self.clock.now()}
        await self.connection.execute(
            delivery_requests.update().where(delivery_requests.c.id == request_id).values(**changes)
        )

    async def due_requests(self, *, now: dt.datetime, limit: int) -> list[int]:
        statement = (
            sa.select(delivery_requests.c.id)
            .where(delivery_requests.c.state == domain.RequestState.WAITING, delivery_requests.c.due_at <= now)
            .order_by(delivery_requests.c.due_at, delivery_requests.c.id)
            .limit(limit)
        )
        return list((await self.connection.execute(statement)).scalars())

    async def requests_like(
        self, *conditions: sa.ColumnElement[bool], query: pages.PageQuery
    ) -> tuple[list[Request], int]:
        total = await self._count(sa.select(sa.func.count()).select_from(delivery_requests).where(*conditions))
        statement = sa.select(delivery_requests).where(*conditions).order_by(delivery_requests.c.due_at)
        rows = await self.connection.execute(statement.limit(query.limit).offset(query.offset))
        return [_row(Request, row) for row in rows.mappings()], total

    # deliveries

    async def delivery(self, delivery_id: int, *, lock: bool = False) -> Delivery | None:
        return await self._one(Delivery, deliveries, deliveries.c.id == delivery_id, lock=lock)

    async def delivery_of_order(self, order_id: int, *, lock: bool = False) -> Delivery | None:
        return await self._one(Delivery, deliveries, deliveries.c.order_id == order_id, lock=lock)

    async def delivery_by_code(self, code: str) -> Delivery | None:
        return await self._one(Delivery, deliveries, deliveries.c.tracking_code == code)

    async def add_delivery(self, **values: Any) -> int:
        now = self.clock.now()
        row = {"otp_version": 0, "otp_tries": 0, "version": 1, "created_at": now, "updated_at": now, **values}
        result = await self.connection.execute(deliveries.insert().values(**row))
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    async def update_delivery(self, delivery_id: int, **values: Any) -> None:
        changes = {**values, "updated_at": self.clock.now(), "version": deliveries.c.version + 1}
        await self.connection.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(**changes))

    async def deliveries_of_agent(self, agent_id: int, statuses: Sequence[domain.Status]) -> list[Delivery]:
        statement = (
            sa.select(deliveries)
            .where(deliveries.c.agent_id == agent_id, deliveries.c.status.in_(statuses))
            .order_by(deliveries.c.assigned_at, deliveries.c.id)
        )
        return [_row(Delivery, row) for row in (await self.connection.execute(statement)).mappings()]

    async def open_stops(self, *, window_start: dt.datetime) -> list[tuple[int, domain.Point]]:
        """(agent, destination) of what is assigned and still in the shop, for the same window."""
        statement = (
            sa.select(deliveries.c.agent_id, delivery_requests.c.lat, delivery_requests.c.lng)
            .select_from(deliveries.join(delivery_requests, delivery_requests.c.id == deliveries.c.request_id))
            .where(
                deliveries.c.status == domain.Status.ASSIGNED,
                deliveries.c.agent_id.is_not(None),
                delivery_requests.c.window_start == window_start,
                delivery_requests.c.lat.is_not(None),
            )
        )
        return [(agent_id, domain.Point(lat, lng)) for agent_id, lat, lng in await self.connection.execute(statement)]

    async def expired_offers(self, *, now: dt.datetime, limit: int) -> list[int]:
        statement = (
            sa.select(deliveries.c.id)
            .where(
                deliveries.c.status == domain.Status.ASSIGNED,
                deliveries.c.agent_id.is_not(None),
                deliveries.c.accepted_at.is_(None),
                deliveries.c.accept_by < now,
            )
            .limit(limit)
        )
        return list((await self.connection.execute(statement)).scalars())

    async def deliveries_like(
        self, *conditions: sa.ColumnElement[bool], query: pages.PageQuery
    ) -> tuple[list[tuple[Delivery, Request]], int]:
        joined = deliveries.join(delivery_requests, delivery_requests.c.id == deliveries.c.request_id)
        total = await self._count(sa.select(sa.func.count()).select_from(joined).where(*conditions))
        order = [_SORTS[field].desc() if descending else _SORTS[field] for field, descending in query.sort]
        statement = sa.select(deliveries).select_from(joined).where(*conditions).order_by(*order, deliveries.c.id)
        rows = await self.connection.execute(statement.limit(query.limit).offset(query.offset))
        found = [_row(Delivery, row) for row in rows.mappings()]
        wanted = delivery_requests.c.id.in_([delivery.request_id for delivery in found])
        requests = {
            row["id"]: _row(Request, row)
            for row in (await self.connection.execute(sa.select(delivery_requests).where(wanted))).mappings()
        }
        return [(delivery, requests[delivery.request_id]) for delivery in found], total

    # history, attempts, positions

    async def add_history(self, **values: Any) -> None:
        await self.connection.execute(delivery_history.insert().values(at=self.clock.now(), **values))

    async def history(self, delivery_id: int) -> list[sa.RowMapping]:
        statement = (
            sa.select(delivery_history)
            .where(delivery_history.c.delivery_id == delivery_id)
            .order_by(delivery_history.c.id)
        )
        return list((await self.connection.execute(statement)).mappings())

    async def add_attempt(self, **values: Any) -> None:
        await sql.insert_if_absent(self.connection, delivery_attempts, {"at": self.clock.now(), **values})

    async def add_location(self, **values: Any) -> None:
        await self.connection.execute(agent_locations.insert().values(**values))

    async def last_location(self, agent_id: int) -> sa.RowMapping | None:
        statement = (
            sa.select(agent_locations)
            .where(agent_locations.c.agent_id == agent_id, agent_locations.c.doubtful.is_(False))
            .order_by(agent_locations.c.id.desc())
            .limit(1)
        )
        return (await self.connection.execute(statement)).mappings().first()

    async def forget_locations(self, *, before: dt.datetime) -> None:
        await self.connection.execute(agent_locations.delete().where(agent_locations.c.recorded_at < before))

    async def _one(self, kind: type[R], table: sa.Table, condition: Any, *, lock: bool = False) -> R | None:
        statement = sa.select(table).where(condition)
        row = (await self.connection.execute(statement.with_for_update() if lock else statement)).mappings().first()
        return None if row is None else _row(kind, row)

    async def _count(self, statement: sa.Select[Any]) -> int:
        return int((await self.connection.execute(statement)).scalar_one())


class Store(sql.Store[Transaction]):
    """The only committer of this service."""
