"""Logs, correlation ids, metrics and spans: what lets somebody see what a service did.

In one process eleven services log side by side; who is speaking comes from the context variable `service`, set by the
code that hands a request, an event or a worker to a service. Records have the shape of the central log store
(contract/analytics-admin.md) and are redacted before they leave the process.
"""

import contextlib
import contextvars
import datetime
import json
import logging
import logging.handlers
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import structlog

from revcart.kit import redaction, tracing
from revcart.kit.metrics import CONTENT_TYPE, Metrics
from revcart.kit.tracing import configure as configure_tracing
from revcart.kit.tracing import service, span, traceparent

__all__ = [
    "CONTENT_TYPE", "Metrics", "bind", "configure", "configure_tracing", "context", "get_logger", "request_id",
    "service", "span", "traceparent", "user_id",
]  # fmt: skip

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("revcart_request_id", default="")
user_id: contextvars.ContextVar[int | None] = contextvars.ContextVar("revcart_user_id", default=None)

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]

_LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERROR", "critical": "ERROR"}
_NUMBERS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}
_OWN = ("at", "level", "service", "logger", "event", "message", "requestId", "traceId", "spanId", "userId", "role",
        "ip", "method", "route", "status", "durationMs", "bytes", "error")  # fmt: skip
_MESSAGE, _STACK, _FIELDS = 2048, 8192, 4096  # characters
_OWN_LEVELS: dict[str, int] = {}  # of services whose level is another than the process's
_FILE_BYTES, _FILES = 10 * 1024 * 1024, 2


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger: `log.info("order.placed", orderId=7)`. First the event's name, then fields; never bodies or secrets."""
    return cast(structlog.typing.FilteringBoundLogger, structlog.get_logger(logger_name=name))


def bind(
    *,
    service: str | None = None,
    request_id: str | None = None,
    traceparent: str | None = None,
    user_id: int | None = None,
) -> None:
    """Set what later log lines, calls and events of this task carry. `context` does it for a block."""
    for variable, value in _given(service, request_id, traceparent, user_id):
        variable.set(value)


@contextlib.contextmanager
def context(
    *,
    service: str | None = None,
    request_id: str | None = None,
    traceparent: str | None = None,
    user_id: int | None = None,
) -> Iterator[None]:
    """`bind` for the length of a block. What is not given stays as it is around the block."""
    marks = [(variable, variable.set(value)) for variable, value in _given(service, request_id, traceparent, user_id)]
    try:
        yield
    finally:
        for variable, mark in reversed(marks):
            variable.reset(mark)


def configure(level: str, format: Literal["json", "console"], service: str, *, directory: Path | None = None) -> None:
    """Set up logging of the whole process, of libraries too. May be called again.

    `service` signs what no service said. With `directory`, lines go to `<directory>/<service>.log` (10 MiB, two older
    ones are kept) instead of standard output.
    """
    number = _number(level)
    sink = _Sink(directory)
    structlog.configure(
        processors=[
            _Threshold(service, number),
            _Record(service),
            _redact,
            _Line(format, colours=directory is None and sys.stdout.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min([number, *_OWN_LEVELS.values()])),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Bridge)]:
        root.removeHandler(handler)
    root.addHandler(_Bridge())
    root.setLevel(max(number, logging.INFO))  # the debug lines of drivers and loops are nobody's business here


def set_level(service: str, level: Level | None) -> None:
    """What `service` logs from now on; None: what the process does."""
    if level is None:
        _OWN_LEVELS.pop(service, None)
    else:
        _OWN_LEVELS[service] = _number(level)
    processors = structlog.get_config()["processors"]
    if isinstance(processors[0], _Threshold):
        lowest = min([processors[0].number, *_OWN_LEVELS.values()])
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(lowest))


def _number(level: str) -> int:
    return _NUMBERS[{"WARNING": "WARN", "CRITICAL": "ERROR"}.get(level.upper(), level.upper())]


class _Threshold:
    """Lets through what the level of who is speaking allows; the loggers themselves go by the lowest of all."""

    def __init__(self, service: str, number: int) -> None:
        self._service, self.number = service, number

    def __call__(self, _: Any, method: str, call: structlog.typing.EventDict) -> structlog.typing.EventDict:
        wanted = _OWN_LEVELS.get(service.get() or self._service, self.number)
        if _NUMBERS[_LEVELS.get(method, "INFO")] < wanted:
            raise structlog.DropEvent
        return call


def _given(
    service_name: str | None, request: str | None, parent: str | None, user: int | None
) -> list[tuple[contextvars.ContextVar[Any], Any]]:
    pairs: list[tuple[contextvars.ContextVar[Any], Any]] = [
        (service, service_name),
        (request_id, request),
        (traceparent, parent),
        (user_id, user),
    ]
    return [(variable, value) for variable, value in pairs if value is not None]


class _Record:
    """Brings a log call into the shape of the log store: known members on top, the rest under `fields`."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: Any, method: str, call: structlog.typing.EventDict) -> structlog.typing.EventDict:
        error = _error(call.pop("exc_info", None))
        trace_id, span_id = tracing.ids(traceparent.get())
        record: dict[str, Any] = {
            "at": _now(),
            "level": _LEVELS.get(method, "INFO"),
            "service": service.get() or self._service,
            "logger": call.pop("logger_name", ""),
            "event": call.pop("event", ""),
            "requestId": request_id.get() or None,
            "traceId": trace_id or None,
            "spanId": span_id or None,
            "userId": user_id.get(),
            "error": error,
        }
        record.update((name, call.pop(name)) for name in _OWN if name in call)
        record["fields"] = dict(call)
        return {name: value for name, value in record.items() if value is not None and value != {}}


def _now() -> str:
    # The host's clock even under a test clock: a log line tells when it was written.
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(info: Any) -> dict[str, str] | None:
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return None
    stack = "".join(traceback.format_exception(error))
    return {"type": type(error).__qualname__, "message": str(error)[:_MESSAGE], "stack": stack[-redaction.LONGEST :]}


def _redact(_: Any, __: str, record: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Redaction first, then limits, so that a cut leaves no half of a secret unrecognised."""
    clean: dict[str, Any] = redaction.redact(record)
    clean["event"] = str(clean.get("event", ""))[:_MESSAGE]
    if isinstance(message := clean.get("message"), str):
        clean["message"] = message[:_MESSAGE]
    if isinstance(error := clean.get("error"), dict):
        error["stack"] = str(error.get("stack", ""))[-_STACK:]
    if fields := clean.get("fields"):
        clean["fields"] = _bounded(fields)
    return clean


def _bounded(fields: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    left = _FIELDS
    for name, value in fields.items():
        left -= len(name) + len(json.dumps(value, ensure_ascii=False))
        if left < 0:
            return kept | {"truncated": True}
        kept[name] = value
    return kept


class _Line:
    """The last processor: the line, and the service whose file it belongs to."""

    def __init__(self, format: Literal["json", "console"], *, colours: bool) -> None:
        self._console = structlog.dev.ConsoleRenderer(colors=colours) if format == "console" else None

    def __call__(
        self, logger: Any, method: str, record: structlog.typing.EventDict
    ) -> tuple[tuple[str], dict[str, str]]:
        name = str(record.get("service", ""))
        if self._console is None:
            line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        else:
            line = str(self._console(logger, method, _for_people(record)))
        return (line,), {"service": name}


def _for_people(record: Mapping[str, Any]) -> dict[str, Any]:
    hidden = ("at", "fields", "error", "level", "spanId")
    flat = {name: value for name, value in record.items() if name not in hidden} | dict(record.get("fields", {}))
    error = record.get("error")
    if isinstance(error, dict):
        flat["exception"] = error["stack"]
    elif error:
        flat["error"] = error
    return flat | {"timestamp": record["at"], "level": record["level"].lower()}


class _Sink:
    """Where lines go: standard output, or one file per service."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._files: dict[str, logging.handlers.RotatingFileHandler] = {}

    def write(self, line: str, *, service: str) -> None:
        if self._directory is None:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            return
        if service not in self._files:
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / f"{service or 'revcart'}.log"
            self._files[service] = logging.handlers.RotatingFileHandler(
                path, maxBytes=_FILE_BYTES, backupCount=_FILES, encoding="utf-8"
            )
        self._files[service].handle(logging.makeLogRecord({"msg": line}))

    debug = info = warning = error = critical = write


class _Bridge(logging.Handler):
    """Sends what libraries log through `logging` the same way, so that it is redacted and signed too."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            logger = get_logger(record.name)
            logger.log(min(record.levelno, logging.CRITICAL), record.getMessage(), exc_info=record.exc_info)
        except Exception:
            self.handleError(record)
