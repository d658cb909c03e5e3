"""What the flows of payment need, and how they call for a human."""

import dataclasses
from typing import Any

from revcart.kit import clock, telemetry
from revcart.payment import clients, razorpay, store

log = telemetry.get_logger(__name__)


class Watch:
    """Counts what was learnt, and raises alerts: money that is not where it should be."""

    def __init__(self, metrics: telemetry.Metrics) -> None:
        self._facts = metrics.counter("revcart_payment_facts_total", "Facts about money by effect", ["via", "result"])
        self._alerts = metrics.counter("revcart_payment_alerts_total", "Payments a person must look at", ["kind"])

    def learnt(self, via: str, result: str) -> None:
        self._facts.labels(via, result).inc()

    def alert(self, kind: str, **about: Any) -> None:
        self._alerts.labels(kind).inc()
        log.error(f"payment.{kind}", **about)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """`webhook_secrets`: newest first. `checkout_script`: what a browser loads to pay."""

    clock: clock.Clock
    store: store.Store
    orders: clients.Orders
    razorpay: razorpay.Razorpay
    watch: Watch
    key_secret: str
    webhook_secrets: tuple[str, ...]
    checkout_script: str
