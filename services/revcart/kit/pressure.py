"""How late this process is, so that under too much work requests go first and nobody else is blamed for it.

An event loop that has more to do than there is CPU answers everything late. Then work that nobody waits for (events,
the outbox) stands back, and a call that took too long says nothing about the service that was called.
"""

import asyncio
import random

LATE_SECONDS = 0.1  # from here on nothing is told from how long others took
BUSY_SECONDS = 0.02  # from here on requests go first: each of theirs waits this long at every of its steps
STAND_BACK_SECONDS = 5.0  # at most, for one piece of work: under lasting pressure it is slow, not starved
_TICK_SECONDS = 0.05
_FADING = 0.8  # per tick: lateness is over about a second after its cause


class Pressure:
    """Of one event loop; shared by all services of the process. Without `start` there never is any."""

    def __init__(self) -> None:
        self._late = 0.0
        self._watching: asyncio.Task[None] | None = None

    @property
    def high(self) -> bool:
        """Whether the loop came too late to its timers within the last second or so."""
        return self._late > LATE_SECONDS

    async def start(self) -> None:
        self._watching = asyncio.create_task(self._watch(), name="pressure")

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching, self._late = None, 0.0

    async def stand_back(self) -> None:
        """Let requests go first. Returns at once where the loop is not busy."""
        loop = asyncio.get_running_loop()
        end = loop.time() + STAND_BACK_SECONDS
        while self._late > BUSY_SECONDS and loop.time() < end:  # noqa: ASYNC110 - lateness is no event, it fades
            await asyncio.sleep(random.uniform(1, 4) * _TICK_SECONDS)  # not all at once again

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            self._late = max(loop.time() - due, self._late * _FADING)
