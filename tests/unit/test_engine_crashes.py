"""The operator may end between any two of its writes: the next one comes to the same objects."""

import contextlib

import pytest
from tests import fakecluster, platforms

from revcart_operator.engine import errors
from revcart_operator.render import manifests


async def _rolled_out(world: platforms.World) -> None:
    """Roll out with a new operator after every crash."""
    for _ in range(5):
        try:
            return await world.settle()
        except fakecluster.Crash:
            world.cluster.recover()
            world.restart()
    raise AssertionError("crashes for ever")


async def _writes_of_a_rollout() -> int:
    world = platforms.World()
    world.declare()
    await world.settle()
    return len(world.cluster.writes)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_crash_at_every_write_of_a_first_rollout_ends_in_the_same_objects(after):
    for write in range(1, await _writes_of_a_rollout() + 1):
        world = platforms.World()
        world.declare()
        world.cluster.fail(write, after=after)
        await _rolled_out(world)
        assert world.is_ready
        assert world.cluster.content() == (await world.twin()).cluster.content(), f"crashed at write {write}"
        made = [it for it in world.cluster.writes if it == ("create", "Secret", "shop-credentials")]
        assert len(made) == 1, "passwords are made once"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_crash_at_every_write_of_an_upgrade_ends_in_the_same_objects(after):
    for write in range(1, 13):
        world = platforms.World()
        world.declare()
        await world.settle()
        world.declare(version="0.2.0")
        world.cluster.fail(write, after=after)
        await _rolled_out(world)
        assert world.status["version"] == "0.2.0"
        assert world.cluster.content() == (await world.twin()).cluster.content(), f"crashed at write {write}"


@pytest.mark.parametrize("write", [1, 30, 60, 90])
async def test_crash_in_a_rollout_of_the_real_render_ends_in_the_same_objects(write):
    world = platforms.World(renderer=manifests)
    world.declare()
    world.cluster.fail(write, after=write % 4 == 0)
    await _rolled_out(world)
    assert world.cluster.content() == (await world.twin()).cluster.content()


@pytest.mark.parametrize(
    "error", [errors.Conflict("409"), errors.Unreachable("503"), errors.Refused(status=400, message="no")]
)
async def test_write_that_fails_once_is_made_later(error):
    for write in range(1, await _writes_of_a_rollout() + 1, 2):
        world = platforms.World()
        world.declare()
        world.cluster.fail(write, error=error)
        with contextlib.suppress(type(error)):  # the queue would try again
            await world.settle()
        await world.settle()
        assert world.is_ready, f"write {write}: {world.condition('Ready')}"


async def test_conflict_is_met_with_another_pass_and_no_error():
    world = platforms.World()
    world.declare()
    world.cluster.fail(4, error=errors.Conflict("somebody was faster"))
    await world.settle()
    assert world.is_ready
