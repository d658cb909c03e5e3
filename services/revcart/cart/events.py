"""What cart tells others, and what it reads of an order."""

from typing import Literal

from revcart.kit import events, schemas

Action = Literal["ADD", "UPDATE", "REMOVE", "CLEAR", "MERGE"]


class CartUpdated(
    events.Payload,
    topic="analytics-events",
    type="cart.updated",
    key=("user_id", "session_id"),
):
    user_id: int | None
    session_id: str | None
    action: Action
    product_id: int | None
    quantity: int
    previous_quantity: int
    line_count: int
    subtotal_paise: int
    updated_at: schemas.Instant


class OrderedLine(events.Wire):
    product_id: int
    quantity: int


class OrderCreated(events.Payload, topic="order-events", type="order.created", key="order_id"):
    order_id: int
    user_id: int
    lines: list[OrderedLine]
    coupon_code: str | None = None
