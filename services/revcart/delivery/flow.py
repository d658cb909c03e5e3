"""From a confirmed order to the door: request, offer, pick-up, proof, failure."""

import dataclasses
import datetime as dt
import hmac
import json
from typing import Any

from revcart.delivery import clients, domain, events, moves, offers, store
from revcart.delivery.ports import Ports
from revcart.kit import auth, errors, money
from revcart.kit import events as bus_events


async def on_order_status(*, event: bus_events.Received[events.OrderStatusUpdated], ports: Ports) -> Any:
    """CONFIRMED opens the order's request and offers it if it is due; PREPARING starts the packing time."""
    if event.data.to == "CONFIRMED" and event.data.delivery is not None:
        request_id = await _open_request(event, event.data.delivery, ports)
        if request_id is not None:
            await offers.try_offer(request_id=request_id, ports=ports)
        return None
    if event.data.to == "PREPARING":
        async with ports.store.transaction(received=event) as tx:
            request = await tx.request_of_order(event.data.order_id, lock=True)
            if request is None:
                return bus_events.Ignored("no-request")
            await tx.update_request(request.id, ready_at=event.data.changed_at + domain.PACKING)
        return None
    return bus_events.Ignored("not-for-delivery")


async def _open_request(
    event: bus_events.Received[events.OrderStatusUpdated], wanted: events.Wanted, ports: Ports
) -> int | None:
    """The new request's id if it is due now."""
    now, window = ports.clock.now(), wanted.window
    due_at = max(event.data.changed_at, window.start_at - domain.DISPATCH_LEAD)
    async with ports.store.transaction(received=event) as tx:
        await tx.add_request(
            order_id=event.data.order_id,
            order_number=event.data.order_number,
            user_id=event.data.user_id,
            place=wanted.place.model_dump(mode="json", by_alias=True),
            lat=wanted.place.lat,
            lng=wanted.place.lng,
            window_start=window.start_at,
            window_end=window.end_at,
            slot_id=window.slot_id,
            weight_g=wanted.weight_grams,
            item_count=wanted.item_count,
            cod_paise=wanted.cod_amount_paise,
            state=domain.RequestState.WAITING,
            due_at=due_at,
        )
        request = await tx.request_of_order(event.data.order_id)
    return request.id if request is not None and due_at <= now else None


async def on_order_cancelled(*, event: bus_events.Received[events.OrderCancelled], ports: Ports) -> Any:
    """Withdraw request and delivery; one that was picked up a moment before is called back by people."""
    async with ports.store.transaction(received=event) as tx:
        request = await tx.request_of_order(event.data.order_id, lock=True)
        if request is None:
            return bus_events.Ignored("no-request")
        await tx.update_request(request.id, state=domain.RequestState.CLOSED, last_reason="ORDER_CANCELLED")
        delivery = await tx.delivery_of_order(event.data.order_id, lock=True)
        if delivery is None or delivery.status in domain.ENDED:
            return None
        if delivery.status in domain.ON_THE_WAY:
            alert = moves.alert(
                type="delivery.recall",
                title=f"Order {request.order_number} was cancelled after pick-up",
                dedupe_key=f"delivery-recall-{delivery.id}",
                deliveryId=delivery.id,
                orderId=delivery.order_id,
            )
            await tx.outbox.add(alert)
            return None
        await moves.move(
            tx, delivery, request, moves.Step(to=domain.Status.CANCELLED, reason="ORDER_CANCELLED"), domain.SYSTEM
        )
    return None


async def on_user_registered(*, event: bus_events.Received[events.UserRegistered], ports: Ports) -> Any:
    """An agent who signs up is linked to the agent that an ADMIN entered, by e-mail."""
    if event.data.role != "DELIVERY_AGENT":
        return bus_events.Ignored("no-agent")
    async with ports.store.transaction(received=event) as tx:
        if not await tx.link_agent(email=event.data.email.lower(), user_id=event.data.user_id):
            return bus_events.Ignored("unknown-agent")
    return None


async def advance(*, delivery_id: int, step: moves.Step, user: auth.User, ports: Ports) -> store.Delivery:
    """What the agent or an ADMIN reports: picked up, on the way, delivered, failed, cancelled.

    The present status again has no effect. Raises TransitionNotAllowed, OrderNotReady (409), ProofRequired,
    CodeInvalid, CodMismatch (422), CodeLocked (423).
    """
    actor = domain.Actor(kind=domain.Kind.ADMIN if user.role == "ADMIN" else domain.Kind.AGENT, id=user.id)
    async with ports.store.read() as tx:
        seen = await tx.delivery(delivery_id)
        if seen is None:
            raise errors.NotFound
        if actor.kind is domain.Kind.AGENT:
            await moves.require_agent(tx, seen, user)
    if seen.status == step.to:
        return seen
    domain.check_transition(current=seen.status, wanted=step.to, actor=actor)
    order = await ports.orders.get(seen.order_id) if step.to == domain.Status.PICKED_UP else None
    refusal: errors.RevCartError | None = None
    async with ports.store.transaction() as tx:
        delivery, request = await moves.locked(tx, delivery_id)
        if delivery.status == step.to:
            return delivery
        domain.check_transition(current=delivery.status, wanted=step.to, actor=actor)
        if step.to == domain.Status.PICKED_UP:
            request = await _picked_up(tx, request, order)
        elif step.to == domain.Status.DELIVERED:
            refusal = await _check_proof(tx, delivery, request, step, actor, ports)
        elif step.to in {domain.Status.FAILED, domain.Status.CANCELLED}:
            _check_reason(step)
        if refusal is None:
            await moves.move(tx, delivery, request, step, actor)
            if step.to == domain.Status.PICKED_UP:
                await _send_code(tx, delivery, ports)
            if step.to == domain.Status.FAILED:
                await _after_failure(tx, delivery, request, step, ports)
        delivery = moves.present(await tx.delivery(delivery_id))
    if refusal is not None:
        raise refusal  # after the commit: a wrong code counts
    return delivery


async def resend_code(*, delivery_id: int, user: auth.User, ports: Ports) -> None:
    """Send the customer's code once more, to the customer alone. Raises NotFound unless it is on the way."""
    async with ports.store.transaction() as tx:
        delivery, _ = await moves.locked(tx, delivery_id)
        if delivery.user_id != user.id:
            await moves.require_agent(tx, delivery, user)
        if delivery.status not in domain.ON_THE_WAY:
            raise errors.NotFound
        await _send_code(tx, delivery, ports, again=True)


async def _picked_up(tx: store.Transaction, request: store.Request, order: clients.Order | None) -> store.Request:
    """The order must be ready to leave, and its cash may have changed since it was confirmed."""
    if order is None:
        return request
    if order.status not in {"CONFIRMED", "PREPARING", "OUT_FOR_DELIVERY"} or not order.dispatchable:
        raise domain.OrderNotReady(f"The order is {order.status}.")
    await tx.update_request(request.id, cod_paise=order.cod_due_paise)
    return dataclasses.replace(request, cod_paise=order.cod_due_paise)


async def _check_proof(
    tx: store.Transaction,
    delivery: store.Delivery,
    request: store.Request,
    step: moves.Step,
    actor: domain.Actor,
    ports: Ports,
) -> errors.RevCartError | None:
    """The refusal, or None. A wrong code is counted, so the refusal is raised after the commit."""
    if (step.cod_collected_paise or 0) != request.cod_paise:
        return domain.CodMismatch(due=money.to_rupees(request.cod_paise))
    if actor.kind is domain.Kind.ADMIN:
        return (
            None if step.reason else errors.InvalidRequest(items=[errors.Item("#/reason", "is needed from an ADMIN")])
        )
    if delivery.otp_locked_at is not None:
        return domain.CodeLocked(retry_after=900)
    if step.code is None:
        return domain.ProofRequired()
    right = domain.one_time_code(
        key=ports.otp_key, delivery_id=delivery.id, attempt=delivery.attempt, version=delivery.otp_version
    )
    if hmac.compare_digest(right, step.code):
        return None
    tries = delivery.otp_tries + 1
    locked_at = ports.clock.now() if tries >= domain.CODE_TRIES else None
    await tx.update_delivery(delivery.id, otp_tries=tries, otp_locked_at=locked_at)
    return domain.CodeInvalid(attemptsLeft=domain.CODE_TRIES - tries)


def _check_reason(step: moves.Step) -> None:
    if not step.reason:
        raise errors.InvalidRequest(items=[errors.Item("#/reason", "is needed")])
    if step.reason == "OTHER" and not step.note:
        raise errors.InvalidRequest(items=[errors.Item("#/note", "is needed with the reason OTHER")])


async def _after_failure(
    tx: store.Transaction, delivery: store.Delivery, request: store.Request, step: moves.Step, ports: Ports
) -> None:
    """A second attempt later, or the end: the order is cancelled and its money goes back."""
    assert delivery.agent_id is not None
    await tx.add_attempt(
        delivery_id=delivery.id,
        attempt=delivery.attempt,
        agent_id=delivery.agent_id,
        reason=step.reason,
        note=step.note,
    )
    if delivery.attempt < domain.MAX_ATTEMPTS and step.reason not in domain.FINAL_FAILURES:
        due_at = ports.clock.now() + domain.SECOND_ATTEMPT_AFTER
        await tx.update_request(
            request.id, state=domain.RequestState.WAITING, due_at=due_at, refused_agents=[], offers=0
        )
        return
    failed = moves.present(await tx.delivery(delivery.id))
    await moves.move(
        tx, failed, request, moves.Step(to=domain.Status.CANCELLED, reason="DELIVERY_FAILED"), domain.SYSTEM
    )


async def _send_code(tx: store.Transaction, delivery: store.Delivery, ports: Ports, *, again: bool = False) -> None:
    code = domain.one_time_code(
        key=ports.otp_key, delivery_id=delivery.id, attempt=delivery.attempt, version=delivery.otp_version
    )
    secret = ports.cipher.encrypt(json.dumps({"otp": code}).encode()).decode()
    marker = f"-{int(ports.clock.now().timestamp())}" if again else ""
    await tx.outbox.add(
        events.NotificationRequested(
            template="delivery.picked-up",
            user_id=delivery.user_id,
            data={
                "orderId": delivery.order_id,
                "deliveryId": delivery.id,
                "trackingUrl": f"{ports.public_url}/api/delivery/track/{delivery.tracking_code}",
            },
            secret=secret,
            dedupe_key=f"delivery-picked-up-{delivery.id}-{delivery.attempt}{marker}",
            expires_at=ports.clock.now() + dt.timedelta(hours=4),
        )
    )
