"""One STOMP conversation, without a socket: frames go in, frames and at last a `Close` come out.

The transport calls `receive` for each frame, `tick` when `deadline` has come, and sends what `next_frame` gives.
Time is a number of seconds from the clock given; it is only compared with itself.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import revcart
from revcart.stomp import frames, peer, queue, transactions

SERVER: Final = f"RevCart/{revcart.__version__}"
CONTENT_TYPE: Final = "application/json;charset=utf-8"
_TRANSACTED: Final = frozenset({"SEND", "ACK", "NACK"})
_COMMANDS: Final = _TRANSACTED | {"SUBSCRIBE", "UNSUBSCRIBE", "BEGIN", "COMMIT", "ABORT", "DISCONNECT"}


@dataclass(frozen=True)
class Limits:
    """Bounds of one session; seconds unless the name says otherwise."""

    frames: frames.Limits = field(default_factory=frames.Limits)
    connect: float = 10
    heart_beat: float = 10
    missed_beats: int = 3
    expiry_grace: float = 60
    slow: float = 10
    subscriptions: int = 50
    unacknowledged: int = 100
    transactions: int = 10
    transaction_frames: int = 100
    transaction_bytes: int = 512 * 1024
    queued_messages: int = 256
    queued_bytes: int = 512 * 1024


@dataclass(frozen=True)
class Close:
    """WebSocket close code and reason."""

    code: int
    reason: str


GO_AWAY: Final = Close(1000, "Go away!")
GOING_AWAY: Final = Close(1001, "Going away")
POLICY_VIOLATION: Final = Close(1008, "Policy violation")
TOO_BIG: Final = Close(1009, "Message too big")
TRY_LATER: Final = Close(1013, "Try again later")


@dataclass
class Subscription:
    """`id` as given by the client; 1.0 may leave it out, then the destination names the subscription."""

    key: str
    id: str | None
    destination: str
    ack: str
    channels: tuple[str, ...]
    unacknowledged: dict[str, None] = field(default_factory=dict)  # in the order sent


class Router(Protocol):
    """The half of the broker a session talks to."""

    def admit(self, session: Session) -> bool: ...

    def listen(self, session: Session, subscription: Subscription) -> None: ...

    def leave(self, session: Session, subscription: Subscription) -> None: ...


class Session:
    """States: no CONNECT yet, connected, closing (`close` is set; nothing is read any more)."""

    def __init__(
        self,
        *,
        authenticate: peer.Authenticate,
        router: Router,
        now: Callable[[], float],
        wake: Callable[[], None],
        limits: Limits | None = None,
    ) -> None:
        self.id = secrets.token_hex(12)
        self.limits = limits or Limits()
        self.version: frames.Version | None = None
        self.peer: peer.Peer | None = None
        self.close: Close | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self._authenticate = authenticate
        self._router = router
        self._now = now
        self._wake = wake
        self._replies: deque[frames.Frame] = deque()
        self._queue = queue.Queue(messages=self.limits.queued_messages, size=self.limits.queued_bytes)
        self._transactions = transactions.Transactions(
            open_at_once=self.limits.transactions,
            frames_each=self.limits.transaction_frames,
            bytes_in_all=self.limits.transaction_bytes,
        )
        self._sent = 0  # messages so far; gives message ids
        self._connect_by = now() + self.limits.connect
        self._expires: float | None = None
        self._beat_every = 0.0  # server to client, 0 = none
        self._expect_every = 0.0  # client to server, 0 = none
        self._heard = self._spoke = now()

    # What the transport calls

    async def receive(self, frame: frames.Frame) -> None:
        """Handle one frame of the client. Refusals become an ERROR frame and a close; nothing is raised."""
        if self.close is not None:
            return
        try:
            if frame.command in ("CONNECT", "STOMP"):
                await self._connect(frame)
                return
            if self.peer is None:
                raise peer.Refused("not connected", "The first frame is CONNECT or STOMP.")
            await self._handle(frame)
            self._receipt(frame)
            if frame.command == "DISCONNECT":
                self.finish(GO_AWAY)
        except peer.Refused as refusal:
            self.refuse(refusal, of=frame)

    def heard(self) -> None:
        """Bytes came in, a heart-beat or more."""
        self._heard = self._now()

    def spoke(self) -> None:
        """Bytes went out."""
        self._spoke = self._now()

    @property
    def backlog(self) -> int:
        """Replies the client has not taken yet; the transport reads no further while there are many."""
        return len(self._replies)

    def next_frame(self) -> frames.Frame | None:
        """What to send next: replies first, then the oldest message that is not held back."""
        if self._replies:
            return self._replies.popleft()
        if self.close is not None:
            return None
        taken = self._queue.take(self._is_ready)
        if taken is None:
            return None
        key, message = taken
        return self._message(self.subscriptions[key], message)

    def deadline(self) -> float:
        """When `tick` has something to do at the earliest, if nothing else happens."""
        times = [self._now() + 60]
        if self.peer is None:
            times.append(self._connect_by)
        if self._expires is not None:
            times.append(self._expires)
        if self._beat_every:
            times.append(self._spoke + self._beat_every)
        if self._expect_every:
            times.append(self._heard + self._expect_every * self.limits.missed_beats)
        if self._queue.full_since is not None:
            times.append(self._queue.full_since + self.limits.slow)
        return min(times)

    def tick(self) -> bool:
        """Close what is overdue. True when a heart-beat has to be sent now."""
        now = self._now()
        if self.close is not None:
            return False
        if self.peer is None:
            if now >= self._connect_by:
                self.refuse(peer.Refused("not connected", f"No CONNECT within {self.limits.connect:g} seconds."))
            return False
        if self._expires is not None and now >= self._expires:
            self.refuse(peer.Refused("token expired", "Connect again with a fresh token."))
        elif self._expect_every and now >= self._heard + self._expect_every * self.limits.missed_beats:
            self.refuse(peer.Refused("heart-beat missed", "Nothing was heard for three heart-beats."))
        elif self._queue.full_since is not None and now >= self._queue.full_since + self.limits.slow:
            self.finish(TRY_LATER)
        return self.close is None and bool(self._beat_every) and now >= self._spoke + self._beat_every

    # What the broker calls

    def deliver(self, subscription: Subscription, message: queue.Message) -> bool:
        """Queue a message. False when it was dropped because the client is too slow."""
        if self.close is not None:
            return True
        kept = self._queue.offer(message, subscription=subscription.key, now=self._now())
        self._wake()
        return kept

    def finish(self, close: Close) -> None:
        """Close after the replies already waiting; queued messages are dropped."""
        if self.close is None:
            self.close = close
            self._transactions.clear()
            self._wake()

    def refuse(self, refusal: peer.Refused, *, of: frames.Frame | None = None) -> None:
        """Send an ERROR frame naming the cause, then close with 1008."""
        if self.close is not None:
            return
        receipt = of.get("receipt") if of is not None and of.command not in ("CONNECT", "STOMP") else None
        version = ",".join(reversed(frames.VERSIONS)) if refusal.message == "version not supported" else None
        headers = [
            ("version", version),
            ("message", refusal.message),
            ("receipt-id", receipt),
            ("content-type", "text/plain;charset=utf-8"),
        ]
        self._replies.append(frames.frame("ERROR", headers, body=refusal.detail.encode()))
        self.finish(POLICY_VIOLATION)

    def end(self, subscription: Subscription) -> None:
        """Take a subscription away: asked by the client, or because its right is gone."""
        if self.subscriptions.get(subscription.key) is subscription:
            del self.subscriptions[subscription.key]
            self._router.leave(self, subscription)
            self._queue.drop(subscription.key)

    # CONNECT

    async def _connect(self, frame: frames.Frame) -> None:
        if self.peer is not None:
            raise peer.Refused("already connected", "A session connects once.")
        offered = {part.strip() for part in (frame.get("accept-version") or "1.0").split(",")}
        version = next((known for known in frames.VERSIONS if known in offered), None)
        if version is None:
            raise peer.Refused("version not supported", "This server speaks STOMP 1.0, 1.1 and 1.2.")
        sends, wants = _heart_beat(frame.get("heart-beat"))
        first = dict(reversed(frame.headers))
        connected = await self._authenticate(first)
        if self.close is not None:
            return  # too late: the deadline passed while the token was looked at
        self.peer = connected
        if not self._router.admit(self):
            self.finish(TRY_LATER)
            return
        self.version = version
        self._expires = self._now() + connected.valid_seconds + self.limits.expiry_grace
        offer = self.limits.heart_beat
        self._beat_every = max(offer, wants) if wants else 0.0
        self._expect_every = max(offer, sends) if sends else 0.0
        self._heard = self._spoke = self._now()
        beat = f"{offer * 1000:.0f},{offer * 1000:.0f}"
        headers = [("version", version), ("heart-beat", beat), ("session", self.id)]
        self._replies.append(frames.frame("CONNECTED", [*headers, ("user-name", connected.name), ("server", SERVER)]))
        self._wake()

    # Frames of a connected client

    async def _handle(self, frame: frames.Frame) -> None:
        transaction = frame.get("transaction")
        is_known = frame.command in _COMMANDS and not (frame.command == "NACK" and self.version == "1.0")
        if not is_known:
            raise peer.Refused("unknown command", "This command is not part of the agreed version.")
        if frame.command in _TRANSACTED and transaction is not None:
            self._transactions.keep(transaction, frame)
            return
        match frame.command:
            case "SUBSCRIBE":
                await self._subscribe(frame)
            case "UNSUBSCRIBE":
                self._unsubscribe(frame)
            case "BEGIN":
                self._transactions.begin(_required(frame, "transaction"))
            case "COMMIT":
                for kept in self._transactions.end(_required(frame, "transaction")):
                    await self._apply(kept)
            case "ABORT":
                self._transactions.end(_required(frame, "transaction"))
            case command if command in _TRANSACTED:
                await self._apply(frame)

    async def _apply(self, frame: frames.Frame) -> None:
        if frame.command == "SEND":
            await self._send(frame)
        else:
            self._acknowledge(frame)

    async def _send(self, frame: frames.Frame) -> None:
        assert self.peer is not None, "only a connected peer sends"
        await self.peer.receive(_required(frame, "destination"), frame.body)

    async def _subscribe(self, frame: frames.Frame) -> None:
        assert self.peer is not None, "only a connected peer subscribes"
        destination = _required(frame, "destination")
        given = frame.get("id") if self.version == "1.0" else _required(frame, "id")
        key = given if given is not None else destination
        ack = frame.get("ack") or "auto"
        if ack not in ("auto", "client", "client-individual"):
            raise peer.Refused("bad ack mode", "ack is auto, client or client-individual.")
        if key in self.subscriptions:
            raise peer.Refused("duplicate subscription", "A subscription of this id is open.")
        if len(self.subscriptions) >= self.limits.subscriptions:
            raise peer.Refused("too many subscriptions", f"At most {self.limits.subscriptions} per session.")
        channels = await self.peer.channels(destination)
        if self.close is not None:
            return  # revoked or expired while the rights were looked up
        subscription = Subscription(key=key, id=given, destination=destination, ack=ack, channels=channels)
        self.subscriptions[key] = subscription
        self._router.listen(self, subscription)

    def _unsubscribe(self, frame: frames.Frame) -> None:
        key = frame.get("id")
        if key is None and self.version == "1.0":
            key = _required(frame, "destination")
        subscription = self.subscriptions.get(key if key is not None else _required(frame, "id"))
        if subscription is not None:
            self.end(subscription)

    def _acknowledge(self, frame: frames.Frame) -> None:
        # NACK comes here too: nothing is redelivered, so refusing a message also just lets go of it.
        message_id = _required(frame, "id" if self.version == "1.2" else "message-id")
        for subscription in self.subscriptions.values():
            if message_id not in subscription.unacknowledged:
                continue
            if subscription.ack == "client-individual":
                del subscription.unacknowledged[message_id]
            else:  # client: this one and all before it
                while next(iter(subscription.unacknowledged)) != message_id:
                    del subscription.unacknowledged[next(iter(subscription.unacknowledged))]
                del subscription.unacknowledged[message_id]
            self._wake()
            return

    # Out

    def _receipt(self, frame: frames.Frame) -> None:
        receipt = frame.get("receipt")
        if receipt is not None:
            self._replies.append(frames.frame("RECEIPT", [("receipt-id", receipt)]))
            self._wake()

    def _is_ready(self, key: str) -> bool:
        subscription = self.subscriptions[key]
        return subscription.ack == "auto" or len(subscription.unacknowledged) < self.limits.unacknowledged

    def _message(self, subscription: Subscription, message: queue.Message) -> frames.Frame:
        self._sent += 1
        message_id = f"{self.id}-{self._sent}"
        needs_ack = subscription.ack != "auto"
        if needs_ack:
            subscription.unacknowledged[message_id] = None
        headers = [
            ("subscription", subscription.id),
            ("message-id", message_id),
            ("destination", subscription.destination),
            ("ack", message_id if needs_ack and self.version == "1.2" else None),
            ("content-type", CONTENT_TYPE),
            ("content-length", str(len(message.body))),
        ]
        return frames.frame("MESSAGE", headers, body=message.body)


def _required(frame: frames.Frame, name: str) -> str:
    value = frame.get(name)
    if not value:
        raise peer.Refused("missing header", f"{frame.command} needs the header {name}.")
    return value


def _heart_beat(text: str | None) -> tuple[float, float]:
    """What the client can send and wants to get, in seconds; 0 = not at all."""
    parts = (text or "0,0").split(",")
    digits = [part.strip() for part in parts]
    if len(digits) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in digits):
        raise peer.Refused("bad heart-beat", "heart-beat is two numbers of milliseconds.")
    return int(digits[0]) / 1000, int(digits[1]) / 1000
