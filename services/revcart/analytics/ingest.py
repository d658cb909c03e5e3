"""What analytics does with an event: keep its fact, then note which hours must be counted again.

A fact is written before the facts beside it are read. So of two handlers that meet at one order (its events travel on
three topics, in no common order) at least the later one sees both and marks every hour that depends on both.
Nothing needs an inbox: a repeat writes the same document and costs one more count.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from revcart.analytics import domain
from revcart.kit import clock, events, redaction

if TYPE_CHECKING:
    import datetime as dt

    from revcart.analytics import events as wire
    from revcart.analytics import flow

_LONGEST_QUERY = 100


async def order_created(*, event: events.Received[wire.OrderCreated], ports: flow.Ports) -> None:
    order, at = event.data, clock.to_text(event.data.placed_at)
    lines = [
        {
            "productId": line.product_id,
            "category": line.category,
            "quantity": line.quantity,
            "linePaise": line.line_paise,
        }
        for line in order.lines
    ]
    created = {
        "at": at,
        "method": order.payment_method,
        "lines": lines,
        "discountPaise": order.discount_paise,
        "taxPaise": order.tax_paise,
        "deliveryFeePaise": order.delivery_fee_paise,
        "totalPaise": order.total_paise,
        "windowEndAt": clock.to_text(order.window.end_at),
    }
    await ports.store.order(
        str(order.order_id),
        {"userId": str(order.user_id), "orderNumber": order.order_number, "created": created},
    )
    await ports.store.order_status(str(order.order_id), "PENDING", at=at)
    for line in order.lines:
        await ports.store.product(str(line.product_id), name=line.name, category=line.category, at=at)
    await _order_changed(order.order_id, ports)


async def order_status_updated(*, event: events.Received[wire.OrderStatusUpdated], ports: flow.Ports) -> None:
    order, at = event.data, clock.to_text(event.data.changed_at)
    reached = {"CONFIRMED": {"confirmedAt": at}, "DELIVERED": {"deliveredAt": at}}.get(order.to, {})
    await ports.store.order(
        str(order.order_id), {"userId": str(order.user_id), "orderNumber": order.order_number, **reached}
    )
    await ports.store.order_status(str(order.order_id), order.to, at=at)
    await _order_changed(order.order_id, ports)


async def order_cancelled(*, event: events.Received[wire.OrderCancelled], ports: flow.Ports) -> None:
    order_id = event.data.order_id
    await ports.store.order(str(order_id), {"cancelledAt": clock.to_text(event.data.cancelled_at)})
    await _order_changed(order_id, ports)


async def order_expired(*, event: events.Received[wire.OrderExpired], ports: flow.Ports) -> None:
    order_id = event.data.order_id
    await ports.store.order(str(order_id), {"expiredAt": clock.to_text(event.data.expired_at)})
    await _order_changed(order_id, ports)


async def payment_created(*, event: events.Received[wire.PaymentCreated], ports: flow.Ports) -> None:
    await _payment(event.data, ports, createdAt=clock.to_text(event.data.created_at))


async def payment_completed(*, event: events.Received[wire.PaymentCompleted], ports: flow.Ports) -> None:
    await _payment(event.data, ports, completedAt=clock.to_text(event.data.completed_at))


async def payment_failed(*, event: events.Received[wire.PaymentFailed], ports: flow.Ports) -> None:
    payment, at = event.data, clock.to_text(event.data.failed_at)
    failure = {
        "_id": f"{payment.payment_id}:{payment.attempt}",
        "orderId": str(payment.order_id),
        "userId": str(payment.user_id),
        "at": at,
    }
    await ports.store.payment_failure(failure)
    await _mark(ports, "shop", [payment.failed_at])


async def payment_refunded(*, event: events.Received[wire.PaymentRefunded], ports: flow.Ports) -> None:
    refund = event.data
    await ports.store.refund(
        {
            "_id": str(refund.refund_id),
            "paymentId": str(refund.payment_id),
            "orderId": str(refund.order_id),
            "userId": str(refund.user_id),
            "amountPaise": refund.amount_paise,
            "at": clock.to_text(refund.refunded_at),
        }
    )
    await _order_changed(refund.order_id, ports)


async def notification_sent(*, event: events.Received[wire.NotificationSent], ports: flow.Ports) -> None:
    await _notification(event.data, ports, "sentAt", event.data.sent_at)


async def notification_failed(
    *, event: events.Received[wire.NotificationFailed], ports: flow.Ports
) -> events.Ignored | None:
    if not event.data.permanent:
        return events.Ignored("will-be-tried-again")
    await _notification(event.data, ports, "failedAt", event.data.failed_at)
    return None


async def product_viewed(*, event: events.Received[wire.ProductViewed], ports: flow.Ports) -> events.Ignored | None:
    return await _traffic(event, ports, event.data.viewed_at, productId=event.data.product_id)


async def product_searched(*, event: events.Received[wire.ProductSearched], ports: flow.Ports) -> events.Ignored | None:
    search = event.data
    if search.page > 0:
        return events.Ignored("a-further-page")
    # People type what they like; whatever looks like an address or a number of somebody is not kept.
    query = redaction.text(" ".join(search.query.casefold().split()))[:_LONGEST_QUERY]
    return await _traffic(event, ports, search.searched_at, query=query, results=search.results)


async def cart_updated(*, event: events.Received[wire.CartUpdated], ports: flow.Ports) -> events.Ignored | None:
    cart = event.data
    return await _traffic(event, ports, cart.updated_at, productId=cart.product_id, action=cart.action)


async def user_registered(*, event: events.Received[wire.UserRegistered], ports: flow.Ports) -> None:
    user = event.data
    at = clock.to_text(user.registered_at)
    await ports.store.user({"_id": str(user.user_id), "registeredAt": at, "role": user.role, "via": user.via})
    await _mark(ports, "shop", [user.registered_at])


async def delivery_assigned(*, event: events.Received[wire.DeliveryAssigned], ports: flow.Ports) -> None:
    await _delivery(event.data, ports, assigned_at=clock.to_text(event.data.assigned_at))


async def delivery_status_updated(
    *, event: events.Received[wire.DeliveryStatusUpdated], ports: flow.Ports
) -> events.Ignored | None:
    field = {"DELIVERED": "deliveredAt", "FAILED": "failedAt"}.get(event.data.to)
    if field is None:
        return events.Ignored("no-report-reads-it")
    await _delivery(event.data, ports, **{field: clock.to_text(event.data.changed_at)})
    return None


async def stock_low(*, event: events.Received[wire.StockLow], ports: flow.Ports) -> None:
    product, at = event.data, clock.to_text(event.data.at)
    await ports.store.product(str(product.product_id), name=product.name, category=product.category, at=at)
    await ports.store.low_stock(
        str(product.product_id),
        {"name": product.name, "available": product.available, "threshold": product.threshold},
        since=at,
    )


async def _payment(payment: wire.PaymentCreated | wire.PaymentCompleted, ports: flow.Ports, **fields: str) -> None:
    await ports.store.payment(
        str(payment.payment_id),
        {
            "orderId": str(payment.order_id),
            "userId": str(payment.user_id),
            "method": payment.method,
            "amountPaise": payment.amount_paise,
            **fields,
        },
    )
    await _order_changed(payment.order_id, ports)


async def _delivery(
    delivery: wire.DeliveryAssigned | wire.DeliveryStatusUpdated,
    ports: flow.Ports,
    *,
    assigned_at: str | None = None,
    **fields: str,
) -> None:
    await ports.store.delivery(
        f"{delivery.delivery_id}:{delivery.attempt}",
        {"orderId": str(delivery.order_id), "userId": str(delivery.user_id), **fields},
        assigned_at=assigned_at,
    )
    await _order_changed(delivery.order_id, ports)


async def _notification(
    notification: wire.NotificationSent | wire.NotificationFailed, ports: flow.Ports, field: str, at: dt.datetime
) -> None:
    user = None if notification.user_id is None else str(notification.user_id)
    key = f"{notification.notification_id}:{notification.channel}"
    instants = await ports.store.notification(key, {"userId": user, field: clock.to_text(at)})
    await _mark(ports, "shop", [clock.from_text(instant) for instant in instants])


async def _traffic(
    event: events.Received[Any], ports: flow.Ports, at: dt.datetime, **fields: Any
) -> events.Ignored | None:
    if at < ports.clock.now() - domain.EVENTS_KEPT:
        return events.Ignored("too-old")
    user, session = event.data.user_id, event.data.session_id
    await ports.store.event(
        {
            "_id": event.id,
            "type": event.type,
            "at": clock.to_text(at),
            "userId": None if user is None else str(user),
            "sessionId": None if session is None else hashlib.sha256(session.encode()).hexdigest(),
            **fields,
        }
    )
    await _mark(ports, "traffic", [at])
    return None


async def _order_changed(order_id: int, ports: flow.Ports) -> None:
    instants = await ports.store.instants_of(str(order_id))
    await _mark(ports, "shop", [clock.from_text(instant) for instant in instants])


async def _mark(ports: flow.Ports, family: str, instants: list[dt.datetime]) -> None:
    for hour in sorted({ports.calendar.hour_start(instant) for instant in instants}):
        await ports.store.mark(family, "hour", clock.to_text(hour))
