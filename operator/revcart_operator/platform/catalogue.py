"""The catalogue: which services exist, where they listen, what they keep, whom they call and which topics they use.

Written once. The local runtime, the Deployments, the NetworkPolicies, the topics and the docs are made from it; the
gateway's routes stand in `routes`, the topics themselves in `revcart.kit.topics`. Source: conventions.md "Services".
"""

from dataclasses import dataclass

from revcart.kit import topics


@dataclass(frozen=True, kw_only=True)
class Service:
    """`database` is its MySQL (or SQLite) database, `documents` its MongoDB one; `calls`: services it asks by HTTP."""

    name: str
    port: int
    database: str = ""
    documents: str = ""
    cache: bool = False
    publishes: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module with `Settings` and `create_app`."""
        return f"revcart.{self.name}.app"


LOGS_DATABASE = "revcart_logs"

# Every service but auth calls auth: it verifies user tokens with auth's public keys.
SERVICES = (
    Service(
        name="gateway",
        port=8080,
        cache=True,
        calls=(
            "auth",
            "user",
            "product",
            "cart",
            "order",
            "payment",
            "notification",
            "delivery",
            "analytics",
            "admin",
        ),
    ),
    Service(
        name="auth",
        port=8081,
        database="revcart_auth",
        cache=True,
        publishes=(topics.NOTIFICATION_EVENTS, topics.ANALYTICS_EVENTS),
    ),
    Service(
        name="user",
        port=8082,
        database="revcart_users",
        cache=True,
        publishes=(topics.NOTIFICATION_EVENTS,),
        consumes=(topics.ANALYTICS_EVENTS,),
        calls=("auth", "cart", "order", "payment", "notification", "delivery", "analytics"),
    ),
    Service(
        name="product",
        port=8083,
        database="revcart_products",
        cache=True,
        publishes=(topics.ANALYTICS_EVENTS,),
        consumes=(topics.ORDER_EVENTS,),
        calls=("auth",),
    ),
    Service(
        name="cart",
        port=8084,
        cache=True,
        publishes=(topics.ANALYTICS_EVENTS,),
        consumes=(topics.ORDER_EVENTS,),
        calls=("auth", "product", "order"),
    ),
    Service(
        name="order",
        port=8085,
        database="revcart_orders",
        publishes=(topics.ORDER_EVENTS,),
        consumes=(topics.PAYMENT_EVENTS, topics.ANALYTICS_EVENTS),
        calls=("auth", "cart", "user", "delivery", "product", "payment"),
    ),
    Service(
        name="payment",
        port=8086,
        database="revcart_payments",
        publishes=(topics.PAYMENT_EVENTS,),
        consumes=(topics.ORDER_EVENTS, topics.ANALYTICS_EVENTS),
        calls=("auth", "order"),
    ),
    Service(
        name="notification",
        port=8087,
        documents="revcart_notifications",
        cache=True,
        publishes=(topics.NOTIFICATION_EVENTS,),
        consumes=(topics.ORDER_EVENTS, topics.PAYMENT_EVENTS, topics.NOTIFICATION_EVENTS, topics.ANALYTICS_EVENTS),
        calls=("auth", "user", "order", "delivery"),
    ),
    Service(
        name="delivery",
        port=8088,
        database="revcart_delivery",
        publishes=(topics.ANALYTICS_EVENTS, topics.NOTIFICATION_EVENTS),
        consumes=(topics.ORDER_EVENTS, topics.ANALYTICS_EVENTS),
        calls=("auth", "order", "user"),
    ),
    Service(
        name="analytics",
        port=8089,
        documents="revcart_analytics",
        consumes=(topics.ORDER_EVENTS, topics.PAYMENT_EVENTS, topics.NOTIFICATION_EVENTS, topics.ANALYTICS_EVENTS),
        calls=("auth",),
    ),
    Service(
        name="admin",
        port=8090,
        database="revcart_admin",
        documents=LOGS_DATABASE,
        publishes=(topics.NOTIFICATION_EVENTS,),
        calls=(
            "gateway",
            "auth",
            "user",
            "product",
            "cart",
            "order",
            "payment",
            "notification",
            "delivery",
            "analytics",
        ),
    ),
)
# Razorpay's double: no part of the shop, started only when payment.razorpay.mode is Simulated.
PAYSIM = Service(name="paysim", port=8091, database="paysim")

NAMES = tuple(service.name for service in SERVICES)
BY_NAME = {service.name: service for service in SERVICES}
