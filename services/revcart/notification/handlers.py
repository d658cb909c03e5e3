"""What happens on each event: remember who is concerned, tell them, feed the open screens. Every step may repeat."""

from typing import Any, Final

from revcart.kit import events
from revcart.notification import bodies, domain, flow, messages
from revcart.notification import events as ours


async def order_created(*, event: events.Received[ours.OrderCreated], ports: flow.Ports) -> None:
    data = event.data
    await ports.store.note_order(
        data.order_id,
        user_id=data.user_id,
        number=data.order_number,
        status=data.status,
        at=event.time,
        total_paise=data.total_paise,
    )
    await _tell(messages.order_created(event), ports=ports)
    await ports.realtime.publish(*bodies.order_created(event))


async def order_status_updated(*, event: events.Received[ours.OrderStatusUpdated], ports: flow.Ports) -> None:
    data = event.data
    await ports.store.note_order(
        data.order_id, user_id=data.user_id, number=data.order_number, status=data.to, at=data.changed_at
    )
    await ports.realtime.publish(*bodies.order_status_updated(event))
    order = await ports.store.parties(data.order_id) or {}
    await _tell(messages.order_status_updated(event, order), ports=ports)


async def order_cancelled(*, event: events.Received[ours.OrderCancelled], ports: flow.Ports) -> None:
    await ports.realtime.publish(*bodies.order_cancelled(event))
    await _tell(messages.order_cancelled(event), ports=ports)


async def order_expired(*, event: events.Received[ours.OrderExpired], ports: flow.Ports) -> None:
    await _tell(messages.order_expired(event), ports=ports)


async def payment_completed(*, event: events.Received[ours.PaymentCompleted], ports: flow.Ports) -> None:
    await ports.realtime.publish(*bodies.payment(event, status="SUCCESS"))
    await _tell(messages.payment_completed(event), ports=ports)


async def payment_failed(*, event: events.Received[ours.PaymentFailed], ports: flow.Ports) -> None:
    await ports.realtime.publish(*bodies.payment(event, status="FAILED"))
    await _tell(messages.payment_failed(event), ports=ports)


async def payment_refunded(*, event: events.Received[ours.PaymentRefunded], ports: flow.Ports) -> None:
    status = "REFUNDED" if event.data.full else "PARTIALLY_REFUNDED"
    await ports.realtime.publish(*bodies.payment(event, status=status))
    await _tell(messages.payment_refunded(event), ports=ports)


async def delivery_assigned(*, event: events.Received[ours.DeliveryAssigned], ports: flow.Ports) -> None:
    """When it was somebody else's before, that agent's subscription ends before anything is said about the new one."""
    data = event.data
    changed_hands = await ports.store.note_agent(
        data.order_id, user_id=data.user_id, agent_user_id=data.agent_user_id, at=data.assigned_at
    )
    if changed_hands:
        await ports.realtime.recheck(bodies.delivery(data.order_id))
    await ports.realtime.publish(*bodies.delivery_assigned(event))
    await _tell(messages.delivery_assigned(event), ports=ports)


async def delivery_status_updated(*, event: events.Received[ours.DeliveryStatusUpdated], ports: flow.Ports) -> None:
    data = event.data
    await ports.realtime.publish(*bodies.delivery_status_updated(event))
    nobody_carries_it = data.to in ("FAILED", "CANCELLED")
    if nobody_carries_it and await ports.store.note_agent(
        data.order_id, user_id=data.user_id, agent_user_id=None, at=event.time
    ):
        await ports.realtime.recheck(bodies.delivery(data.order_id))
    await _tell(messages.delivery_status_updated(event), ports=ports)


async def delivery_location_updated(*, event: events.Received[ours.DeliveryLocationUpdated], ports: flow.Ports) -> None:
    await ports.realtime.publish(*bodies.delivery_location_updated(event))


async def user_registered(*, event: events.Received[ours.UserRegistered], ports: flow.Ports) -> None:
    data = event.data
    contact = domain.Contact(
        user_id=data.user_id,
        email=data.email,
        email_verified=False,
        phone=data.phone,
        name=data.name,
        locale=data.locale,
        role=data.role,
        at=event.time,
    )
    await ports.store.save_contact(contact, if_absent=True)
    await _tell(messages.user_registered(event), ports=ports)


async def stock_low(*, event: events.Received[ours.StockLow], ports: flow.Ports) -> None:
    await ports.realtime.publish(*bodies.stock_low(event))
    async for admin_id in flow.audience("ADMIN", ports=ports):
        await flow.notify(notice=messages.stock_low(event, admin_id=admin_id), ports=ports)


async def notification_requested(
    *, event: events.Received[ours.NotificationRequested], ports: flow.Ports
) -> events.Ignored | None:
    """What another service asks for: for one user, for one address, or for an audience."""
    data = event.data
    if data.template not in domain.TEMPLATES:
        return events.Ignored("unknown-template")
    if data.template == "admin.alert":
        await ports.realtime.publish(*bodies.alert(event))
    if data.audience is not None:
        async for user_id in flow.audience(data.audience, ports=ports):
            await flow.notify(notice=messages.requested(event, user_id=user_id), ports=ports)
    elif data.user_id is not None or data.recipient is not None:
        await flow.notify(notice=messages.requested(event, user_id=data.user_id), ports=ports)
    else:
        return events.Ignored("no-recipient")
    return None


async def _tell(notices: list[domain.Notice], *, ports: flow.Ports) -> None:
    for notice in notices:
        await flow.notify(notice=notice, ports=ports)


HANDLERS: Final[dict[type[events.Payload], Any]] = {
    ours.OrderCreated: order_created,
    ours.OrderStatusUpdated: order_status_updated,
    ours.OrderCancelled: order_cancelled,
    ours.OrderExpired: order_expired,
    ours.PaymentCompleted: payment_completed,
    ours.PaymentFailed: payment_failed,
    ours.PaymentRefunded: payment_refunded,
    ours.DeliveryAssigned: delivery_assigned,
    ours.DeliveryStatusUpdated: delivery_status_updated,
    ours.DeliveryLocationUpdated: delivery_location_updated,
    ours.UserRegistered: user_registered,
    ours.StockLow: stock_low,
    ours.NotificationRequested: notification_requested,
}
