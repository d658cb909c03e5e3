"""W3C trace context, always; OpenTelemetry spans, where an OTLP endpoint is set.

The trace id of a request travels and is logged without any SDK. Exporting spans needs the extra `otel`, which is
imported only once `otlp_endpoint` is set, so the base install neither carries nor loads it.
"""

import contextlib
import contextvars
import re
import secrets
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

service: contextvars.ContextVar[str] = contextvars.ContextVar("revcart_service", default="")
traceparent: contextvars.ContextVar[str] = contextvars.ContextVar("revcart_traceparent", default="")

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_tracers: dict[str, trace.Tracer] = {}  # by service: several may share one process, each exports under its own name
_NO_TRACER = trace.NoOpTracer()


class TracingSettings(Protocol):
    """What `configure` reads of the settings."""

    @property
    def service(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def otlp_endpoint(self) -> str: ...


def ids(parent: str) -> tuple[str, str]:
    """(trace id, span id) of a `traceparent`, both empty where it is absent or malformed."""
    match = _TRACEPARENT.fullmatch(parent)
    return (match[1], match[2]) if match else ("", "")


def child_of(parent: str | None) -> str:
    """A `traceparent` for work caused by `parent`: same trace, new span id. Absent or malformed: a new trace."""
    match = _TRACEPARENT.fullmatch(parent or "")
    trace_id, flags = (match[1], match[3]) if match else (secrets.token_hex(16), "01")
    return f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"


@contextlib.contextmanager
def span(name: str, **attributes: "AttributeValue") -> Iterator[trace.Span]:
    """A span around a piece of work, child of the current `traceparent`. Costs next to nothing without an exporter."""
    tracer = _tracers.get(service.get(), _NO_TRACER)
    with tracer.start_as_current_span(name, context=_parent(), attributes=attributes) as current:
        if not current.is_recording():
            yield current
            return
        context = current.get_span_context()
        mark = traceparent.set(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")
        try:
            yield current
        finally:
            traceparent.reset(mark)


def configure(settings: TracingSettings) -> Callable[[], None]:
    """Export the spans of this service to `otlp_endpoint` (OTLP over HTTP); empty = off. Returns what ends it.

    Raises RuntimeError when an endpoint is set and the extra `otel` is not installed.
    """
    if not settings.otlp_endpoint:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # type: ignore[import-not-found, unused-ignore]
        from opentelemetry.sdk.resources import Resource  # type: ignore[import-not-found, unused-ignore]
        from opentelemetry.sdk.trace import TracerProvider  # type: ignore[import-not-found, unused-ignore]
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise RuntimeError(
            "REVCART_OTLP_ENDPOINT is set, but the OpenTelemetry SDK is not installed: pip install 'revcart[otel]'"
        ) from error
    resource = Resource.create({"service.name": settings.service, "deployment.environment": settings.environment})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint.rstrip("/") + "/v1/traces", timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracers[settings.service] = provider.get_tracer("revcart")

    def close() -> None:
        _tracers.pop(settings.service, None)
        provider.shutdown()

    return close


def _parent() -> "Context | None":
    match = _TRACEPARENT.fullmatch(traceparent.get())
    if not match:
        return None
    remote = trace.SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(match[3], 16)),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(remote))
