"""What a platform says about itself: one actionable sentence, written only when it is a new one."""

from tests import platforms

from revcart_operator.platform import status
from revcart_operator.render import manifests

MAIL = {"notification": {"smtp": {"host": "smtp.example.com", "from": "a@example.com", "secretRef": {"name": "mail"}}}}
SMTP_SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mail", "namespace": "default"}}


async def _settled(**changes):
    world = platforms.World()
    world.declare(**changes)
    await world.settle()
    world.writes()
    return world


async def test_spec_that_breaks_a_rule_touches_nothing_and_says_what_to_write():
    world = await _settled()
    world.declare(exposure={"type": "Ingress"}, version="0.2.0")
    assert (await world.step()).requeue_after is None
    assert world.writes() == []
    assert world.condition("SpecValid")[:2] == ("False", "InvalidSpec")
    assert "spec.exposure.host" in world.condition("SpecValid")[2]
    assert "write host: shop.example.com" in world.condition("Ready")[2]
    assert world.condition("Stalled")[0] == "True"
    assert world.condition("ServicesAvailable")[0] == "True", "what is not known anew stays as it was"


async def test_missing_secret_names_itself_its_key_and_the_field_and_is_found_when_made():
    world = platforms.World()
    world.declare(services=MAIL)
    outcome = await world.step()
    assert outcome.requeue_after == 30
    assert world.condition("CredentialsReady")[:2] == world.condition("Ready")[:2] == ("False", "SecretMissing")
    sentence = world.condition("Ready")[2]
    assert "spec.services.notification.smtp.secretRef refers to the secret mail, which has no key password" in sentence
    assert "no such Secret in namespace default" in sentence
    assert ("Warning", "SecretMissing", sentence) in world.cluster.events
    world.cluster.put({**SMTP_SECRET, "data": {"password": "c2VjcmV0", "username": "dQ=="}})
    await world.settle()
    assert world.is_ready
    assert world.cluster.live("ConfigMap", "shop-product")["data"]["mail"] == "secret"


async def test_image_that_cannot_be_pulled_is_one_clear_line():
    world = await _settled()
    world.cluster.broken_images = {"platform:0.2.0"}
    world.declare(version="0.2.0", images={"overrides": []})
    await world.until(lambda: world.condition("Ready")[1] == "ImagePullFailed")
    assert world.condition("Ready")[2] == (
        "migrate-order cannot start: image platform:0.2.0 cannot be pulled (not found)"
    )
    assert world.status["summary"]["message"] == world.condition("Ready")[2]
    assert world.condition("Reconciling")[0] == "True"
    assert world.status["summary"]["stores"] == "1/5"
    world.declare()
    await world.settle()
    assert world.is_ready


async def test_rollout_without_progress_is_stalled_after_its_deadline_also_for_another_operator():
    world = await _settled(updateStrategy={"progressDeadlineSeconds": 60})
    world.cluster.broken_images = {"mysql:8.4"}
    for _ in range(19):
        await world.step()
    assert world.condition("Stalled")[0] == "False"
    for _ in range(4):
        await world.step()
    assert world.condition("Stalled")[:2] == ("True", "ImagePullFailed")
    assert world.condition("Reconciling")[0] == "False"
    world.restart()
    await world.step()
    assert world.condition("Stalled")[0] == "True"
    world.cluster.broken_images = set()
    await world.settle()
    assert world.is_ready
    assert world.condition("Stalled")[0] == "False"


async def test_paused_writes_nothing_but_a_fresh_status():
    world = await _settled()
    world.declare(reconcilePolicy="Paused", version="0.2.0")
    world.cluster.remove("Ingress", "shop-gateway")
    for _ in range(3):
        await world.step()
    assert world.writes() == []
    assert world.condition("Paused")[0] == "True"
    assert world.condition("UpToDate")[:2] == ("False", "Paused")
    assert world.condition("Exposed")[0] == "False"
    assert world.condition("Ready")[:2] == ("False", "Paused")
    assert world.condition("Stalled")[0] == world.condition("Reconciling")[0] == "False"
    world.declare()
    await world.settle()
    assert world.is_ready
    assert world.condition("Paused")[0] == "False"


async def test_paused_platform_that_works_is_ready():
    world = await _settled()
    world.declare(reconcilePolicy="Paused")
    await world.step()
    assert world.is_ready
    assert world.condition("UpToDate")[0] == "True"


async def test_dry_run_of_a_new_platform_writes_only_its_plan():
    world = platforms.World(renderer=manifests)
    world.declare(reconcilePolicy="DryRun")
    await world.step()
    assert world.writes() == []
    plan = world.status["plan"]
    assert plan["summary"].endswith("to create, 0 to update, 0 to delete; 0 of them restart pods")
    assert {"action": "create", "kind": "Deployment", "name": "shop-product"} in plan["changes"]
    assert world.condition("Ready")[:2] == ("False", "DryRun")


async def test_dry_run_says_what_would_change_go_and_restart():
    world = await _settled()
    world.declare(reconcilePolicy="DryRun", version="0.2.0", exposure=None)
    await world.step()
    assert world.writes() == []
    assert world.is_ready, "what runs, runs on"
    changes = world.status["plan"]["changes"]
    assert {"action": "update", "kind": "Deployment", "name": "shop-product", "restarts": True} in changes
    assert {"action": "update", "kind": "ConfigMap", "name": "shop-product"} in changes
    assert {"action": "delete", "kind": "Ingress", "name": "shop-gateway"} in changes
    assert "3 of them restart pods" in world.status["plan"]["summary"]
    world.declare()
    await world.settle()
    assert "plan" not in world.status


async def test_time_of_a_condition_moves_only_with_its_status():
    world = await _settled()
    before = {it["type"]: it["lastTransitionTime"] for it in world.status["conditions"]}
    world.clock.advance(3600)
    world.declare(services={"product": {"replicas": 2}})
    await world.settle()
    after = {it["type"]: it for it in world.status["conditions"]}
    assert after["SpecValid"]["lastTransitionTime"] == before["SpecValid"]
    assert after["StoresReady"]["lastTransitionTime"] == before["StoresReady"]
    assert after["Ready"]["lastTransitionTime"] > before["Ready"]
    generation = world.cluster.live("RevCartPlatform", "shop")["metadata"]["generation"]
    assert {it["observedGeneration"] for it in after.values()} == {generation} == {world.status["observedGeneration"]}


async def test_every_status_is_one_that_the_custom_resource_allows():
    world = platforms.World(renderer=manifests)
    world.declare()
    while not world.is_ready:
        await world.step()
        status.Status.model_validate(world.status)
