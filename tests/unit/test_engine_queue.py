"""The queue: one pass per platform at a time, nothing lost, and nobody waits for one that fails."""

import asyncio
import contextlib

import prometheus_client
from tests import platforms, polling

from revcart_operator.engine import errors, metrics, queue


@contextlib.asynccontextmanager
async def _running(reconcile, *, workers=2):
    made = queue.Queue(
        reconcile,
        workers=workers,
        metrics=metrics.Metrics(prometheus_client.CollectorRegistry()),
        jitter=lambda: 0.0,
    )
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        made.close()
        async with asyncio.timeout(5):
            await task


async def test_key_that_comes_many_times_is_worked_once():
    seen = []

    async def reconcile(key):
        seen.append(key)
        return queue.Outcome()

    async with _running(reconcile) as made:
        for _ in range(10):
            made.add(("default", "shop"))
        await polling.until(lambda: seen)
        await asyncio.sleep(0.1)
    assert seen == [queue.Key("default", "shop")]


async def test_key_that_comes_while_it_is_in_work_is_worked_once_more_and_never_twice_at_a_time():
    going, most, passes = 0, 0, 0
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def reconcile(key):
        nonlocal going, most, passes
        going, passes = going + 1, passes + 1
        most = max(most, going)
        begun.set()
        await go_on.wait()
        going -= 1
        return queue.Outcome()

    async with _running(reconcile, workers=3) as made:
        made.add(("default", "shop"))
        await begun.wait()
        for _ in range(5):
            made.add(("default", "shop"))
        go_on.set()
        await polling.until(lambda: passes == 2)
        await asyncio.sleep(queue.GAP + 0.1)
    assert (most, passes) == (1, 2)


async def test_outcome_brings_the_key_back():
    passes = []

    async def reconcile(key):
        passes.append(key)
        return queue.Outcome(0.02 if len(passes) < 3 else None)

    async with _running(reconcile) as made:
        made.add(("default", "shop"))
        await polling.until(lambda: len(passes) == 3)


async def test_platform_that_fails_is_tried_again_and_holds_up_no_other():
    seen = []

    async def reconcile(key):
        seen.append(key.name)
        if key.name == "poisoned":
            raise RuntimeError("a mistake of ours")
        return queue.Outcome()

    async with _running(reconcile, workers=1) as made:
        made.add(("default", "poisoned"))
        for number in range(20):
            made.add(("default", f"shop-{number}"))
        await polling.until(lambda: len(set(seen)) == 21)
        assert seen.count("poisoned") == 1
        made.add(("default", "poisoned"))  # an event does not shorten its wait
        await asyncio.sleep(0.1)
        assert seen.count("poisoned") == 1
        await polling.until(lambda: seen.count("poisoned") == 2)


async def test_server_that_asks_to_wait_is_obeyed():
    passes = []

    async def reconcile(key):
        passes.append(asyncio.get_running_loop().time())
        if len(passes) == 1:
            raise errors.Unreachable("429", retry_after=1.2)
        return queue.Outcome()

    async with _running(reconcile) as made:
        made.add(("default", "shop"))
        await polling.until(lambda: len(passes) == 2)
    assert passes[1] - passes[0] >= 1.2


async def test_close_lets_the_pass_in_work_end_and_begins_no_other():
    begun, ended = asyncio.Event(), []

    async def reconcile(key):
        begun.set()
        await asyncio.sleep(0.1)
        ended.append(key.name)
        return queue.Outcome(0.01)

    async with _running(reconcile, workers=1) as made:
        made.add(("default", "shop"))
        await begun.wait()
        made.add(("default", "later"))
        made.close()
    await asyncio.sleep(0.1)
    assert ended == ["shop"]


async def test_resync_adds_every_platform_and_outlives_an_api_server_that_is_away():
    seen, calls = set(), []

    async def reconcile(key):
        seen.add(key.name)
        return queue.Outcome()

    async def listed():
        calls.append(1)
        if len(calls) == 1:
            raise errors.Unreachable("no answer")
        return [("default", "a"), ("default", "b")]

    async with _running(reconcile) as made:
        task = asyncio.create_task(queue.resync(made, platforms=listed, every=0.02))
        await polling.until(lambda: seen == {"a", "b"})
        task.cancel()


async def test_engine_and_queue_bring_a_platform_to_ready_while_another_one_is_broken():
    world = platforms.World()
    world.declare()
    broken = {**platforms.DOCUMENT, "metadata": {"name": "broken", "namespace": "default"}, "spec": {"version": 1}}
    world.cluster.put(broken)
    world.cluster.ready_after = 1

    async def controllers():
        while True:
            world.cluster.tick()
            await asyncio.sleep(0.02)

    async def reconcile(key):
        outcome = await world.operator.reconcile(key)
        return queue.Outcome(outcome.requeue_after and 0.05)

    async with _running(reconcile, workers=1) as made:
        task = asyncio.create_task(controllers())
        made.add(("default", "broken"))
        made.add(("default", "shop"))
        await polling.until(lambda: world.is_ready)
        task.cancel()
    said = world.cluster.live("RevCartPlatform", "broken")["status"]["conditions"][0]
    assert said["reason"] == "InvalidSpec"
    assert "spec.version" in said["message"]
