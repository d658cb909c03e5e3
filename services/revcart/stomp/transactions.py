"""SEND, ACK and NACK kept back until COMMIT: bounded in number, frames and bytes, and gone with the session."""

from __future__ import annotations

from dataclasses import dataclass, field

from revcart.stomp import frames, peer


@dataclass
class _Transaction:
    frames: list[frames.Frame] = field(default_factory=list)
    bytes: int = 0


class Transactions:
    """The open transactions of one session. All methods raise peer.Refused."""

    def __init__(self, *, open_at_once: int, frames_each: int, bytes_in_all: int) -> None:
        self._open_at_once = open_at_once
        self._frames_each = frames_each
        self._bytes_in_all = bytes_in_all
        self._open: dict[str, _Transaction] = {}

    def begin(self, name: str) -> None:
        if name in self._open:
            raise peer.Refused("duplicate transaction", "A transaction of this name is open.")
        if len(self._open) >= self._open_at_once:
            raise peer.Refused("too many transactions", f"At most {self._open_at_once} are open at once.")
        self._open[name] = _Transaction()

    def keep(self, name: str, frame: frames.Frame) -> None:
        """Add a frame to an open transaction."""
        transaction = self._known(name)
        total = sum(other.bytes for other in self._open.values()) + len(frame.body)
        if len(transaction.frames) >= self._frames_each or total > self._bytes_in_all:
            raise peer.Refused("transaction too large", "Commit or abort before sending more.")
        transaction.bytes += len(frame.body)
        transaction.frames.append(frame)

    def end(self, name: str) -> list[frames.Frame]:
        """Close a transaction; what it kept."""
        transaction = self._known(name)
        del self._open[name]
        return transaction.frames

    def clear(self) -> None:
        """Drop all of them."""
        self._open.clear()

    def _known(self, name: str) -> _Transaction:
        transaction = self._open.get(name)
        if transaction is None:
            raise peer.Refused("unknown transaction", "No transaction of this name is open.")
        return transaction
