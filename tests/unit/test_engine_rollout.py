"""From a platform to everything that it consists of: in waves, once, and nothing at rest."""

from tests import platforms

from revcart_operator.render import manifests


async def test_platform_becomes_ready_with_everything_it_renders():
    world = platforms.World(renderer=manifests)
    world.declare()
    await world.settle()
    assert world.condition("Ready")[:2] == ("True", "Ready")
    assert world.status["summary"] == {"services": "11/11", "stores": "5/5", "message": "everything runs"}
    assert world.status["endpoint"] == "http://shop.example.com"
    assert world.status["version"] == world.status["targetVersion"] == "0.1.0"
    assert [it["state"] for it in world.status["migrations"]] == ["Complete"] * 9
    holding = {it["type"] for it in world.status["conditions"] if it["status"] == "True"}
    assert holding == {
        "Ready", "SpecValid", "CredentialsReady", "StoresReady", "Migrated", "ServicesAvailable", "Exposed", "UpToDate",
    }  # fmt: skip


async def test_pass_at_rest_writes_nothing_and_neither_does_another_operator():
    world = platforms.World(renderer=manifests)
    world.declare()
    await world.settle()
    world.cluster.writes.clear()
    for _ in range(3):
        assert (await world.step()).requeue_after is None
    world.restart()
    await world.step()
    assert world.cluster.writes == []


async def test_wave_waits_for_the_one_before():
    world = platforms.World()
    world.declare()
    seen = []
    while not world.is_ready:
        await world.step()
        seen.append({(kind, name) for _, kind, name in world.writes()})
    order = [
        next(index for index, wave in enumerate(seen) if write in wave)
        for write in (("StatefulSet", "shop-mysql"), ("Deployment", "shop-product"), ("Deployment", "shop-gateway"))
    ]
    assert order == sorted(set(order)), f"stores, services, gateway begin one after the other: {order}"
    migrated = next(index for index, wave in enumerate(seen) if any(kind == "Job" for kind, _ in wave))
    assert order[0] < migrated < order[1]


async def test_release_stops_where_its_migration_fails_and_old_pods_serve_on():
    world = platforms.World()
    world.declare()
    await world.settle()
    world.declare(version="0.2.0")
    await world.step()
    (job,) = [name for kind, _, name in world.cluster.objects if kind == "Job"]
    world.cluster.failing_jobs.add(job)
    await world.until(lambda: world.condition("Stalled")[0] == "True")
    assert world.condition("Ready")[1] == "MigrationFailed"
    assert f"delete Job {job} to try again" in world.condition("Ready")[2]
    image = world.cluster.live("Deployment", "shop-product")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "platform:0.1.0"
    assert world.status["version"] == "0.1.0"
    assert world.status["targetVersion"] == "0.2.0"
    assert world.condition("UpToDate")[:2] == ("False", "RollingOut")

    world.cluster.failing_jobs.clear()
    world.cluster.remove("Job", job)
    await world.settle()
    assert world.is_ready
    assert world.status["version"] == "0.2.0"


async def test_failed_service_halts_the_gateway_unless_told_to_continue():
    for on_failure, image in (("Halt", "platform:0.1.0"), ("Continue", "platform:0.2.0")):
        world = platforms.World()
        world.declare()
        await world.settle()
        world.declare(version="0.2.0", updateStrategy={"onFailure": on_failure})
        await world.until(lambda world=world: world.condition("Migrated")[0] == "False")
        await world.until(lambda world=world: world.condition("Migrated")[0] == "True")
        for _ in range(6):
            await world.step()
            _exceed_deadline(world, "shop-product")
        running = world.cluster.live("Deployment", "shop-gateway")["spec"]["template"]["spec"]["containers"][0]["image"]
        assert running == image
        assert world.condition("Stalled")[:2] == ("True", "ProgressDeadlineExceeded")


def _exceed_deadline(world, name):
    def exceed(live):
        live["status"]["availableReplicas"] = 0
        live["status"]["conditions"] = [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too late"}
        ]

    world.cluster.edit("Deployment", name, exceed)


async def test_object_of_somebody_else_with_our_name_is_left_alone():
    world = platforms.World()
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-mysql", "namespace": "default"}}
    world.cluster.put({**theirs, "spec": {"ports": [{"port": 1}]}})
    world.declare()
    await world.until(lambda: world.condition("Stalled")[0] == "True")
    assert world.condition("Ready")[1] == "Refused"
    assert "Service shop-mysql" in world.condition("Ready")[2]
    assert world.cluster.live("Service", "shop-mysql")["spec"]["ports"] == [{"port": 1}]


async def test_change_that_kubernetes_refuses_says_so_and_deletes_nothing():
    world = platforms.World()
    world.declare()
    await world.settle()

    def resize(live):
        live["spec"]["volumeClaimTemplates"][0]["spec"]["accessModes"] = ["ReadWriteMany"]

    world.cluster.edit("StatefulSet", "shop-mysql", resize)
    await world.step()
    assert world.condition("Stalled")[:2] == ("True", "Refused")
    assert "StatefulSet shop-mysql was refused" in world.condition("Ready")[2]
    assert "cannot change in place" in world.condition("Ready")[2]
    assert not [write for write in world.writes() if write[0] == "delete"]


async def test_platform_that_is_being_deleted_is_left_to_the_garbage_collector():
    world = platforms.World()
    world.declare()
    await world.settle()
    world.cluster.edit("RevCartPlatform", "shop", lambda it: it["metadata"].update(deletionTimestamp="now"))
    world.cluster.remove("Deployment", "shop-product")
    world.writes()
    assert (await world.step()).requeue_after is None
    assert world.writes() == []


async def test_deleted_platform_keeps_what_its_policy_says_and_finds_it_again():
    world = platforms.World()
    world.declare()
    await world.settle()
    passwords, volumes = world.credentials(), dict(world.cluster.claims)
    world.cluster.remove("RevCartPlatform", "shop")
    await world.step()
    assert [address[2] for address in world.cluster.objects] == ["shop-credentials"]
    assert world.cluster.claims == volumes

    world.declare()
    await world.settle()
    assert world.is_ready
    assert world.credentials() == passwords


async def test_deleted_platform_takes_everything_along_when_its_policy_says_so():
    world = platforms.World()
    world.declare()
    await world.settle()
    world.declare(deletionPolicy={"stores": "Delete", "secrets": "Delete"})
    await world.settle()
    world.cluster.remove("RevCartPlatform", "shop")
    await world.step()
    assert world.cluster.objects == {}
    assert world.cluster.claims == {}


async def test_secret_kept_after_all_loses_its_owner():
    world = platforms.World()
    world.declare(deletionPolicy={"secrets": "Delete"})
    await world.settle()
    passwords = world.credentials()
    assert world.cluster.live("Secret", "shop-credentials")["metadata"]["ownerReferences"]
    world.declare(deletionPolicy={"secrets": "Retain"})
    await world.settle()
    assert not world.cluster.live("Secret", "shop-credentials")["metadata"].get("ownerReferences")
    assert world.credentials() == passwords


async def test_platform_of_the_same_name_waits_until_the_old_one_is_gone():
    world = platforms.World()
    world.declare()
    await world.settle()
    world.cluster.remove("RevCartPlatform", "shop")
    world.declare()
    outcome = await world.operator.reconcile(world.key)
    assert outcome.requeue_after is not None
    assert "still being deleted" in world.condition("Ready")[2]
    await world.settle()
    assert world.is_ready
