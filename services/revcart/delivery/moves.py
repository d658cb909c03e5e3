"""How a delivery changes its status: row, history, load, request and event, always together."""

import dataclasses
from typing import Any

from revcart.delivery import domain, events, store
from revcart.kit import auth, errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """What an agent or an ADMIN reports. Amounts are integer paise."""

    to: domain.Status
    code: str | None = None
    reason: str | None = None
    note: str | None = None
    cod_collected_paise: int | None = None
    lat: float | None = None
    lng: float | None = None


_STAMPS = {
    domain.Status.PICKED_UP: "picked_up_at",
    domain.Status.IN_TRANSIT: "in_transit_at",
    domain.Status.DELIVERED: "delivered_at",
    domain.Status.FAILED: "failed_at",
    domain.Status.CANCELLED: "cancelled_at",
}


async def move(
    tx: store.Transaction, delivery: store.Delivery, request: store.Request, step: Step, actor: domain.Actor
) -> None:
    """The one place where a status changes: row, history, load, request and event together."""
    domain.check_transition(current=delivery.status, wanted=step.to, actor=actor)
    now = tx.clock.now()
    changes: dict[str, Any] = {"status": step.to}
    if step.to in _STAMPS:
        changes[_STAMPS[step.to]] = now
    if step.to == domain.Status.PICKED_UP:
        changes |= {"accepted_at": delivery.accepted_at or now, "accept_by": None}
    proof = None
    if step.to == domain.Status.DELIVERED:
        proof = "ADMIN" if actor.kind is domain.Kind.ADMIN else "OTP"
        changes |= {"proof": proof, "cod_collected_paise": request.cod_paise or None}
    if step.to == domain.Status.FAILED:
        changes["failure_reason"] = step.reason
    reason = step.reason
    if step.to == domain.Status.CANCELLED and delivery.status in domain.ON_THE_WAY:
        reason = "DELIVERY_FAILED"  # what order acts on: the goods left and did not arrive
    await tx.update_delivery(delivery.id, **changes)
    await tx.add_history(
        delivery_id=delivery.id,
        **{"from": delivery.status},
        to=step.to,
        actor=actor_json(actor),
        reason=step.reason,
        lat=step.lat,
        lng=step.lng,
    )
    left_the_agent = step.to in {*domain.ENDED, domain.Status.FAILED}
    if left_the_agent and delivery.agent_id is not None and delivery.status in domain.LIVE:
        await tx.drop_load(delivery.agent_id)
    if step.to in domain.ENDED:
        await tx.update_request(request.id, state=domain.RequestState.CLOSED)
    await tx.outbox.add(
        events.DeliveryStatusUpdated(
            delivery_id=delivery.id,
            order_id=delivery.order_id,
            user_id=delivery.user_id,
            agent_id=delivery.agent_id,
            from_=delivery.status,
            to=step.to,
            reason=reason,
            attempt=delivery.attempt,
            eta_at=delivery.eta_at if step.to in domain.LIVE else None,
            proof=proof,
            cod_collected_paise=changes.get("cod_collected_paise"),
            actor=events.Actor(kind=actor.kind.value, id=actor.id),
            changed_at=now,
        )
    )


async def locked(tx: store.Transaction, delivery_id: int) -> tuple[store.Delivery, store.Request]:
    delivery = await tx.delivery(delivery_id, lock=True)
    if delivery is None:
        raise errors.NotFound
    request = await tx.request(delivery.request_id, lock=True)
    assert request is not None, "a delivery has its request"
    return delivery, request


async def require_agent(tx: store.Transaction, delivery: store.Delivery, user: auth.User) -> None:
    """Raises NotFound unless the user is the agent who carries the delivery: others' do not exist for them."""
    agent = await tx.agent(delivery.agent_id) if delivery.agent_id is not None else None
    if agent is None or agent.user_id != user.id:
        raise errors.NotFound


def present(delivery: store.Delivery | None) -> store.Delivery:
    assert delivery is not None, "the row was just written"
    return delivery


def actor_json(actor: domain.Actor) -> dict[str, Any]:
    return {"kind": actor.kind.value, "id": actor.id}


def alert(*, type: str, title: str, dedupe_key: str, **data: Any) -> events.NotificationRequested:
    return events.NotificationRequested(
        template="admin.alert",
        audience="ADMIN",
        data={"type": type, "severity": "WARN", "title": title, **data},
        dedupe_key=dedupe_key,
    )
