"""Who listens to what on this replica. Between replicas the service passes messages on; nothing is kept or replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal

from revcart.stomp import peer, queue, session

DropReason = Literal["slow", "right-lost"]
USER_SESSIONS: Final = 5
REPLICA_SESSIONS: Final = 5_000


class Broker:
    """Sessions by channel. All methods but `recheck` are plain calls on the event loop's thread and never wait."""

    def __init__(
        self,
        *,
        per_user: int = USER_SESSIONS,
        in_all: int = REPLICA_SESSIONS,
        dropped: Callable[[DropReason], None] = lambda reason: None,
    ) -> None:
        self._per_user = per_user
        self._in_all = in_all
        self._dropped = dropped
        self._sessions: set[session.Session] = set()
        self._by_user: dict[str, set[session.Session]] = {}
        self._channels: dict[str, dict[tuple[session.Session, str], session.Subscription]] = {}

    # Transports

    def attach(self, newcomer: session.Session) -> bool:
        """Count a session in. False when the replica is full."""
        if len(self._sessions) >= self._in_all:
            return False
        self._sessions.add(newcomer)
        return True

    def detach(self, leaver: session.Session) -> None:
        """Forget a session and all it listened to."""
        for subscription in list(leaver.subscriptions.values()):
            leaver.end(subscription)
        self._sessions.discard(leaver)
        if leaver.peer is not None:
            mine = self._by_user.get(leaver.peer.name, set())
            mine.discard(leaver)
            if not mine:
                self._by_user.pop(leaver.peer.name, None)

    # Sessions (session.Router)

    def admit(self, session: session.Session) -> bool:
        """Count a session to its user. False when that user has too many."""
        assert session.peer is not None, "a session is admitted once it is authenticated"
        mine = self._by_user.setdefault(session.peer.name, set())
        if len(mine) >= self._per_user:
            return False
        mine.add(session)
        return True

    def listen(self, session: session.Session, subscription: session.Subscription) -> None:
        for channel in subscription.channels:
            self._channels.setdefault(channel, {})[session, subscription.key] = subscription

    def leave(self, session: session.Session, subscription: session.Subscription) -> None:
        for channel in subscription.channels:
            listeners = self._channels.get(channel, {})
            listeners.pop((session, subscription.key), None)
            if not listeners:
                self._channels.pop(channel, None)

    # The service

    def publish(self, message: queue.Message) -> int:
        """Queue a message for everybody who listens on this replica; answers how many that are."""
        listeners = list(self._channels.get(message.channel, {}).items())
        for (listener, _), subscription in listeners:
            if not listener.deliver(subscription, message):
                self._dropped("slow")
        return len(listeners)

    async def recheck(self, channel: str) -> None:
        """Ask every listener's rights again and end the subscriptions that lost theirs."""
        for (listener, _), subscription in list(self._channels.get(channel, {}).items()):
            assert listener.peer is not None, "only a connected peer subscribes"
            try:
                allowed = channel in await listener.peer.channels(subscription.destination)
            except peer.Refused:
                allowed = False
            if not allowed:
                listener.end(subscription)
                self._dropped("right-lost")

    def sessions(self) -> Iterator[session.Session]:
        """All sessions that have connected."""
        return iter([each for each in self._sessions if each.peer is not None])

    @property
    def session_count(self) -> int:
        return len(self._sessions)

    @property
    def subscription_count(self) -> int:
        return sum(len(listeners) for listeners in self._channels.values())
