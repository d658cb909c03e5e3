"""The agents: who they are, whether they take work, where they are, and what their positions tell the customer."""

import dataclasses
import datetime as dt
from typing import Any

from revcart.delivery import domain, events, moves, offers, store
from revcart.delivery import ports as all_ports
from revcart.kit import auth, errors, pages

PUBLISH_EVERY = dt.timedelta(seconds=3)
OLDEST_POSITION = dt.timedelta(minutes=5)
FUTURE_POSITION = dt.timedelta(seconds=60)
ETA_STEP = dt.timedelta(seconds=60)
POSITIONS_KEPT = dt.timedelta(days=7)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ping:
    """One reported position. Metres, degrees, km/h."""

    lat: float
    lng: float
    accuracy_metres: float | None = None
    heading: float | None = None
    speed_kmph: float | None = None
    recorded_at: dt.datetime | None = None

    @property
    def point(self) -> domain.Point:
        return domain.Point(self.lat, self.lng)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accepted:
    """What became of a position."""

    accepted: bool
    eta_at: dt.datetime | None


async def create(*, values: dict[str, Any], ports: all_ports.Ports) -> store.Agent:
    """A new agent. Raises AgentExists (409)."""
    async with ports.store.transaction() as tx:
        agent_id = await tx.add_agent(**values)
        agent = await tx.agent(agent_id) if agent_id is not None else None
    if agent is None:
        raise domain.AgentExists
    return agent


async def get(*, agent_id: int, ports: all_ports.Ports) -> store.Agent:
    """Raises NotFound."""
    async with ports.store.read() as tx:
        agent = await tx.agent(agent_id)
    if agent is None:
        raise errors.NotFound
    return agent


async def of_user(*, user: auth.User, ports: all_ports.Ports) -> store.Agent:
    """The agent that this user is. Raises NotFound when no ADMIN has entered one."""
    async with ports.store.read() as tx:
        agent = await tx.agent_of_user(user.id)
    if agent is None:
        raise errors.NotFound
    return agent


async def own_or_any(*, agent_id: int, user: auth.User, ports: all_ports.Ports) -> store.Agent:
    """An ADMIN sees every agent, an agent itself. Raises NotFound."""
    agent = await get(agent_id=agent_id, ports=ports)
    if user.role != "ADMIN" and agent.user_id != user.id:
        raise errors.NotFound
    return agent


async def find(
    *, conditions: list[Any], query: pages.PageQuery, ports: all_ports.Ports
) -> tuple[list[store.Agent], int]:
    """A page of agents."""
    async with ports.store.read() as tx:
        return await tx.agents_like(*conditions, query=query)


async def update(*, agent_id: int, values: dict[str, Any], ports: all_ports.Ports) -> store.Agent:
    """Change an agent. Raises NotFound."""
    async with ports.store.transaction() as tx:
        if await tx.agent(agent_id, lock=True) is None:
            raise errors.NotFound
        await tx.update_agent(agent_id, **values)
        agent = await tx.agent(agent_id)
    assert agent is not None
    return agent


async def deactivate(*, agent_id: int, ports: all_ports.Ports) -> None:
    """Take an agent out of the fleet. Raises NotFound, AgentBusy (409)."""
    async with ports.store.transaction() as tx:
        agent = await tx.agent(agent_id, lock=True)
        if agent is None or not agent.active:
            raise errors.NotFound
        if agent.load_count:
            raise domain.AgentBusy(f"{agent.name} carries {agent.load_count}.")
        await tx.update_agent(agent_id, active=False, status=domain.AgentStatus.OFFLINE)


async def set_status(
    *, agent_id: int, status: domain.AgentStatus, user: auth.User, ports: all_ports.Ports
) -> store.Agent:
    """Start or end work. BUSY means "no more work". Raises NotFound, AgentBusy (409) with live deliveries.

    An ADMIN may send an agent OFFLINE whose deliveries are all still in the shop: they go to others.
    """
    agent = await own_or_any(agent_id=agent_id, user=user, ports=ports)
    target = domain.AgentStatus.AVAILABLE if status == domain.AgentStatus.AVAILABLE else domain.AgentStatus.OFFLINE
    if target == domain.AgentStatus.OFFLINE and status == domain.AgentStatus.OFFLINE and agent.load_count:
        if user.role != "ADMIN":
            raise domain.AgentBusy(f"{agent.name} carries {agent.load_count}.")
        await offers.take_from(agent_id=agent_id, ports=ports)
    async with ports.store.transaction() as tx:
        await tx.update_agent(agent_id, status=target, idle_since=ports.clock.now())
        fresh = await tx.agent(agent_id)
    assert fresh is not None
    return fresh


async def report(*, agent_id: int, ping: Ping, user: auth.User, ports: all_ports.Ports) -> Accepted:
    """The agent's own position. Raises NotFound for any other user: nobody moves somebody else."""
    now = ports.clock.now()
    recorded_at = ping.recorded_at or now
    async with ports.store.transaction() as tx:
        agent = await tx.agent(agent_id, lock=True)
        if agent is None or agent.user_id != user.id:
            raise errors.NotFound
        if not now - OLDEST_POSITION <= recorded_at <= now + FUTURE_POSITION:
            return Accepted(accepted=False, eta_at=None)
        if agent.last_seen_at is not None and recorded_at < agent.last_seen_at + dt.timedelta(seconds=1):
            return Accepted(accepted=False, eta_at=None)
        live = await tx.deliveries_of_agent(agent_id, [domain.Status.PICKED_UP, domain.Status.IN_TRANSIT])
        if _is_doubtful(agent, ping, recorded_at=recorded_at):
            await _keep(tx, agent_id, live, ping, recorded_at=recorded_at, doubtful=True)
            return Accepted(accepted=False, eta_at=None)
        await tx.update_agent(agent_id, current_lat=ping.lat, current_lng=ping.lng, last_seen_at=recorded_at)
        if live:
            await _keep(tx, agent_id, live, ping, recorded_at=recorded_at, doubtful=False)
        etas = [
            await _follow(tx, delivery, agent, ping, ports, stops_before=position, recorded_at=recorded_at)
            for position, delivery in enumerate(live)
        ]
    return Accepted(accepted=True, eta_at=etas[0] if etas else None)


def _is_doubtful(agent: store.Agent, ping: Ping, *, recorded_at: dt.datetime) -> bool:
    """Too inaccurate, or a jump that no vehicle makes."""
    if ping.accuracy_metres is not None and ping.accuracy_metres > domain.MAX_ACCURACY_METRES:
        return True
    if agent.current_lat is None or agent.current_lng is None or agent.last_seen_at is None:
        return False
    metres = domain.Point(agent.current_lat, agent.current_lng).metres_to(ping.point)
    seconds = max((recorded_at - agent.last_seen_at).total_seconds(), 1.0)
    return metres / seconds * 3.6 > domain.MAX_SPEED_KMPH


async def _keep(
    tx: store.Transaction,
    agent_id: int,
    live: list[store.Delivery],
    ping: Ping,
    *,
    recorded_at: dt.datetime,
    doubtful: bool,
) -> None:
    await tx.add_location(
        agent_id=agent_id,
        delivery_id=live[0].id if live else None,
        lat=ping.lat,
        lng=ping.lng,
        accuracy_m=ping.accuracy_metres,
        speed_kmph=ping.speed_kmph,
        heading=ping.heading,
        doubtful=doubtful,
        recorded_at=recorded_at,
    )


async def forget_positions(*, ports: all_ports.Ports) -> None:
    """Where agents were is kept for a week."""
    async with ports.store.transaction() as tx:
        await tx.forget_locations(before=ports.clock.now() - POSITIONS_KEPT)


async def _follow(
    tx: store.Transaction,
    delivery: store.Delivery,
    agent: store.Agent,
    ping: Ping,
    ports: all_ports.Ports,
    *,
    stops_before: int,
    recorded_at: dt.datetime,
) -> dt.datetime | None:
    """What a position means for one delivery: it left the shop, a new ETA, the dot on the customer's map."""
    now = ports.clock.now()
    request = await tx.request(delivery.request_id)
    assert request is not None
    left = ports.shop.point.metres_to(ping.point) > domain.LEFT_THE_SHOP_METRES
    if delivery.status == domain.Status.PICKED_UP and left:
        await moves.move(tx, delivery, request, moves.Step(to=domain.Status.IN_TRANSIT), domain.SYSTEM)
    eta_at, metres = delivery.eta_at, 0.0
    if request.point is not None:
        metres = ping.point.metres_to(request.point) * ports.shop.detour
        eta_at = domain.on_the_way(
            now=now,
            position=ping.point,
            destination=request.point,
            shop=ports.shop,
            vehicle_type=agent.vehicle_type,
            stops_before=stops_before,
        )
    changes: dict[str, Any] = {}
    if eta_at is not None and (delivery.eta_at is None or abs(eta_at - delivery.eta_at) >= ETA_STEP):
        changes["eta_at"] = eta_at
    is_due = delivery.published_location_at is None or now - delivery.published_location_at >= PUBLISH_EVERY
    if is_due and eta_at is not None:  # every delivery has one from the moment it is assigned
        changes["published_location_at"] = now
        ports.stream.send(
            events.DeliveryLocationUpdated(
                delivery_id=delivery.id,
                order_id=delivery.order_id,
                user_id=delivery.user_id,
                agent_id=agent.id,
                lat=ping.lat,
                lng=ping.lng,
                accuracy_metres=ping.accuracy_metres,
                heading=ping.heading,
                speed_kmph=ping.speed_kmph,
                eta_at=eta_at,
                remaining_metres=round(metres),
                recorded_at=recorded_at,
            )
        )
    if changes:
        await tx.update_delivery(delivery.id, **changes)
    return eta_at
