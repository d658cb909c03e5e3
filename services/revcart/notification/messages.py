"""Which event tells whom what: from events to notices. Pure; the sentences themselves are in `templates/`."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final

from revcart.kit import clock, events
from revcart.notification import domain
from revcart.notification import events as ours

Order = Mapping[str, Any]  # what is remembered of an order (`store.parties`), empty when nothing is

_BY_STATUS: Final = {"CONFIRMED": "order.confirmed", "PREPARING": "order.preparing", "DELIVERED": "order.delivered"}
_LOCALES: Final[dict[str, domain.Locale]] = {"en": "en", "hi": "hi"}


def order_created(event: events.Received[ours.OrderCreated]) -> list[domain.Notice]:
    """Cash orders are confirmed at once, so for them that message is the first."""
    data = event.data
    if data.payment_method == "COD":
        return []
    return [_about_order(event, "order.placed", data.user_id, data.order_id, {"total_paise": data.total_paise})]


def order_status_updated(event: events.Received[ours.OrderStatusUpdated], order: Order) -> list[domain.Notice]:
    data = event.data
    template = _BY_STATUS.get(data.to)
    if template is None:
        return []
    return [_about_order(event, template, data.user_id, data.order_id, {"total_paise": order.get("totalPaise")})]


def order_cancelled(event: events.Received[ours.OrderCancelled]) -> list[domain.Notice]:
    data = event.data
    context = {"reason": data.reason, "paid": data.paid, "refund_paise": data.refund_paise}
    return [_about_order(event, "order.cancelled", data.user_id, data.order_id, context)]


def order_expired(event: events.Received[ours.OrderExpired]) -> list[domain.Notice]:
    return [_about_order(event, "order.expired", event.data.user_id, event.data.order_id, {})]


def payment_completed(event: events.Received[ours.PaymentCompleted]) -> list[domain.Notice]:
    data = event.data
    context = {"amount_paise": data.amount_paise, "method": data.method, "late": data.late}
    return [_about_order(event, "payment.completed", data.user_id, data.order_id, context)]


def payment_failed(event: events.Received[ours.PaymentFailed]) -> list[domain.Notice]:
    data = event.data
    context = {"amount_paise": data.amount_paise, "retryable": data.retryable}
    return [_about_order(event, "payment.failed", data.user_id, data.order_id, context)]


def payment_refunded(event: events.Received[ours.PaymentRefunded]) -> list[domain.Notice]:
    data = event.data
    context = {"amount_paise": data.amount_paise, "full": data.full}
    return [_about_order(event, "payment.refunded", data.user_id, data.order_id, context)]


def delivery_assigned(event: events.Received[ours.DeliveryAssigned]) -> list[domain.Notice]:
    data = event.data
    context = {"agent_name": data.agent_name, "eta_at": clock.to_text(data.eta_at)}
    told = [
        _about_order(event, "delivery.assigned", data.user_id, data.order_id, context, delivery_id=data.delivery_id)
    ]
    if data.agent_user_id is not None:
        url = f"/delivery/{data.delivery_id}"
        told.append(
            _about_order(
                event,
                "delivery.offer",
                data.agent_user_id,
                data.order_id,
                context,
                delivery_id=data.delivery_id,
                url=url,
            )
        )
    return told


def delivery_status_updated(event: events.Received[ours.DeliveryStatusUpdated]) -> list[domain.Notice]:
    """PICKED_UP is not here: its message carries the code, which only delivery's own request brings, encrypted."""
    data = event.data
    if data.to != "FAILED":
        return []
    context = {"reason": data.reason}
    return [_about_order(event, "delivery.failed", data.user_id, data.order_id, context, delivery_id=data.delivery_id)]


def user_registered(event: events.Received[ours.UserRegistered]) -> list[domain.Notice]:
    return [
        domain.Notice(
            template="account.welcome",
            source=event.id,
            event_id=event.id,
            at=event.time,
            user_id=event.data.user_id,
            locale=_LOCALES.get(event.data.locale or ""),
            context={"name": event.data.name},
            url="/",
        )
    ]


def stock_low(event: events.Received[ours.StockLow], *, admin_id: int) -> domain.Notice:
    data = event.data
    return domain.Notice(
        template="admin.low-stock",
        source=event.id,
        event_id=event.id,
        at=event.time,
        user_id=admin_id,
        context={"product": data.name, "available": data.available, "threshold": data.threshold},
        url=f"/admin/products/{data.product_id}",
    )


def requested(event: events.Received[ours.NotificationRequested], *, user_id: int | None) -> domain.Notice:
    """What a service asked for, for one of its recipients."""
    data = event.data
    facts = {_snake(name): value for name, value in data.data.items()}
    order_id, delivery_id = _id(facts.get("order_id")), _id(facts.get("delivery_id"))
    recipient = None if data.recipient is None else domain.Recipient(**data.recipient.model_dump())
    return domain.Notice(
        template=data.template,
        source=domain.source(data.dedupe_key),
        event_id=event.id,
        at=event.time,
        user_id=user_id,
        recipient=recipient,
        context=facts,
        order_id=order_id,
        delivery_id=delivery_id,
        url=f"/orders/{order_id}" if order_id else None,
        channels=_channels(data.channels),
        locale=_LOCALES.get(data.locale or ""),
        secret=data.secret,
        expires_at=data.expires_at,
    )


def label(order_id: int, order: Order) -> str:
    """How people call an order."""
    return str(order.get("orderNumber") or f"#{order_id}")


def _about_order(
    event: events.Received[Any],
    template: str,
    user_id: int,
    order_id: int,
    context: Mapping[str, Any],
    *,
    delivery_id: int | None = None,
    url: str | None = None,
) -> domain.Notice:
    return domain.Notice(
        template=template,
        source=event.id,
        event_id=event.id,
        at=event.time,
        user_id=user_id,
        context=context,
        order_id=order_id,
        delivery_id=delivery_id,
        url=url or f"/orders/{order_id}",
    )


def _channels(named: list[str] | None) -> tuple[domain.Channel, ...] | None:
    return None if named is None else tuple(channel for channel in domain.CHANNELS if channel in named)


def _id(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def expired(notice: domain.Notice, *, now: dt.datetime) -> bool:
    """Whether it is too late to say this."""
    return notice.expires_at is not None and notice.expires_at <= now
