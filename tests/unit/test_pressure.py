"""Under too much work requests go first: events stand back, and slowness of one's own blames nobody else."""

import asyncio
import time

from revcart.kit import pressure


async def test_nobody_stands_back_where_the_loop_is_in_time() -> None:
    watched = pressure.Pressure()
    await watched.start()
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await watched.stand_back()
    assert (watched.high, time.monotonic() - began < 0.05) == (False, True)
    await watched.stop()


async def test_a_late_loop_holds_work_back_until_it_is_in_time_again() -> None:
    watched = pressure.Pressure()
    await watched.start()
    await asyncio.sleep(0.1)
    time.sleep(0.4)  # noqa: ASYNC251 - what too much work does to a loop
    await asyncio.sleep(0.06)
    assert watched.high
    began = time.monotonic()
    await watched.stand_back()
    assert not watched.high
    assert 0.05 < time.monotonic() - began < pressure.STAND_BACK_SECONDS
    await watched.stop()


async def test_lasting_pressure_makes_work_slow_and_not_starved() -> None:
    watched = pressure.Pressure()
    await watched.start()
    busy = True

    async def burn() -> None:
        while busy:
            time.sleep(0.2)  # noqa: ASYNC251
            await asyncio.sleep(0)

    burning = asyncio.create_task(burn())
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await watched.stand_back()
    waited = time.monotonic() - began
    busy = False
    await burning
    assert pressure.STAND_BACK_SECONDS <= waited < pressure.STAND_BACK_SECONDS + 2
    await watched.stop()
