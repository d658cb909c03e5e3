"""What open screens are sent: from events to realtime messages, field by field as the contract lists them. Pure."""

import dataclasses
from typing import Any

from revcart.kit import clock, events, money
from revcart.notification import events as ours

ADMIN = "/topic/admin"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signal:
    """One body for everybody who listens to `destination`. `replaces`: only the newest one counts (positions)."""

    destination: str
    body: dict[str, Any]
    replaces: bool = False


def orders(user_id: int) -> str:
    return f"/topic/orders/{user_id}"


def delivery(order_id: int) -> str:
    return f"/topic/delivery/{order_id}"


def notifications(user_id: int) -> str:
    return f"/user/{user_id}/queue/notifications"


def order_created(event: events.Received[ours.OrderCreated]) -> list[Signal]:
    data = event.data
    facts = {
        "orderId": data.order_id,
        "orderNumber": data.order_number,
        "paymentMethod": data.payment_method,
        "total": money.to_rupees(data.total_paise),
    }
    return [admin(event, severity="INFO", title=f"Order {data.order_number}", data=facts)]


def order_status_updated(event: events.Received[ours.OrderStatusUpdated]) -> list[Signal]:
    data = event.data
    return [
        _signal(
            event,
            orders(data.user_id),
            orderId=data.order_id,
            orderNumber=data.order_number,
            status=data.to,
            previousStatus=data.from_,
            reason=data.reason,
            etaAt=None,
        )
    ]


def order_cancelled(event: events.Received[ours.OrderCancelled]) -> list[Signal]:
    data = event.data
    facts = {
        "orderId": data.order_id,
        "orderNumber": data.order_number,
        "reason": data.reason,
        "refund": money.to_rupees(data.refund_paise),
    }
    return [admin(event, severity="WARN", title=f"Order {data.order_number} cancelled", data=facts)]


def payment(
    event: events.Received[ours.PaymentCompleted]
    | events.Received[ours.PaymentFailed]
    | events.Received[ours.PaymentRefunded],
    *,
    status: str,
) -> list[Signal]:
    data = event.data
    amount = money.to_rupees(data.amount_paise)
    return [_signal(event, orders(data.user_id), orderId=data.order_id, paymentStatus=status, amount=amount)]


def delivery_assigned(event: events.Received[ours.DeliveryAssigned]) -> list[Signal]:
    data = event.data
    eta = clock.to_text(data.eta_at)
    return [
        _signal(event, orders(data.user_id), orderId=data.order_id, etaAt=eta),
        _signal(event, delivery(data.order_id), agentName=data.agent_name, vehicleType=data.vehicle_type, etaAt=eta),
    ]


def delivery_status_updated(event: events.Received[ours.DeliveryStatusUpdated]) -> list[Signal]:
    data = event.data
    eta = data.eta_at and clock.to_text(data.eta_at)
    facts = {"orderId": data.order_id, "status": data.to, "reason": data.reason, "etaAt": eta}
    signals = [_signal(event, delivery(data.order_id), **facts)]
    if data.to == "FAILED":
        failed = {"orderId": data.order_id, "deliveryId": data.delivery_id, "reason": data.reason}
        signals.append(admin(event, severity="WARN", title="A delivery failed", data=failed, type="delivery.failed"))
    return signals


def delivery_location_updated(event: events.Received[ours.DeliveryLocationUpdated]) -> list[Signal]:
    data = event.data
    signal = _signal(
        event,
        delivery(data.order_id),
        lat=data.lat,
        lng=data.lng,
        heading=data.heading,
        etaAt=data.eta_at and clock.to_text(data.eta_at),
        remainingMetres=data.remaining_metres,
        recordedAt=clock.to_text(data.recorded_at),
    )
    return [dataclasses.replace(signal, replaces=True)]


def stock_low(event: events.Received[ours.StockLow]) -> list[Signal]:
    data = event.data
    facts = {"productId": data.product_id, "available": data.available, "threshold": data.threshold}
    return [admin(event, severity="WARN", title=f"Low stock: {data.name}", data=facts)]


def alert(event: events.Received[ours.NotificationRequested]) -> list[Signal]:
    """An `admin.alert`: what it is about stands in `data.type`."""
    data = dict(event.data.data)
    severity = data.pop("severity", "WARN")
    type_ = str(data.pop("type", "admin.alert"))
    title = str(data.pop("title", type_))
    severity = severity if severity in ("INFO", "WARN", "ERROR") else "WARN"
    return [admin(event, severity=severity, title=title, data=data, type=type_)]


def admin(
    event: events.Received[Any], *, severity: str, title: str, data: dict[str, Any], type: str | None = None
) -> Signal:
    return _signal(event, ADMIN, severity=severity, title=title, data=data, **({"type": type} if type else {}))


def _signal(event: events.Received[Any], destination: str, **fields: Any) -> Signal:
    body = {"id": event.id, "type": event.type, "at": clock.to_text(event.time), **fields}
    return Signal(destination=destination, body=body)
