"""Password hashes (bcrypt), made and checked in threads so that nobody else waits for them.

At most one per CPU is under way and a few wait; beyond that the answer is 503 at once, because a queue of sign-ins that
is longer than anybody's patience helps nobody.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent import futures
from typing import Final, TypeVar

from pwdlib.hashers import bcrypt

from revcart.auth import domain
from revcart.kit import errors

WAITING: Final = 64
_ROUNDS_AT: Final = slice(4, 6)  # "$2b$12$…"

T = TypeVar("T")


class Passwords:
    """`rounds`: bcrypt's cost; cheaper hashes still verify and count as stale."""

    def __init__(self, *, rounds: int) -> None:
        self._rounds = rounds
        self._hasher = bcrypt.BcryptHasher(rounds=rounds)
        self._threads = os.cpu_count() or 1
        self._pool = futures.ThreadPoolExecutor(max_workers=self._threads, thread_name_prefix="bcrypt")
        self._under_way = 0
        # No password has this hash; checking one against it takes as long as against a real one.
        self._dummy = f"$2b${rounds:02}${'.' * 53}"

    async def hash(self, password: str) -> str:
        """The bcrypt hash of a password of at most 72 bytes. Raises DependencyUnavailable (503) when too many wait."""
        return await self._run(lambda: self._hasher.hash(password))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether `password` has the hash `stored`; with None it takes the same time and says no."""
        possible = len(password.encode()) <= domain.LONGEST_PASSWORD
        candidate = password if possible else password[:8]
        matching = await self._run(lambda: self._hasher.verify(candidate, stored or self._dummy))
        return matching and possible and stored is not None

    def is_stale(self, stored: str) -> bool:
        """Whether `stored` is cheaper than what is made today."""
        return int(stored[_ROUNDS_AT]) < self._rounds

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._threads + WAITING:
            raise errors.DependencyUnavailable("auth", retry_after=2)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._under_way -= 1
