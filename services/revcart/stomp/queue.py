"""What waits for one slow screen: bounded, newest location only, per subscription held back while unacknowledged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """One body on its way to everybody who listens to `channel`. `replaces`: only the newest of the channel counts."""

    channel: str
    body: bytes
    replaces: bool = False


@dataclass
class _Waiting:
    subscription: str
    message: Message


class Queue:
    """At most `messages` items and `size` bytes of bodies. Nothing here waits: the writer asks, the broker offers."""

    def __init__(self, *, messages: int, size: int) -> None:
        self._most_messages = messages
        self._most_bytes = size
        self._items: list[_Waiting] = []
        self._bytes = 0
        self.full_since: float | None = None  # when the first message was refused since the last one was taken

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, message: Message, *, subscription: str, now: float) -> bool:
        """Keep the message, or answer False when there is no room for it."""
        if message.replaces and self._replace(message, subscription=subscription):
            return True
        if len(self._items) >= self._most_messages or self._bytes + len(message.body) > self._most_bytes:
            if self.full_since is None:
                self.full_since = now
            return False
        self._items.append(_Waiting(subscription, message))
        self._bytes += len(message.body)
        return True

    def take(self, ready: Callable[[str], bool]) -> tuple[str, Message] | None:
        """The oldest message whose subscription is ready for it."""
        for position, item in enumerate(self._items):
            if ready(item.subscription):
                del self._items[position]
                self._bytes -= len(item.message.body)
                self.full_since = None
                return item.subscription, item.message
        return None

    def drop(self, subscription: str) -> None:
        """Forget what waits for a subscription that ended."""
        self._items = [item for item in self._items if item.subscription != subscription]
        self._bytes = sum(len(item.message.body) for item in self._items)
        self.full_since = None

    def _replace(self, message: Message, *, subscription: str) -> bool:
        for item in self._items:
            if item.subscription == subscription and item.message.channel == message.channel and item.message.replaces:
                self._bytes += len(message.body) - len(item.message.body)
                item.message = message
                return True
        return False
