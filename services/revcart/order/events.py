"""What order tells the others. Amounts are integer paise."""

from typing import Literal

import pydantic

from revcart.kit import events, schemas
from revcart.order import domain

ORDERS = "order-events"


class Actor(events.Wire):
    kind: str
    id: int | None


class Place(events.Wire):
    name: str
    phone: str
    line1: str
    line2: str | None
    city: str
    state: str
    postal_code: str
    country: str
    lat: float | None
    lng: float | None
    instructions: str | None


class Line(events.Wire):
    product_id: int
    name: str
    category: str | None
    quantity: int
    unit_price_paise: int
    line_paise: int


class Window(events.Wire):
    slot_id: int | None
    start_at: schemas.Instant
    end_at: schemas.Instant


class Delivery(events.Wire):
    place: Place
    window: Window
    cod_amount_paise: int
    item_count: int
    weight_grams: int


class _Order(events.Payload):
    order_id: int
    order_number: str
    user_id: int


class OrderCreated(_Order, topic=ORDERS, type="order.created", key="order_id"):
    status: Literal["PENDING"] = "PENDING"
    payment_method: str
    lines: list[Line]
    subtotal_paise: int
    discount_paise: int
    tax_paise: int
    delivery_fee_paise: int
    total_paise: int
    currency: Literal["INR"] = "INR"
    coupon_code: str | None
    reservation_id: int
    window: Window
    placed_at: schemas.Instant
    expires_at: schemas.Instant

    @classmethod
    def of(cls, order: domain.Order) -> "OrderCreated":
        return cls(
            order_id=order.id,
            order_number=order.order_number,
            user_id=order.user_id,
            payment_method=order.payment_method,
            lines=_lines(order),
            subtotal_paise=order.subtotal_paise,
            discount_paise=order.discount_paise,
            tax_paise=order.tax_paise,
            delivery_fee_paise=order.delivery_fee_paise,
            total_paise=order.total_paise,
            coupon_code=order.coupon_code,
            reservation_id=order.reservation_id,
            window=_window(order),
            placed_at=order.created_at,
            expires_at=order.expires_at,
        )


class OrderStatusUpdated(_Order, topic=ORDERS, type="order.status.updated", key="order_id"):
    from_: str = pydantic.Field(alias="from")
    to: str
    reason: str | None
    actor: Actor
    changed_at: schemas.Instant
    delivery: Delivery | None

    @classmethod
    def of(cls, order: domain.Order, step: domain.Step) -> "OrderStatusUpdated":
        """`order` as it is after `step`."""
        return cls(
            order_id=order.id,
            order_number=order.order_number,
            user_id=order.user_id,
            from_=str(step.from_),
            to=step.to,
            reason=step.reason,
            actor=_actor(step.actor),
            changed_at=step.at,
            delivery=_delivery(order) if step.to is domain.Status.CONFIRMED else None,
        )


class OrderCancelled(_Order, topic=ORDERS, type="order.cancelled", key="order_id"):
    previous_status: str
    reason: str
    comment: str | None
    actor: Actor
    payment_method: str
    paid: bool
    refund_paise: int
    lines: list[Line]
    reservation_id: int
    coupon_code: str | None
    window: Window
    cancelled_at: schemas.Instant

    @classmethod
    def of(cls, order: domain.Order, step: domain.Step, *, comment: str | None) -> "OrderCancelled":
        """`order` as it is after `step`."""
        return cls(
            order_id=order.id,
            order_number=order.order_number,
            user_id=order.user_id,
            previous_status=str(step.from_),
            reason=order.cancel_reason or "",
            comment=comment,
            actor=_actor(step.actor),
            payment_method=order.payment_method,
            paid=order.paid,
            refund_paise=order.refund_paise or 0,
            lines=_lines(order),
            reservation_id=order.reservation_id,
            coupon_code=order.coupon_code,
            window=_window(order),
            cancelled_at=step.at,
        )


class OrderExpired(_Order, topic=ORDERS, type="order.expired", key="order_id"):
    lines: list[Line]
    reservation_id: int
    coupon_code: str | None
    window: Window
    total_paise: int
    expired_at: schemas.Instant

    @classmethod
    def of(cls, order: domain.Order, step: domain.Step) -> "OrderExpired":
        return cls(
            order_id=order.id,
            order_number=order.order_number,
            user_id=order.user_id,
            lines=_lines(order),
            reservation_id=order.reservation_id,
            coupon_code=order.coupon_code,
            window=_window(order),
            total_paise=order.total_paise,
            expired_at=step.at,
        )


def _lines(order: domain.Order) -> list[Line]:
    return [
        Line(
            product_id=item.product_id,
            name=item.product_name,
            category=item.category,
            quantity=item.quantity,
            unit_price_paise=item.price_paise,
            line_paise=item.line_paise,
        )
        for item in order.items
    ]


def _window(order: domain.Order) -> Window:
    return Window(slot_id=order.slot_id, start_at=order.window_start, end_at=order.window_end)


def _actor(actor: domain.Actor) -> Actor:
    return Actor(kind=actor.kind, id=actor.id)


def _delivery(order: domain.Order) -> Delivery:
    address = order.address
    return Delivery(
        place=Place(
            name=address.name,
            phone=address.phone,
            line1=address.line1,
            line2=", ".join(part for part in (address.line2, address.landmark) if part) or None,
            city=address.city,
            state=address.state,
            postal_code=address.postal_code,
            country=address.country,
            lat=address.lat,
            lng=address.lng,
            instructions=order.instructions or address.instructions,
        ),
        window=_window(order),
        cod_amount_paise=order.cod_due_paise,
        item_count=order.item_count,
        weight_grams=order.weight_grams,
    )


# What order hears; only the fields it reads.


class PaymentCreated(events.Payload, topic="payment-events", type="payment.created"):
    order_id: int
    method: str


class PaymentCompleted(events.Payload, topic="payment-events", type="payment.completed"):
    order_id: int


class PaymentFailed(events.Payload, topic="payment-events", type="payment.failed"):
    order_id: int
    description: str


class PaymentRefunded(events.Payload, topic="payment-events", type="payment.refunded"):
    order_id: int
    total_refunded_paise: int


class DeliveryAssigned(events.Payload, topic="analytics-events", type="delivery.assigned"):
    order_id: int
    agent_name: str
    eta_at: schemas.Instant | None = None


class DeliveryStatusUpdated(events.Payload, topic="analytics-events", type="delivery.status.updated"):
    order_id: int
    to: str
    reason: str | None = None
    eta_at: schemas.Instant | None = None
