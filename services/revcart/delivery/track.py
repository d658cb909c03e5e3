"""What somebody sees of a delivery: the people involved see it whole, the holder of a tracking code a careful part."""

import dataclasses
import datetime as dt
from typing import Any

from revcart.delivery import domain, store
from revcart.delivery import ports as all_ports
from revcart.kit import auth, errors, pages


@dataclasses.dataclass(frozen=True, kw_only=True)
class View:
    """A delivery with all that its answer needs. `code`: the customer's, for the customer alone."""

    delivery: store.Delivery
    request: store.Request
    agent: store.Agent | None
    shows_phone: bool
    code: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Track:
    """Where an order is. Without a delivery yet the stage is WAITING."""

    request: store.Request
    delivery: store.Delivery | None
    agent: store.Agent | None
    timeline: list[tuple[str, dt.datetime]]
    code: str | None
    public: bool

    @property
    def stage(self) -> str:
        if self.delivery is None or (self.delivery.agent_id is None and self.delivery.status in domain.LIVE):
            return "WAITING"
        return self.delivery.status.value

    @property
    def position(self) -> tuple[domain.Point, dt.datetime] | None:
        """The agent's position: only while it is on the way to this customer."""
        if self.delivery is None or self.delivery.status not in domain.ON_THE_WAY or self.agent is None:
            return None
        lat, lng, seen = self.agent.current_lat, self.agent.current_lng, self.agent.last_seen_at
        if lat is None or lng is None or seen is None:
            return None
        return domain.Point(round(lat, 3), round(lng, 3)) if self.public else domain.Point(lat, lng), seen


async def delivery(*, delivery_id: int, user: auth.User, ports: all_ports.Ports) -> View:
    """One delivery, for its customer, its agent or an ADMIN. Raises NotFound."""
    async with ports.store.read() as tx:
        return await _view(tx, await tx.delivery(delivery_id), user, ports)


async def delivery_of_order(*, order_id: int, user: auth.User, ports: all_ports.Ports) -> View:
    """The same by the order's id."""
    async with ports.store.read() as tx:
        return await _view(tx, await tx.delivery_of_order(order_id), user, ports)


async def for_service(*, order_id: int, ports: all_ports.Ports) -> View:
    """For other services: without the code. Raises NotFound."""
    async with ports.store.read() as tx:
        found = await tx.delivery_of_order(order_id)
        if found is None:
            raise errors.NotFound
        return await _whole(tx, found, shows_phone=False, code=None)


async def find(
    *, conditions: list[Any], query: pages.PageQuery, user: auth.User, ports: all_ports.Ports
) -> tuple[list[View], int]:
    """A page of deliveries; an agent sees its own alone."""
    async with ports.store.read() as tx:
        if user.role != "ADMIN":
            agent = await tx.agent_of_user(user.id)
            conditions = [*conditions, store.deliveries.c.agent_id == (agent.id if agent else -1)]
        rows, total = await tx.deliveries_like(*conditions, query=query)
        agents = {agent.id: agent for agent in await tx.active_agents()}
    views = [
        View(
            delivery=row,
            request=request,
            agent=agents.get(row.agent_id) if row.agent_id else None,
            shows_phone=True,
            code=None,
        )
        for row, request in rows
    ]
    return views, total


async def history(*, delivery_id: int, ports: all_ports.Ports) -> list[dict[str, Any]]:
    """Every step, oldest first. Raises NotFound."""
    async with ports.store.read() as tx:
        if await tx.delivery(delivery_id) is None:
            raise errors.NotFound
        return [dict(row) for row in await tx.history(delivery_id)]


async def by_order(*, order_id: int, user: auth.User, ports: all_ports.Ports) -> Track:
    """Where an order is, for its customer, its agent or an ADMIN. Raises NotFound."""
    async with ports.store.read() as tx:
        request = await tx.request_of_order(order_id)
        if request is None:
            raise errors.NotFound
        found = await tx.delivery_of_order(order_id)
        agent = await tx.agent(found.agent_id) if found is not None and found.agent_id is not None else None
        _require_party(user, request, agent)
        code = _code(found, user, ports) if found is not None else None
        return await _track(tx, request, found, agent, code=code, public=False)


async def by_code(*, code: str, ports: all_ports.Ports) -> Track:
    """Where a delivery is, for whoever holds its link; until a day after its end. Raises NotFound."""
    async with ports.store.read() as tx:
        found = await tx.delivery_by_code(code)
        if found is None:
            raise errors.NotFound
        ended_at = found.delivered_at or found.cancelled_at
        if ended_at is not None and ports.clock.now() - ended_at > domain.TRACKING_ENDS_AFTER:
            raise errors.NotFound
        request = await tx.request(found.request_id)
        assert request is not None
        agent = await tx.agent(found.agent_id) if found.agent_id is not None else None
        return await _track(tx, request, found, agent, code=None, public=True)


async def _track(
    tx: store.Transaction,
    request: store.Request,
    found: store.Delivery | None,
    agent: store.Agent | None,
    *,
    code: str | None,
    public: bool,
) -> Track:
    timeline = [("WAITING", request.created_at)]
    if found is not None:
        timeline += [(row["to"], row["at"]) for row in await tx.history(found.id)]
    return Track(request=request, delivery=found, agent=agent, timeline=timeline, code=code, public=public)


async def _view(tx: store.Transaction, found: store.Delivery | None, user: auth.User, ports: all_ports.Ports) -> View:
    if found is None:
        raise errors.NotFound
    whole = await _whole(tx, found, shows_phone=user.role != "CUSTOMER" or found.status in domain.LIVE, code=None)
    _require_party(user, whole.request, whole.agent)
    return dataclasses.replace(whole, code=_code(found, user, ports))


async def _whole(tx: store.Transaction, found: store.Delivery, *, shows_phone: bool, code: str | None) -> View:
    request = await tx.request(found.request_id)
    assert request is not None, "a delivery has its request"
    agent = await tx.agent(found.agent_id) if found.agent_id is not None else None
    return View(delivery=found, request=request, agent=agent, shows_phone=shows_phone, code=code)


def _require_party(user: auth.User, request: store.Request, agent: store.Agent | None) -> None:
    if user.role == "ADMIN" or user.id == request.user_id or (agent is not None and agent.user_id == user.id):
        return
    raise errors.NotFound


def _code(found: store.Delivery, user: auth.User, ports: all_ports.Ports) -> str | None:
    if user.id != found.user_id or found.status not in domain.ON_THE_WAY:
        return None
    return domain.one_time_code(
        key=ports.otp_key, delivery_id=found.id, attempt=found.attempt, version=found.otp_version
    )
