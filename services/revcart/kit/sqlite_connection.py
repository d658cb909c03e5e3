"""SQLite connections on which a cancelled statement still ends before its caller hears of the cancellation.

aiosqlite runs statements in a thread and cannot call one back: cancelling only abandons it. A request whose client has
gone, or a worker that is stopped, would leave a BEGIN IMMEDIATE or an INSERT behind that takes the file's one write
lock when nobody is there to give it back. So the wait for the thread is not cut short; it is a matter of milliseconds.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

import aiosqlite


class Connection(aiosqlite.Connection):
    """An aiosqlite connection whose statements run to their end."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        running = asyncio.ensure_future(super()._execute(fn, *args, **kwargs))  # type: ignore[no-untyped-call]
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # looked at, so that asyncio does not report it as lost
            raise

    async def close(self) -> None:
        """Roll back first: a statement that was not read to its end keeps a closed connection, and its lock, alive."""
        with contextlib.suppress(sqlite3.Error, ValueError):
            await self.rollback()
        await super().close()


def connect(database: str, **options: Any) -> Connection:
    """What `aiosqlite.connect` is: await it for an open connection. Its thread does not keep the process alive."""

    def connector() -> sqlite3.Connection:
        opened: sqlite3.Connection = sqlite3.connect(database, **options)
        return opened

    connection = Connection(connector, iter_chunk_size=64)
    connection._thread.daemon = True
    return connection
