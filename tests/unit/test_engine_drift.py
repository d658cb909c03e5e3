"""What somebody edits or deletes comes back, and only that is written."""

import copy
import random

import pytest
from tests import platforms

from revcart_operator.engine import drift, errors
from revcart_operator.render import manifests


async def _settled(**changes):
    world = platforms.World()
    world.declare(**changes)
    await world.settle()
    world.writes()
    return world


@pytest.mark.parametrize("seed", range(12))
async def test_random_edits_and_deletions_converge(seed):
    chance = random.Random(seed)
    world = await _settled()
    before = copy.deepcopy(world.cluster.content())
    for _ in range(chance.randint(1, 8)):
        kind, _, name = chance.choice([at for at in world.cluster.content() if at in world.cluster.objects])
        if chance.random() < 0.5:
            world.cluster.remove(kind, name)
        else:
            world.cluster.edit(kind, name, lambda live: _spoil(live, chance))
        if chance.random() < 0.3:
            await world.step()
    await world.settle()
    assert world.is_ready
    assert world.cluster.content() == before


def _spoil(live, chance):
    """Change one value somewhere that may be changed."""
    choices = [lambda: live["metadata"]["labels"].update({"platform.revcart.io/platform": "another"})]
    if "annotations" in live["metadata"]:
        choices.append(lambda: live["metadata"]["annotations"].update({"platform.revcart.io/hash": "0"}))
    if live["kind"] in ("Deployment", "StatefulSet"):
        container = live["spec"]["template"]["spec"]["containers"][0]
        choices += [
            lambda: live["spec"].update(replicas=7),
            lambda: container.update(image="evil"),
            lambda: container["env"].clear(),
        ]
    if live["kind"] == "ConfigMap":
        choices.append(lambda: live["data"].update(version="9"))
    if live["kind"] == "Ingress":
        choices.append(lambda: live["spec"]["rules"].append({"host": "evil.example.com"}))
    chance.choice(choices)()


async def test_edit_and_deletion_are_put_right_in_one_pass_and_counted():
    world = await _settled()
    world.cluster.remove("Ingress", "shop-gateway")
    world.cluster.edit("Deployment", "shop-product", lambda it: it["spec"].update(replicas=0))
    await world.step()
    assert sorted(world.writes()) == [("apply", "Deployment", "shop-product"), ("apply", "Ingress", "shop-gateway")]
    for kind in ("Ingress", "Deployment"):
        assert world.registry.get_sample_value("revcart_reconcile_drift_corrected_total", {"kind": kind}) == 1


async def test_drift_of_a_later_wave_is_repaired_while_an_earlier_one_is_down():
    world = await _settled()
    world.cluster.ready_after = 100
    world.cluster.edit("StatefulSet", "shop-mysql", lambda it: it["status"].update(availableReplicas=0))
    world.cluster.edit("StatefulSet", "shop-mysql", lambda it: it["spec"].update(generationBump=1))
    await world.step()
    assert world.condition("StoresReady")[0] == "False"
    world.cluster.remove("Ingress", "shop-gateway")
    world.cluster.remove("Deployment", "shop-gateway")
    world.writes()
    await world.step()
    assert sorted(world.writes()) == [("apply", "Deployment", "shop-gateway"), ("apply", "Ingress", "shop-gateway")]


async def test_new_content_of_a_later_wave_waits_while_an_earlier_one_is_down():
    world = await _settled()
    world.cluster.ready_after = 100
    world.cluster.edit("StatefulSet", "shop-mysql", lambda it: it["spec"].update(generationBump=1))
    world.cluster.tick()
    world.declare(services={"product": {"replicas": 3}})
    world.writes()
    await world.step()
    assert world.writes() == []
    assert world.cluster.live("Deployment", "shop-product")["spec"]["replicas"] == 1
    assert "waits for stores" in world.condition("Ready")[2]


async def test_field_that_others_add_is_none_of_our_business():
    world = await _settled()

    def inject(live):
        live["metadata"]["annotations"]["mesh"] = "on"
        live["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "mesh"})

    world.cluster.edit("Deployment", "shop-product", inject)
    await world.settle()
    assert world.writes() == []
    assert len(world.cluster.live("Deployment", "shop-product")["spec"]["template"]["spec"]["containers"]) == 2


async def test_value_that_the_server_spells_differently_is_applied_once():
    class Spelled(platforms.Small):
        def steps(self, platform, *, facts):
            first, *others = super().steps(platform, facts=facts)
            account = {**first.objects[0], "spec": {"memory": "0.5Gi"}}
            return (manifests.Step(name=first.name, objects=(account,)), *others)

    world = platforms.World(renderer=Spelled())
    world.cluster.respelled = {"0.5Gi": "512Mi"}
    world.declare()
    await world.settle()
    assert world.cluster.live("ServiceAccount", "shop-platform")["spec"]["memory"] == "512Mi"
    world.writes()
    await world.step()
    assert world.writes() == []
    world.cluster.edit("ServiceAccount", "shop-platform", lambda it: it["spec"].update(memory="1Gi"))
    await world.step()
    assert len(world.writes()) == 1


async def test_deletion_of_everything_ends_in_the_same_objects():
    world = platforms.World(renderer=manifests)
    world.declare()
    await world.settle()
    before = copy.deepcopy(world.cluster.content())
    for kind, _, name in before:
        world.cluster.remove(kind, name)
    await world.settle()
    assert world.is_ready
    assert world.cluster.content() == before


def test_lists_are_compared_by_the_key_that_the_server_merges_them_by():
    def pod(*containers):
        return {"spec": {"containers": list(containers)}}

    a, b = {"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b"}
    served = {"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}]}
    assert drift.differences(pod(a), pod(b, served)) == {}
    assert drift.differences(pod(a), pod(b)) == {"spec.containers.[a]": drift.ABSENT}
    rules = {"spec": {"rules": [{"host": "x"}]}}
    assert drift.differences(rules, {"spec": {"rules": [{"host": "x"}, {"host": "y"}]}})
    assert drift.differences({"on": True}, {"on": 1}) == {"on": 1}


async def test_what_others_put_into_a_list_and_makes_it_invalid_is_overwritten():
    """A second port of the same name: an apply would leave it, and be refused for ever."""
    world = await _settled()
    before = copy.deepcopy(world.cluster.content())
    world.cluster.edit("Service", "shop-mysql", lambda live: live["spec"]["ports"][0].update(port=1))
    world.cluster.fail(1, error=errors.Refused(status=422, message='spec.ports[1].name: Duplicate value: "main"'))
    await world.settle()
    assert world.is_ready
    assert world.cluster.content() == before
