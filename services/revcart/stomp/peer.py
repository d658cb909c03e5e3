"""What a service decides for STOMP: who is connected, what that person may hear and say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol


class Refused(Exception):
    """Answered with an ERROR frame of this `message` header and closed with 1008. The text names the cause."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(detail)
        self.message = message
        self.detail = detail


class Unauthorized(Refused):
    """The CONNECT frame proves nobody's identity."""

    def __init__(self, detail: str) -> None:
        super().__init__("unauthorized", detail)


class Forbidden(Refused):
    """This peer may not use this destination."""

    def __init__(self, detail: str) -> None:
        super().__init__("forbidden", detail)


class Peer(Protocol):
    """Somebody who has connected. `name`: the CONNECTED frame's `user-name`; `valid_seconds`: the life of the proof."""

    @property
    def name(self) -> str: ...

    @property
    def valid_seconds(self) -> float: ...

    async def channels(self, destination: str) -> tuple[str, ...]:
        """The broker's channels behind a destination. Raises Forbidden. Asked again when rights may have changed."""
        ...

    async def receive(self, destination: str, body: bytes) -> None:
        """Take what was sent to a destination. Raises Forbidden, or Refused for a body it cannot use."""
        ...


Authenticate = Callable[[Mapping[str, str]], Awaitable[Peer]]
"""From the headers of CONNECT to a peer. Raises Unauthorized."""
