"""The liveness of the operator: it fails when the process only looks alive, and for nothing else."""

from typing import Any

import pytest
from tests import api_server

from revcart_operator.engine import kinds, queue
from revcart_operator.kube import watching
from revcart_operator.process import vigil

KEY = queue.Key("groceries", "shop")


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.vigil = vigil.Vigil(now=lambda: self.now)

    def listed(self, *, generation: int, observed: int | None) -> None:
        status: dict[str, Any] = {} if observed is None else {"observedGeneration": observed}
        meta = {"namespace": KEY.namespace, "name": KEY.name, "generation": generation}
        self.vigil.listed([{"metadata": meta, "status": status}])


@pytest.fixture
def world() -> World:
    return World()


def test_a_platform_that_was_told_and_observed_is_no_problem(world: World) -> None:
    world.vigil.told(KEY, 2)
    world.listed(generation=2, observed=2)
    world.now += 100_000
    world.listed(generation=2, observed=2)
    assert world.vigil.problems() == []


def test_a_watch_that_does_not_tell_what_lists_show_is_dead(world: World) -> None:
    world.vigil.told(KEY, 1)
    world.listed(generation=2, observed=2)
    world.now += vigil.SILENT_SECONDS - 1
    assert world.vigil.problems() == []
    world.now += 2
    world.listed(generation=2, observed=2)
    assert world.vigil.problems() == ["the watch of platforms never told of groceries/shop"]
    world.vigil.told(KEY, 2)
    assert world.vigil.problems() == []


def test_a_generation_that_nobody_works_on_is_told(world: World) -> None:
    world.vigil.told(KEY, 2)
    world.listed(generation=2, observed=1)
    world.now += vigil.IDLE_SECONDS + 1
    assert world.vigil.problems() == ["groceries/shop waits for a pass since 301 s"]


def test_a_platform_that_fails_again_and_again_is_no_reason_to_restart(world: World) -> None:
    world.vigil.told(KEY, 2)
    for _ in range(20):
        world.listed(generation=2, observed=1)
        world.now += queue.LONGEST_BACKOFF
        world.vigil.passed(KEY)
        assert world.vigil.problems() == []


def test_a_deleted_platform_is_forgotten(world: World) -> None:
    world.listed(generation=1, observed=None)
    world.vigil.listed([])
    world.now += 100_000
    assert world.vigil.problems() == []


async def test_a_watch_of_children_without_any_sign_is_dead(world: World) -> None:
    async with api_server.serving() as server:
        to = server.connection()
        watcher = watching.Watcher(
            to, kind=kinds.SECRET, namespace=None, changed=lambda _: None, metrics=server.metrics
        )
        await to.close()
    world.vigil.over([watcher])
    world.now = watcher.last_sign + watching.DEAD_SECONDS - 1
    assert world.vigil.problems() == []
    world.now += 61
    assert world.vigil.problems() == [f"the watch of Secret is dead since {watching.DEAD_SECONDS + 60:.0f} s"]
