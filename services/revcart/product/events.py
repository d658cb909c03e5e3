"""What product tells others, and what it reads of the order's story."""

from revcart.kit import events, schemas


class ProductViewed(
    events.Payload,
    topic="analytics-events",
    type="product.viewed",
    key=("session_id", "user_id", "product_id"),
    subject="product_id",
):
    product_id: int
    category: str
    price_paise: int
    user_id: int | None
    session_id: str | None
    viewed_at: schemas.Instant


class ProductSearched(
    events.Payload,
    topic="analytics-events",
    type="product.searched",
    key=("session_id", "user_id", "query"),
    subject="query",
):
    query: str
    filters: dict[str, object]
    sort: str | None
    page: int
    results: int
    cached: bool
    took_ms: int
    user_id: int | None
    session_id: str | None
    searched_at: schemas.Instant


class StockLow(events.Payload, topic="analytics-events", type="stock.low", key="product_id"):
    product_id: int
    name: str
    category: str
    available: int
    threshold: int
    at: schemas.Instant


class OrderCreated(events.Payload, topic="order-events", type="order.created", key="order_id"):
    order_id: int
    reservation_id: int


class OrderStatusUpdated(events.Payload, topic="order-events", type="order.status.updated", key="order_id"):
    order_id: int
    to: str


class OrderCancelled(events.Payload, topic="order-events", type="order.cancelled", key="order_id"):
    order_id: int
    reservation_id: int
    previous_status: str


class OrderExpired(events.Payload, topic="order-events", type="order.expired", key="order_id"):
    order_id: int
    reservation_id: int
