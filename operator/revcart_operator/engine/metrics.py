"""What the operator counts about itself, on the registry of its process."""

import prometheus_client as prometheus


class Metrics:
    """One per process. `api_requests` and `watch_last_event` are kept by `kube`."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        def counter(name: str, help: str, *labels: str) -> prometheus.Counter:
            return prometheus.Counter(f"revcart_reconcile_{name}", help, labels, registry=registry)

        self.passes = prometheus.Counter(
            "revcart_reconcile_total", "Passes by how they ended", ["result"], registry=registry
        )
        self.duration = prometheus.Histogram(
            "revcart_reconcile_duration_seconds",
            "How long a pass took",
            buckets=(0.02, 0.05, 0.1, 0.15, 0.3, 0.6, 1, 2, 5, 10, 30),
            registry=registry,
        )
        self.queue_depth = prometheus.Gauge(
            "revcart_reconcile_queue_depth", "Platforms that wait for a pass", registry=registry
        )
        self.writes = counter("writes_total", "Writes to the API server", "kind", "op")
        self.drift_corrected = counter("drift_corrected_total", "Children put right after edits and deletions", "kind")
        self.api_requests = counter("api_requests_total", "Requests to the API server", "verb", "code")
        self.watch_last_event = prometheus.Gauge(
            "revcart_reconcile_watch_last_event_seconds",
            "When a watch last said something, in Unix time",
            ["kind"],
            registry=registry,
        )
