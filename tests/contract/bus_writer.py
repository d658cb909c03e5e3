"""Run by test_bus.py in a process of its own and killed: publishes for ever, and handles what it published.

Prints `sent N` once message N is durable, `done N` once it is handled.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from revcart.kit import bus, bus_memory, clock


async def main(path: Path) -> None:
    async def handle(delivery: bus.Delivery) -> None:
        await asyncio.sleep(0.001)
        print(f"done {delivery.message.value.decode()}", flush=True)

    log = bus_memory.Memory(path, clock=clock.System())
    await log.open()
    await log.subscribe("group", topics=["numbers"], handler=handle)
    for number in itertools.count():
        await log.publish([bus.Message(topic="numbers", key=str(number % 3), value=str(number).encode())])
        print(f"sent {number}", flush=True)


asyncio.run(main(Path(sys.argv[1])))
