"""Run by test_cache.py: counts in a durable cache and prints each number once the write was answered."""

import asyncio
import sys
from pathlib import Path

from revcart.kit import cache, cache_memory, clock, telemetry


async def count(path: Path) -> None:
    memory = cache_memory.Memory(path, clock=clock.System())
    await memory.open()
    store = cache.connect("memory://", memory=memory, metrics=telemetry.Metrics("test"))
    while True:
        number = await store.incr("cart:count")
        await store.set(f"session:{number}", "x", ttl=600)
        print(number, flush=True)


asyncio.run(count(Path(sys.argv[1])))
