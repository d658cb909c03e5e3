"""Waiting in tests for what happens beside them."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Returns once `condition()` holds; an AssertionError after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        if condition():
            return
        assert loop.time() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.005)
