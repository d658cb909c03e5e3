"""Between replicas and open screens: every replica hears every signal and serves its own sessions.

At most once, nothing is replayed: clients read the lists again when they reconnect.
"""

import json
from typing import Any, Final

from revcart.kit import cache, errors, telemetry
from revcart.notification import bodies
from revcart.stomp import broker, queue

CHANNEL: Final = "revcart:realtime"

log = telemetry.get_logger(__name__)


class Realtime:
    """The fan-out of one replica."""

    def __init__(self, *, cache: cache.Cache, broker: broker.Broker, metrics: telemetry.Metrics) -> None:
        self._cache = cache
        self._broker = broker
        self._failed = metrics.counter(
            "revcart_realtime_fanout_errors_total", "Signals that only this replica's own sessions were sent"
        )
        self._sent = metrics.counter(
            "revcart_realtime_messages_total", "Messages queued for sessions", ("destination_kind",)
        )

    async def publish(self, *signals: bodies.Signal) -> None:
        """Send to all who listen, on all replicas; with the cache away, on this one."""
        for signal in signals:
            await self._tell(
                {
                    "destination": signal.destination,
                    "id": signal.body["id"],
                    "at": signal.body["at"],
                    "body": signal.body,
                    "replaces": signal.replaces,
                }
            )

    async def recheck(self, destination: str) -> None:
        """The rights to a destination have changed: have every replica ask them again."""
        await self._tell({"destination": destination, "recheck": True})

    async def listen(self) -> None:
        """Serve this replica's sessions for as long as it runs. A worker."""
        async with self._cache.subscribe(CHANNEL) as messages:
            async for message in messages:
                try:
                    await self._hear(json.loads(message.data))
                except (ValueError, KeyError, TypeError) as error:
                    log.warning("realtime.unreadable", why=type(error).__name__)

    async def _tell(self, signal: dict[str, Any]) -> None:
        try:
            await self._cache.publish(CHANNEL, json.dumps(signal, ensure_ascii=False, separators=(",", ":")))
        except errors.DependencyUnavailable:
            self._failed.inc()
            await self._hear(signal)

    async def _hear(self, signal: dict[str, Any]) -> None:
        destination: str = signal["destination"]
        if signal.get("recheck"):
            await self._broker.recheck(destination)
            return
        body = json.dumps(signal["body"], ensure_ascii=False, separators=(",", ":")).encode()
        message = queue.Message(channel=destination, body=body, replaces=bool(signal.get("replaces")))
        self._sent.labels(_kind(destination)).inc(self._broker.publish(message))


def _kind(destination: str) -> str:
    """`orders`, `delivery`, `admin` or `notifications`: a label has to stay bounded."""
    return "notifications" if destination.startswith("/user/") else destination.split("/")[2]
