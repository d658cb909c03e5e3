"""`revcart up`: the platform in this process, until a signal ends it."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import uvloop
from rich.console import Console

from revcart.kit import telemetry
from revcart_operator.cli import board, welcome
from revcart_operator.local import folder, modules, refusals, runtime
from revcart_operator.platform import spec
from revcart_operator.render import references

DONE = 0
REFUSED = 1


def run(
    platform: spec.RevCartPlatform,
    *,
    data: Path,
    port_offset: int,
    load: modules.Load = modules.load,
) -> int:
    """Serve until SIGINT or SIGTERM; the exit code. `load` finds the services' code."""
    place = folder.Folder(data)
    console = Console()
    try:
        place.prepare()
        telemetry.configure("INFO", "json", "revcart", directory=place.logs)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(platform, place=place, port_offset=port_offset, load=load, console=console))
    except references.MissingSecret as error:
        print(f"{error}; write it to the file {place.secret(error.name, error.key)}.", file=sys.stderr)
        return REFUSED
    except refusals.Refusal as error:
        print(error, file=sys.stderr)
        return REFUSED
    return DONE


async def _serve(
    platform: spec.RevCartPlatform,
    *,
    place: folder.Folder,
    port_offset: int,
    load: modules.Load,
    console: Console,
) -> None:
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    shop = runtime.Runtime(
        platform=platform,
        data=place.path,
        port_offset=port_offset,
        load=load,
        on_state=lambda service, reached: shown.set(service, reached),
        on_progress=lambda line: console.print(line, soft_wrap=True, highlight=False, markup=False),
    )
    shown = board.Board([service.name for service in shop.services], addresses=shop.addresses, console=console)
    with shown.shown(), _made_to_stay():
        started = await _unless(asked_to_stop, shop)
    if not started:
        console.print("Stopped before it had started.")
        return
    welcome.show(shop.platform, addresses=shop.addresses, console=console)
    await asked_to_stop.wait()
    console.print("Stopping: requests in flight are finished and events are sent …")
    await shop.stop()
    console.print("Stopped. Everything is kept; the same command starts it again.")


@contextlib.contextmanager
def _made_to_stay() -> Iterator[None]:
    """What start-up makes (mostly code) stays for good: the collector does not look at it, neither now nor later."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


async def _unless(asked_to_stop: asyncio.Event, shop: runtime.Runtime) -> bool:
    """Start the shop, or undo what has begun when somebody asks to stop meanwhile."""
    starting = asyncio.create_task(shop.start())
    stopping = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return False
    stopping.cancel()
    starting.result()
    return True
