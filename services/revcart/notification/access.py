"""Who is connected to the WebSocket, and which destinations that person may hear and use: the contract's table."""

import json
import re
from collections.abc import Mapping

from revcart.kit import auth, errors
from revcart.notification import bodies, flow
from revcart.stomp import peer

_ID = r"([1-9][0-9]{0,15})"
_ORDERS = re.compile(rf"/topic/orders/{_ID}")
_DELIVERY = re.compile(rf"/topic/delivery/{_ID}")
_NOTIFICATIONS = re.compile(rf"/user/{_ID}/queue/notifications")
_READ = "/app/notifications/read"


class Peer:
    """A signed-in user at the other end. Every question is answered from the present state: it may be asked again."""

    def __init__(self, user: auth.User, *, ports: flow.Ports) -> None:
        self._user = user
        self._ports = ports

    @property
    def name(self) -> str:
        return str(self._user.id)

    @property
    def sid(self) -> str:
        return self._user.sid

    @property
    def valid_seconds(self) -> float:
        return (self._user.expires_at - self._ports.clock.now()).total_seconds()

    async def channels(self, destination: str) -> tuple[str, ...]:
        """The channels behind a destination. Raises peer.Forbidden."""
        if destination in ("/user/queue/notifications", "/topic/notifications"):
            return (bodies.notifications(self._user.id),)
        if await self._may_hear(destination):
            return (destination,)
        raise peer.Forbidden("This destination does not exist or is not yours.")

    async def receive(self, destination: str, body: bytes) -> None:
        """Take a message. Raises peer.Forbidden, peer.Refused."""
        if destination != _READ:
            raise peer.Forbidden(f"Messages are taken at {_READ} only.")
        try:
            given = json.loads(body)
            notification_id = given["id"]
            if not isinstance(notification_id, str):
                raise TypeError("id")
        except (ValueError, KeyError, TypeError, RecursionError):
            raise peer.Refused("bad message", 'Send {"id": "…"}.') from None
        try:
            await flow.mark_read(user_id=self._user.id, id=notification_id, ports=self._ports)
        except errors.NotFound:
            return  # deleted meanwhile: nothing is left to mark
        except errors.DependencyUnavailable:
            raise peer.Refused("unavailable", "Please try again.") from None

    async def _may_hear(self, destination: str) -> bool:
        is_admin = self._user.role == "ADMIN"
        if destination == bodies.ADMIN:
            return is_admin
        if match := _ORDERS.fullmatch(destination):
            return is_admin or int(match[1]) == self._user.id
        if match := _NOTIFICATIONS.fullmatch(destination):
            return int(match[1]) == self._user.id
        if match := _DELIVERY.fullmatch(destination):
            return is_admin or await self._is_party(int(match[1]))
        return False

    async def _is_party(self, order_id: int) -> bool:
        """Whether the order is the user's own, or the agent's to carry now. Denied when nobody can tell."""
        try:
            parties = await flow.parties(order_id, ports=self._ports)
        except (errors.DependencyUnavailable, errors.Refused):
            return False
        if self._user.role == "DELIVERY_AGENT":
            return parties.get("agentUserId") == self._user.id
        return parties.get("userId") == self._user.id


async def authenticate(headers: Mapping[str, str], *, ports: flow.Ports) -> Peer:
    """From a CONNECT frame's headers to a peer. Raises peer.Unauthorized, peer.Refused."""
    given = headers.get("Authorization") or headers.get("authorization") or ""
    scheme, _, token = given.partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else headers.get("token", "")
    if not token:
        raise peer.Unauthorized("CONNECT needs the header Authorization: Bearer <access token>.")
    try:
        user = await ports.verifier.user(token)
        if await ports.revocations.has(user.sid):
            raise errors.TokenRevoked
    except errors.Unauthenticated as refusal:
        raise peer.Unauthorized(refusal.detail) from None
    except errors.DependencyUnavailable:
        raise peer.Refused("unavailable", "Tokens cannot be checked at the moment. Please try again.") from None
    return Peer(user, ports=ports)


async def end_revoked(*, ports: flow.Ports) -> None:
    """Close the connections of sessions that have ended. A worker."""
    for session in ports.broker.sessions():
        connected = session.peer
        if isinstance(connected, Peer) and await ports.revocations.has(connected.sid):
            session.refuse(peer.Unauthorized("This session has ended."))
