"""Run by tests in a process of its own and killed: publishes for ever, and handles what it published.

Arguments: adapter, address, topic, group. Prints `sent N` once message N is durable, `done N` once it is handled.
"""

import asyncio
import itertools
import sys

from tests import buses

from revcart.kit import bus


async def main(adapter: str, address: str, topic: str, group: str) -> None:
    async def handle(delivery: bus.Delivery) -> None:
        await asyncio.sleep(0.001)
        print(f"done {delivery.message.value.decode()}", flush=True)

    log = buses.made(adapter, address)
    await log.open()
    await log.subscribe(group, topics=[topic], handler=handle)
    for number in itertools.count():
        await log.publish([bus.Message(topic=topic, key=str(number % 3), value=str(number).encode())])
        print(f"sent {number}", flush=True)


asyncio.run(main(*sys.argv[1:]))
