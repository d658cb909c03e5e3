"""Logs carry who spoke and for which request, are redacted, and go where they were sent; metrics stay per service."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from revcart.kit import telemetry, tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def logging_left_as_found() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_record_has_the_shape_of_the_log_store(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO", "json", "order")
    with telemetry.context(request_id="req-12345678", traceparent=PARENT, user_id=7):
        telemetry.get_logger("revcart.order.flow").info("order.placed", orderId=9, status=201)
    [record] = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("at"))
    assert record == {
        "level": "INFO",
        "service": "order",
        "logger": "revcart.order.flow",
        "event": "order.placed",
        "requestId": "req-12345678",
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "spanId": "00f067aa0ba902b7",
        "userId": 7,
        "status": 201,
        "fields": {"orderId": 9},
    }


def test_context_ends_with_its_block(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO", "json", "local")
    log = telemetry.get_logger("x")
    with telemetry.context(service="cart", request_id="outer-request"):
        with telemetry.context(service="product"):
            log.info("inner")
        log.info("outer")
    log.info("after")
    assert [(line["service"], line.get("requestId")) for line in lines(capsys)] == [
        ("product", "outer-request"),
        ("cart", "outer-request"),
        ("local", None),
    ]


def test_level_decides(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("warning", "json", "order")
    log = telemetry.get_logger("x")
    log.info("quiet")
    log.warning("loud")
    assert [(line["level"], line["event"]) for line in lines(capsys)] == [("WARN", "loud")]


@pytest.mark.parametrize("format", ["json", "console"])
def test_secrets_never_come_out(format: Any, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO", format, "auth")
    log = telemetry.get_logger("x")
    try:
        raise ValueError("no mail to ravi@example.com, otp=482913")
    except ValueError:
        log.exception("mail.failed", password="hunter2", headers={"Cookie": "rt=abcdef"}, to="ravi@example.com")
    logging.getLogger("library").warning("calling +919876543210 with %s", "Bearer abcdefgh")
    out = capsys.readouterr().out
    for secret in ("ravi@example.com", "482913", "hunter2", "abcdef", "98765"):
        assert secret not in out
    assert "r***@example.com" in out
    assert "ValueError" in out
    assert "Bearer ***" in out


def test_an_error_is_told_with_type_and_bounded_stack(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO", "json", "auth")
    try:
        raise ValueError("x" * 50_000)
    except ValueError as error:
        telemetry.get_logger("x").error("failed", exc_info=error, fields_text="y" * 50_000, small=1)
    [record] = lines(capsys)
    assert record["error"]["type"] == "ValueError"
    assert len(record["error"]["message"]) <= 2048
    assert len(record["error"]["stack"]) <= 8192
    assert record["fields"] == {"truncated": True}


def test_one_process_writes_one_file_per_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure("INFO", "json", "local", directory=tmp_path / "logs")
    log = telemetry.get_logger("x")
    with telemetry.context(service="cart"):
        log.info("from.cart")
        logging.getLogger("library").warning("from a library")
    with telemetry.context(service="order"):
        log.info("from.order")
    files = {path.name: path.read_text().count("\n") for path in (tmp_path / "logs").iterdir()}
    assert files == {"cart.log": 2, "order.log": 1}
    assert capsys.readouterr().out == ""


def test_metrics_belong_to_their_service() -> None:
    cart, order = telemetry.Metrics("cart"), telemetry.Metrics("order")
    cart.counter("revcart_things_total", "Things.", ["kind"]).labels("a").inc()
    cart.counter("revcart_things_total", "Things.", ["kind"]).labels("a").inc()
    order.histogram("revcart_seconds", "Seconds.").observe(0.2)
    order.gauge("revcart_level", "Level.").set(3)
    assert b'revcart_things_total{kind="a"} 2.0' in cart.exposition()
    assert b"revcart_things" not in order.exposition()
    assert b'revcart_seconds_bucket{le="0.25"} 1.0' in order.exposition()
    assert b"revcart_level 3.0" in order.exposition()


def test_a_metric_keeps_type_and_labels() -> None:
    metrics = telemetry.Metrics("cart")
    metrics.counter("revcart_x_total", "X.")
    with pytest.raises(ValueError, match="revcart_x_total"):
        metrics.gauge("revcart_x_total", "X.")
    with pytest.raises(ValueError, match="revcart_x_total"):
        metrics.counter("revcart_x_total", "X.", ["kind"])


def test_traceparent_is_continued_or_started() -> None:
    child = tracing.child_of(PARENT)
    assert tracing.ids(child)[0] == tracing.ids(PARENT)[0]
    assert child != PARENT
    for bad in (None, "", "garbage", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-" + PARENT[3:]):
        trace_id, span_id = tracing.ids(tracing.child_of(bad))
        assert len(trace_id) == 32
        assert len(span_id) == 16


def test_spans_cost_nothing_without_an_endpoint() -> None:
    close = telemetry.configure_tracing(SimpleNamespace(service="order", environment="development", otlp_endpoint=""))
    with telemetry.context(service="order", traceparent=PARENT), telemetry.span("work", orderId=1) as span:
        assert not span.is_recording()
        assert telemetry.traceparent.get() == PARENT
    close()


def test_an_endpoint_without_the_sdk_is_a_clear_sentence() -> None:
    settings = SimpleNamespace(service="order", environment="development", otlp_endpoint="http://127.0.0.1:9")
    try:
        import opentelemetry.sdk  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        with pytest.raises(RuntimeError, match=r"revcart\[otel\]"):
            telemetry.configure_tracing(settings)
    else:
        close = telemetry.configure_tracing(settings)
        with telemetry.context(service="order", traceparent=PARENT), telemetry.span("work") as span:
            assert span.is_recording()
            assert tracing.ids(telemetry.traceparent.get())[0] == tracing.ids(PARENT)[0]
        close()
