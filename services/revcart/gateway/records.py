"""One log record and one measurement per request, with nothing in them that is a secret or personal."""

import random
import urllib.parse
from typing import Any

from revcart.gateway import answers, visits
from revcart.kit import telemetry

_log = telemetry.get_logger(__name__)


class Records:
    """`sample`: the share of quick, successful requests that is logged; failures and slow ones always are."""

    def __init__(self, *, metrics: telemetry.Metrics, sample: float, slow_ms: int) -> None:
        self.tune(sample=sample, slow_ms=slow_ms)
        self._duration = metrics.histogram(
            "http_server_requests_seconds", "Time until the answer was sent", ("method", "uri", "status")
        )

    def tune(self, *, sample: float, slow_ms: int) -> None:
        self._sample, self._slow_ms = sample, slow_ms

    def write(self, visit: visits.Visit, answer: answers.Answer, *, seconds: float) -> None:
        template = visit.route.path if visit.route else "unmatched"
        method = visit.method if visit.method in _METHODS else "OTHER"
        self._duration.labels(method, template, str(answer.status)).observe(seconds)
        milliseconds = round(seconds * 1000, 1)
        if answer.status < 400 and milliseconds <= self._slow_ms and random.random() >= self._sample:
            return
        _log.info("http.request", **_fields(visit, answer), route=template, method=method, durationMs=milliseconds)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _fields(visit: visits.Visit, answer: answers.Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "bytesIn": visit.bytes_in,
        "bytesOut": answer.bytes_out,
        "callee": visit.service,
        "instance": visit.instance,
        "tries": visit.tries,
        "breaker": visit.breaker,
        "limited": visit.limited,
        "userId": visit.user.id if visit.user else None,
        "role": visit.user.role if visit.user else None,
        "userAgent": visit.headers.get(b"user-agent", b"").decode("latin-1")[:200],
        "contentType": visit.headers.get(b"content-type", b"").decode("latin-1")[:100],
        "referer": _origin(visit.headers.get(b"referer", b"").decode("latin-1")),
    }


def _origin(url: str) -> str:
    """Scheme and host of a referer; its path and query are nobody's business."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
