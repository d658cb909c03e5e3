"""A wire between a client and a server that a test may cut or hold up: lost connections, restarts, a slow server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

import sqlalchemy as sa


class Wire:
    """Passes bytes between a free local port and a server."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, url: sa.URL) -> AsyncIterator[tuple[Self, sa.URL]]:
        """The wire, and the URL that leads through it."""
        wire = cls(str(url.host), int(url.port or 3306))
        await wire.mend()
        yield wire, url.set(host="127.0.0.1", port=wire.port)
        await wire.cut()

    async def cut(self) -> None:
        """The server goes down: its connections are lost and nobody answers its port."""
        if self._server is not None:
            self._server.close()
        for end in list(self._ends):
            end.transport.abort()
        self._ends.clear()
        await asyncio.sleep(0.05)

    async def mend(self) -> None:
        """The server is there (again)."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        """No byte passes, and no connection is closed."""
        self._flows.clear()

    def release(self) -> None:
        self._flows.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._ends |= {writer, far_writer}
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError, RuntimeError):
            sink.close()
        self._ends.discard(sink)
