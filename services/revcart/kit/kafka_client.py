"""aiokafka's clients, made patient: what they do without end while a broker is away, they do slowly and tersely."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

import aiokafka  # type: ignore[import-untyped]
from aiokafka import conn as kafka_conn
from aiokafka import errors as kafka_errors

from revcart.kit import kafka_address, telemetry

# What a broker, a network or a client that has given up comes out as.
FAILURES: Final = (kafka_errors.KafkaError, OSError, TimeoutError)
_FLUSH_SECONDS: Final = 3.0
_STOP_SECONDS: Final = 10.0
_SAME_LINE_SECONDS: Final = 10.0
_ASK_AGAIN_SECONDS: Final = 0.1
_AWAY_SECONDS: Final = 0.5
_METADATA_MS: Final = 60_000

log = telemetry.get_logger(__name__)


def producer(address: kafka_address.Address, **options: Any) -> Any:
    """An AIOKafkaProducer that is not started yet."""
    made = aiokafka.AIOKafkaProducer(**options, **_common(address))
    _slow_down(made.client)
    return made


def consumer(address: kafka_address.Address, **options: Any) -> Any:
    """An AIOKafkaConsumer that is not started yet."""
    made = aiokafka.AIOKafkaConsumer(**options, **_common(address))
    _slow_down(made._client)
    return made


@contextlib.asynccontextmanager
async def starting(address: kafka_address.Address) -> AsyncIterator[None]:
    """Around a client's start: its failure names what the first server's door said, which aiokafka only logs."""
    try:
        yield
    except kafka_errors.KafkaConnectionError as error:
        raise error from await _refusal(address)


async def _refusal(address: kafka_address.Address) -> Exception | None:
    host, _, port = address.servers[0].rpartition(":")
    options = address.options()
    del options["bootstrap_servers"]
    try:
        connection = await kafka_conn.create_conn(host.strip("[]"), int(port), client_id="revcart", **options)
    except FAILURES as error:
        return error
    await connection.close()
    return None


def has_failed(producer: Any) -> bool:
    """Whether a producer has given up for good, on a lost sequence for instance: it refuses everything from then on."""
    return bool(producer._sender.sender_task.done())


async def stop_producer(producer: Any) -> None:
    """Give it a few seconds to send what it holds, then drop the rest: what waits for that waits for ever."""
    sender = producer._sender
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FLUSH_SECONDS):
            await producer.flush()
            await producer.stop()
            return
    # `stop` would wait without end for what cannot be sent.
    if sender.sender_task is not None:
        await _ended(sender.close())
    producer._closed = True
    await producer.client.close()


async def stop_consumer(consumer: Any) -> None:
    """Leave the group; where that cannot be said, the broker takes a silent member out after its session."""
    await _ended(consumer.stop())
    await consumer._client.close()  # what `stop` does last, if it comes so far


async def _ended(stopping: Coroutine[Any, Any, None]) -> None:
    """Within a bound. A task of its own: aiokafka lets the cancellation of its own tasks out of `stop`."""
    task = asyncio.create_task(stopping)
    try:
        done, _ = await asyncio.wait({task}, timeout=_STOP_SECONDS)
    finally:
        task.cancel()
    if not done:
        log.warning("bus.client-not-stopped")
    elif not task.cancelled() and (error := task.exception()) is not None:
        log.warning("bus.client-stopped-badly", failure=type(error).__name__)


def _common(address: kafka_address.Address) -> dict[str, Any]:
    return {"client_id": "revcart", "metadata_max_age_ms": _METADATA_MS, **address.options()}


def _slow_down(client: Any) -> None:
    """aiokafka 0.14 asks for metadata again at once while a leader is unknown or nobody answers: a busy loop."""
    update, earliest = client._metadata_update, 0.0

    async def patiently(*arguments: Any) -> bool:
        nonlocal earliest
        await asyncio.sleep(earliest - time.monotonic())
        updated: bool = await update(*arguments)
        earliest = time.monotonic() + (_ASK_AGAIN_SECONDS if updated else _AWAY_SECONDS)
        return updated

    client._metadata_update = patiently


class _Terse(logging.Filter):
    """Lets a line of the client through once per 10 s: while a broker is away it repeats some twice a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}  # bounded by the log calls in aiokafka's source

    def filter(self, record: logging.LogRecord) -> bool:
        now, line = time.monotonic(), (record.name, str(record.msg))
        if record.levelno < logging.WARNING or now - self._last.get(line, -_SAME_LINE_SECONDS) < _SAME_LINE_SECONDS:
            return False
        self._last[line] = now
        return True


_terse = _Terse()
for _name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "aiokafka"]:
    logging.getLogger(_name).addFilter(_terse)
