"""Who rides: offering a request to agents, moving offers on, and looking after requests that wait."""

import dataclasses
import datetime as dt
from typing import Any

from revcart.delivery import domain, events, moves, store
from revcart.delivery.ports import Ports
from revcart.kit import auth, clock, errors, telemetry

log = telemetry.get_logger(__name__)

BATCH = 100


async def try_offer(*, request_id: int, ports: Ports) -> None:
    """Offer a due request to the best agent; without one it waits, and after five minutes an ADMIN hears of it."""
    try:
        await offer(request_id=request_id, ports=ports)
    except domain.NoAgent:
        await _still_waiting(request_id=request_id, ports=ports)
    except domain.AlreadyAssigned:
        log.info("delivery.offer-was-taken", requestId=request_id)


async def offer(*, request_id: int, ports: Ports, agent_id: int | None = None) -> store.Delivery:
    """Assign a waiting request, to `agent_id` or to whom the rule prefers.

    Raises AlreadyAssigned, NoAgent, AgentAtCapacity (409).
    """
    async with ports.store.transaction() as tx:
        request = await tx.request(request_id, lock=True)
        if request is None:
            raise errors.NotFound
        if request.state != domain.RequestState.WAITING:
            raise domain.AlreadyAssigned
        agent = await _take_agent(tx, request, ports, agent_id=agent_id)
        return await _assign(tx, request, agent, ports, previous_agent_id=None)


async def assign_order(*, order_id: int, agent_id: int | None, ports: Ports) -> store.Delivery:
    """An ADMIN assigns an order now, due or not. Raises NotFound, AlreadyAssigned, NoAgent, AgentAtCapacity."""
    async with ports.store.read() as tx:
        request = await tx.request_of_order(order_id)
    if request is None:
        raise errors.NotFound
    return await offer(request_id=request.id, ports=ports, agent_id=agent_id)


async def reassign(*, delivery_id: int, agent_id: int, force: bool, ports: Ports) -> store.Delivery:
    """An ADMIN moves a delivery to another agent; after pick-up only with `force` (the bag was handed over)."""
    async with ports.store.transaction() as tx:
        delivery, request = await moves.locked(tx, delivery_id)
        if delivery.status in domain.ENDED or delivery.status == domain.Status.FAILED:
            raise domain.TransitionNotAllowed(f"A delivery that is {delivery.status} cannot change hands.")
        if delivery.status in domain.ON_THE_WAY and not force:
            raise domain.TransitionNotAllowed("It was picked up: use force once the bag has changed hands.")
        if delivery.agent_id == agent_id:
            return delivery
        agent = await _take_agent(tx, request, ports, agent_id=agent_id)
        if delivery.agent_id is not None:
            await tx.drop_load(delivery.agent_id)
        return await _assign(tx, request, agent, ports, previous_agent_id=delivery.agent_id)


async def accept(*, delivery_id: int, user: auth.User, ports: Ports) -> store.Delivery:
    """The agent takes the offer; again is no effect."""
    async with ports.store.transaction() as tx:
        delivery, _ = await moves.locked(tx, delivery_id)
        await moves.require_agent(tx, delivery, user)
        if delivery.accepted_at is None and delivery.status == domain.Status.ASSIGNED:
            await tx.update_delivery(delivery.id, accepted_at=ports.clock.now(), accept_by=None)
        return moves.present(await tx.delivery(delivery.id))


async def reject(*, delivery_id: int, user: auth.User, reason: str, ports: Ports) -> None:
    """The agent refuses the offer, which moves on. Raises TransitionNotAllowed after pick-up."""
    async with ports.store.transaction() as tx:
        delivery, request = await moves.locked(tx, delivery_id)
        await moves.require_agent(tx, delivery, user)
        if delivery.status != domain.Status.ASSIGNED:
            raise domain.TransitionNotAllowed("It was picked up already.")
        await _pass_on(tx, delivery, request, ports, reason=reason)


async def take_from(*, agent_id: int, ports: Ports) -> None:
    """Give an agent's deliveries that are still in the shop to others. Raises AgentBusy (409) if any has left it."""
    async with ports.store.transaction() as tx:
        if await tx.deliveries_of_agent(agent_id, [domain.Status.PICKED_UP, domain.Status.IN_TRANSIT]):
            raise domain.AgentBusy
        await tx.update_agent(agent_id, status=domain.AgentStatus.OFFLINE)
        for delivery in await tx.deliveries_of_agent(agent_id, [domain.Status.ASSIGNED]):
            locked, request = await moves.locked(tx, delivery.id)
            await _pass_on(tx, locked, request, ports, reason="AGENT_OFFLINE")


async def _take_agent(
    tx: store.Transaction, request: store.Request, ports: Ports, *, agent_id: int | None
) -> store.Agent:
    if agent_id is not None:
        agent = await tx.agent(agent_id, lock=True)
        if agent is None or not agent.active:
            raise errors.NotFound
        if not await tx.take_load(agent_id):
            raise domain.AgentAtCapacity(f"{agent.name} is full or takes no work.")
        return agent
    now = ports.clock.now()
    stops = await tx.open_stops(window_start=request.window_start)
    available = {agent.id: agent for agent in await tx.active_agents(domain.AgentStatus.AVAILABLE)}
    candidates = [
        _candidate(agent, request, stops=stops, now=now)
        for agent in available.values()
        if agent.id not in request.refused_agents
    ]
    for candidate in domain.rank(candidates, shop=ports.shop, weight_grams=request.weight_g):
        if await tx.take_load(candidate.id):
            return available[candidate.id]
    raise domain.NoAgent


def _candidate(
    agent: store.Agent, request: store.Request, *, stops: list[tuple[int, domain.Point]], now: dt.datetime
) -> domain.Candidate:
    point, fresh = agent.position(now=now)
    near = request.point is not None and any(
        owner == agent.id and stop.metres_to(request.point) <= 1_000 for owner, stop in stops
    )
    return domain.Candidate(
        id=agent.id,
        load=agent.load_count,
        capacity=agent.capacity,
        vehicle_type=agent.vehicle_type,
        point=point,
        point_is_fresh=fresh,
        idle_since=agent.idle_since,
        shares_a_stop=near,
    )


async def _assign(
    tx: store.Transaction,
    request: store.Request,
    agent: store.Agent,
    ports: Ports,
    *,
    previous_agent_id: int | None,
) -> store.Delivery:
    """Write the offer to `agent`, whose load is taken already."""
    now = ports.clock.now()
    known = await tx.delivery_of_order(request.order_id, lock=True)
    eta_at = domain.before_pick_up(
        now=now,
        ready_at=request.ready_at,
        shop=ports.shop,
        destination=request.point,
        vehicle_type=agent.vehicle_type,
    )
    offered: dict[str, Any] = {
        "agent_id": agent.id,
        "accept_by": now + dt.timedelta(seconds=domain.ACCEPT_SECONDS),
        "accepted_at": None,
        "assigned_at": now,
        "eta_at": eta_at,
    }
    if known is None:
        delivery_id = await tx.add_delivery(
            request_id=request.id,
            order_id=request.order_id,
            user_id=request.user_id,
            status=domain.Status.ASSIGNED,
            attempt=1,
            tracking_code=domain.tracking_code(),
            **offered,
        )
        await tx.add_history(delivery_id=delivery_id, to=domain.Status.ASSIGNED, actor=moves.actor_json(domain.SYSTEM))
    else:
        delivery_id = known.id
        if known.status == domain.Status.FAILED:
            await moves.move(tx, known, request, moves.Step(to=domain.Status.ASSIGNED), domain.SYSTEM)
            offered |= {"attempt": known.attempt + 1, "otp_tries": 0, "otp_locked_at": None}
        if known.status in domain.ON_THE_WAY:
            offered |= {"accept_by": None, "accepted_at": now}
        await tx.update_delivery(delivery_id, **offered)
    await tx.update_request(request.id, state=domain.RequestState.ASSIGNED, last_reason=None)
    delivery = moves.present(await tx.delivery(delivery_id))
    await tx.outbox.add(_assigned(delivery, agent, previous_agent_id))
    return delivery


async def _pass_on(
    tx: store.Transaction, delivery: store.Delivery, request: store.Request, ports: Ports, *, reason: str
) -> None:
    """Take the offer from its agent and give it to the next one, or let the request wait."""
    assert delivery.agent_id is not None
    await tx.drop_load(delivery.agent_id)
    await tx.update_delivery(delivery.id, agent_id=None, accept_by=None, accepted_at=None)
    offers = request.offers + 1
    # After five offers nobody is left out any more: whoever refused an hour ago may be glad of it now.
    refused = [] if offers >= domain.MAX_OFFERS else [*request.refused_agents, delivery.agent_id]
    waiting = {"state": domain.RequestState.WAITING, "refused_agents": refused, "last_reason": reason[:40]}
    await tx.update_request(request.id, offers=0 if offers >= domain.MAX_OFFERS else offers, **waiting)
    if offers >= domain.MAX_OFFERS:
        return
    request = dataclasses.replace(request, refused_agents=refused)
    try:
        agent = await _take_agent(tx, request, ports, agent_id=None)
    except domain.NoAgent:
        return
    await _assign(tx, request, agent, ports, previous_agent_id=delivery.agent_id)


async def dispatch(*, ports: Ports) -> None:
    """Offer what is due, move on what nobody accepted, look after silent agents."""
    now = ports.clock.now()
    async with ports.store.read() as tx:
        overdue = await tx.expired_offers(now=now, limit=BATCH)
        due = await tx.due_requests(now=now, limit=BATCH)
    for delivery_id in overdue:
        await _move_on(delivery_id=delivery_id, ports=ports)
    for request_id in due:
        await try_offer(request_id=request_id, ports=ports)
    await _look_after_agents(ports)


async def _move_on(*, delivery_id: int, ports: Ports) -> None:
    async with ports.store.transaction() as tx:
        delivery, request = await moves.locked(tx, delivery_id)
        still = delivery.status == domain.Status.ASSIGNED and delivery.accepted_at is None
        if still and delivery.accept_by is not None and delivery.accept_by < ports.clock.now():
            await _pass_on(tx, delivery, request, ports, reason="NOT_ACCEPTED")


async def _still_waiting(*, request_id: int, ports: Ports) -> None:
    now = ports.clock.now()
    async with ports.store.transaction() as tx:
        request = await tx.request(request_id, lock=True)
        if request is None or request.state != domain.RequestState.WAITING:
            return
        changes: dict[str, Any] = {"last_reason": "NO_AGENT"}
        if request.alerted_at is None and now - request.due_at >= domain.UNASSIGNED_ALERT_AFTER:
            changes["alerted_at"] = now
            await tx.outbox.add(
                moves.alert(
                    type="delivery.unassigned",
                    title=f"Nobody rides for order {request.order_number}",
                    dedupe_key=f"delivery-unassigned-{request.id}",
                    orderId=request.order_id,
                    orderNumber=request.order_number,
                )
            )
        await tx.update_request(request_id, **changes)


async def _look_after_agents(ports: Ports) -> None:
    """Silent for 5 minutes: what is still in the shop goes to others; for 15 without work: OFFLINE.

    An agent that has never sent a position is not silent: not every fleet has an app.
    """
    now = ports.clock.now()
    async with ports.store.read() as tx:
        agents = await tx.active_agents(domain.AgentStatus.AVAILABLE)
    for agent in agents:
        if agent.last_seen_at is None or now - agent.last_seen_at <= domain.FRESH_POSITION:
            continue
        async with ports.store.transaction() as tx:
            live = await tx.deliveries_of_agent(agent.id, [domain.Status.ASSIGNED])
            for delivery in live:
                locked, request = await moves.locked(tx, delivery.id)
                await _pass_on(tx, locked, request, ports, reason="AGENT_SILENT")
            if live:
                await tx.outbox.add(
                    moves.alert(
                        type="agent.stale",
                        title=f"{agent.name} is silent",
                        dedupe_key=f"agent-stale-{agent.id}-{clock.to_text(agent.last_seen_at)}",
                        agentId=agent.id,
                    )
                )
            elif agent.load_count == 0 and now - agent.last_seen_at > domain.OFFLINE_AFTER:
                await tx.update_agent(agent.id, status=domain.AgentStatus.OFFLINE)


def _assigned(delivery: store.Delivery, agent: store.Agent, previous_agent_id: int | None) -> events.DeliveryAssigned:
    return events.DeliveryAssigned(
        delivery_id=delivery.id,
        order_id=delivery.order_id,
        user_id=delivery.user_id,
        agent_id=agent.id,
        agent_user_id=agent.user_id,
        agent_name=domain.first_name(agent.name),
        vehicle_type=agent.vehicle_type,
        attempt=delivery.attempt,
        eta_at=delivery.eta_at or delivery.assigned_at,
        previous_agent_id=previous_agent_id,
        assigned_at=delivery.assigned_at,
    )
