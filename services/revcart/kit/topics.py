"""The topics that services talk over (contract/events.md "Topics"). Written once: the operator's catalogue,
`revcart-service migrate` and the tests are made from this table.
"""

from dataclasses import dataclass
from typing import Final

DEAD_LETTER_DAYS: Final = 30
MIN_IN_SYNC: Final = 2  # replicas that must have a message, from three brokers on
MAX_REPLICAS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Topic:
    name: str
    key: str  # the event field whose text is the message key; order holds per key
    partitions: int
    retention_days: int

    @property
    def dead_letters(self) -> "Topic":
        """Where its poison goes."""
        return Topic(name=dead_letters(self.name), key=self.key, partitions=1, retention_days=DEAD_LETTER_DAYS)


ORDER_EVENTS: Final = "order-events"
PAYMENT_EVENTS: Final = "payment-events"
NOTIFICATION_EVENTS: Final = "notification-events"
ANALYTICS_EVENTS: Final = "analytics-events"

TOPICS: Final = (
    Topic(name=ORDER_EVENTS, key="orderId", partitions=6, retention_days=7),
    Topic(name=PAYMENT_EVENTS, key="orderId", partitions=6, retention_days=14),
    Topic(name=NOTIFICATION_EVENTS, key="userId", partitions=6, retention_days=3),
    Topic(name=ANALYTICS_EVENTS, key="subject", partitions=12, retention_days=3),  # by type: events.md "Topics"
)


def dead_letters(name: str) -> str:
    """The name of a topic's dead-letter topic."""
    return f"{name}.dlq"
