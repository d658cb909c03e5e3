"""Prometheus metrics of one service.

Eleven services may share a process, so nothing may use prometheus-client's global registry: each service owns one
`Metrics`, and its `/actuator/prometheus` shows its own numbers only.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import prometheus_client as prometheus
from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one service. Asking twice for one name gives the same metric, so callers need not share it."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.registry = prometheus.CollectorRegistry()
        self._made: dict[str, MetricWrapperBase] = {}
        prometheus.ProcessCollector(registry=self.registry)

    def counter(self, name: str, doc: str, labels: Sequence[str] = ()) -> prometheus.Counter:
        return self._get(
            name, prometheus.Counter, labels, lambda: prometheus.Counter(name, doc, labels, registry=self.registry)
        )

    def gauge(self, name: str, doc: str, labels: Sequence[str] = ()) -> prometheus.Gauge:
        return self._get(
            name, prometheus.Gauge, labels, lambda: prometheus.Gauge(name, doc, labels, registry=self.registry)
        )

    def histogram(self, name: str, doc: str, labels: Sequence[str] = ()) -> prometheus.Histogram:
        """Buckets fit durations in seconds, 1 ms to 30 s."""
        return self._get(
            name,
            prometheus.Histogram,
            labels,
            lambda: prometheus.Histogram(name, doc, labels, registry=self.registry, buckets=_SECONDS),
        )

    def exposition(self) -> bytes:
        """Prometheus text format, media type `CONTENT_TYPE`."""
        return prometheus.generate_latest(self.registry)

    def _get(self, name: str, kind: type[M], labels: Sequence[str], make: Callable[[], M]) -> M:
        metric = self._made.get(name)
        if metric is None:
            metric = self._made[name] = make()
        if not isinstance(metric, kind) or tuple(metric._labelnames) != tuple(labels):
            raise ValueError(f"metric {name} already exists with another type or other labels")
        return metric
