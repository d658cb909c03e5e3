"""From one spec to another and back: the same spec ends in the same objects, and what nobody wants any more goes."""

import copy

import pytest
from tests import platforms

from revcart_operator.render import manifests

SPECS = [
    {"version": "0.2.0"},
    {"services": {"product": {"replicas": 3}}},
    {"exposure": None},
    {"runState": "Hibernated"},
    {"version": "0.3.0", "exposure": None, "updateStrategy": {"type": "AllAtOnce"}},
]


@pytest.mark.parametrize("change", SPECS, ids=str)
async def test_there_and_back_again(change):
    world = platforms.World()
    world.declare()
    await world.settle()
    before = copy.deepcopy(world.cluster.content())
    world.declare(**change)
    await world.settle()
    assert world.cluster.content() != before
    world.declare()
    await world.settle()
    assert world.is_ready
    assert world.cluster.content() == before


async def test_there_and_back_again_in_the_middle_of_the_rollout():
    for passes in range(1, 8):
        world = platforms.World()
        world.declare()
        await world.settle()
        before = copy.deepcopy(world.cluster.content())
        world.declare(version="0.2.0")
        for _ in range(passes):
            await world.step()
        world.declare()
        await world.settle()
        assert world.cluster.content() == before


async def test_real_render_there_and_back_again():
    world = platforms.World(renderer=manifests)
    world.declare()
    await world.settle()
    before = copy.deepcopy(world.cluster.content())
    spread = {"replicas": 2, "podDisruptionBudget": {"maxUnavailable": 1}}
    world.declare(serviceDefaults=spread, version="0.2.0", exposure=None)
    await world.settle()
    assert world.is_ready, world.condition("Ready")
    assert any(kind == "PodDisruptionBudget" for kind, _, _ in world.cluster.objects)
    world.declare()
    await world.settle()
    assert world.cluster.content() == before


async def test_exposure_is_taken_away_at_once_and_what_pods_use_when_none_is_left():
    class Moving(platforms.Small):
        def steps(self, platform, *, facts):
            made = super().steps(platform, facts=facts)
            if platform.spec.version == "0.1.0":
                return made
            gone = ("ConfigMap",)
            return tuple(
                manifests.Step(name=it.name, objects=tuple(each for each in it.objects if each["kind"] not in gone))
                for it in made
            )

    world = platforms.World(renderer=Moving())
    world.declare()
    await world.settle()
    world.declare(version="0.2.0", exposure=None)
    await world.step()
    assert ("Ingress", "default", "shop-gateway") not in world.cluster.objects
    while not world.is_ready:
        assert ("ConfigMap", "default", "shop-product") in world.cluster.objects
        await world.step()
    assert ("ConfigMap", "default", "shop-product") not in world.cluster.objects


async def test_only_own_children_are_pruned():
    world = platforms.World()
    world.declare()
    await world.settle()
    labels = {"platform.revcart.io/platform": "shop"}
    world.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "mine", "namespace": "default", "labels": labels},
        }
    )
    for _ in range(3):
        await world.step()
    assert ("ConfigMap", "default", "mine") in world.cluster.objects


async def test_hibernated_platform_keeps_volumes_and_secrets_and_wakes_with_them():
    world = platforms.World()
    world.declare()
    await world.settle()
    passwords, volumes = world.credentials(), dict(world.cluster.claims)
    world.declare(runState="Hibernated")
    await world.settle()
    assert world.condition("Ready")[:2] == ("False", "Hibernated")
    assert world.condition("Hibernated")[0] == "True"
    assert world.condition("Reconciling")[0] == world.condition("Stalled")[0] == "False"
    scaled = [
        it["spec"]["replicas"] for at, it in world.cluster.objects.items() if at[0] in ("Deployment", "StatefulSet")
    ]
    assert set(scaled) == {0}
    assert not [at for at in world.cluster.objects if at[0] == "Job"]
    world.declare()
    await world.settle()
    assert world.is_ready
    assert (world.credentials(), world.cluster.claims) == (passwords, volumes)
