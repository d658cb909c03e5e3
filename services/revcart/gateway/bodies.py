"""The body of a request on its way through: small ones in one piece, others streamed, none above its limit."""

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette import types

from revcart.gateway import domain, visits
from revcart.kit import errors

WHOLE_BYTES = 65_536  # up to here a body of known length is read first and sent at once


class Inbound:
    """What the client sends, read once. Notes on the visit whether, and why not, it came to its end."""

    def __init__(self, receive: types.Receive, visit: visits.Visit, *, limit: int) -> None:
        self._receive = receive
        self._visit = visit
        self._limit = limit
        self._at_end = asyncio.Event()
        self.on_end: Callable[[], None] | None = None

    async def body(self) -> bytes | AsyncIterator[bytes]:
        """The body to send on. Raises TooLarge (413), or ClientGone."""
        length = self._visit.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._limit:
            raise self._too_large()
        if not self._visit.has_body or (length.isdigit() and int(length) <= WHOLE_BYTES):
            return b"".join([piece async for piece in self._pieces()])
        return self._pieces()

    async def client_left(self) -> None:
        """Returns when the client has closed its connection."""
        await self._at_end.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _pieces(self) -> AsyncIterator[bytes]:
        more = self._visit.uploading = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._visit.failure = domain.ClientGone()
                raise self._visit.failure
            piece = message.get("body", b"")
            self._visit.bytes_in += len(piece)
            if self._visit.bytes_in > self._limit:
                self._visit.failure = self._too_large()
                raise self._visit.failure
            more = message.get("more_body", False)
            if not more:
                self._visit.uploading = False
                self._at_end.set()
                if self.on_end is not None:
                    self.on_end()
            if piece:
                yield piece

    def _too_large(self) -> errors.TooLarge:
        return errors.TooLarge(f"The body may have {self._limit} bytes at most.")
