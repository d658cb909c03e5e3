"""What is wrong is told where its owner looks: by `kubectl apply`, or as one line in Ready within 60 s."""

import base64
import json
import re
import time
from typing import Any

import pytest
import yaml

from tests.cluster import clusters

pytestmark = pytest.mark.cluster

TOLD_SECONDS = 60
NOWHERE = "db.nowhere.example"
MISTAKES = {
    "a key that does not exist": ("{profil: Standard}", 'unknown field "spec.profil"'),
    "a word that does not exist": ("{runState: Asleep}", 'supported values: "Running", "Hibernated"'),
    "a number that YAML made": ("{version: 0.1}", "spec.version in body must be of type string"),
    "On, which YAML calls true": ("{demoData: on}", "spec.demoData in body must be of type string"),
    "a store that nobody finds": (
        "{stores: {redis: {mode: External}}}",
        "mode External needs to know the server: write external beside mode",
    ),
    "two mistakes at once": (
        "{exposure: {type: Ingress}, profile: Standard}",
        "an exposed platform needs its host name: write host: shop.example.com",
    ),
}


def away(name: str) -> dict[str, Any]:
    """A store that others run, where nobody is."""
    where: dict[str, Any] = {"bootstrapServers": [f"{NOWHERE}:9092"]} if name == "kafka" else {"host": NOWHERE}
    return {"mode": "External", "external": {**where, "tls": {"mode": "Disabled"}}}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_kubectl_apply_refuses_with_what_to_write(cluster: clusters.Cluster, mistake: str) -> None:
    spec, sentence = MISTAKES[mistake]
    document = {
        "apiVersion": "platform.revcart.io/v1alpha1",
        "kind": "RevCartPlatform",
        "metadata": {"name": "refused", "namespace": "default"},
        "spec": {"version": "0.1.0", **yaml.safe_load(spec)},
    }
    done = cluster.attempt("apply", "--filename=-", stdin=yaml.safe_dump(document))
    assert done.returncode == 1
    assert sentence in done.stderr
    assert cluster.get("revcartplatform", "refused", namespace="default") is None


def test_a_wrong_change_of_a_running_shop_changes_nothing(platform: clusters.Platform) -> None:
    def generation() -> int:
        found = platform.get("revcartplatform", platform.name)
        assert found is not None
        return int(found["metadata"]["generation"])

    before = generation()
    changes = {
        "write unsafeFlags.storeModeChange: true with this change": {"stores": {"mysql": away("mysql")}},
        "write demoData: Disabled, or profile: Development": {"profile": "Standard"},
    }
    for sentence, spec in changes.items():
        patch = json.dumps({"spec": spec})
        done = platform.cluster.attempt("patch", "revcartplatform", platform.name, f"-n{platform.namespace}",
                                        "--type=merge", f"--patch={patch}")  # fmt: skip
        assert (done.returncode, sentence in done.stderr) == (1, True), done.stderr
    assert generation() == before
    assert platform.is_ready()


def test_a_missing_secret_is_named_and_found_once_it_is_there(cluster: clusters.Cluster, namespace: str) -> None:
    mysql = {"mode": "External", "external": {"secretRef": {"name": "rds"}, "tls": {"mode": "Disabled"}}}
    stall = cluster.platform(namespace, runState="Hibernated", stores={"mysql": mysql})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "rds", "namespace": namespace}}
    begun = time.monotonic()
    stall.apply()
    told = stall.wait_condition("Ready", "False", reason="SecretMissing", seconds=TOLD_SECONDS)
    cluster.timings.add("a Secret that is missing: told after", time.monotonic() - begun, target=TOLD_SECONDS)
    assert told["message"] == (
        "spec.stores.mysql.external.secretRef refers to the secret rds, which has no key host "
        f"(there is no such Secret in namespace {namespace}); make it, and it is picked up within 30 s"
    )
    cluster.apply({**secret, "data": {"hostname": _encoded(NOWHERE)}})
    half = "refers to the secret rds, which has no key host; make it"
    cluster.wait(
        "the key is missed", lambda: half in stall.conditions().get("Ready", {}).get("message", ""), seconds=35
    )
    cluster.apply({**secret, "data": {"uri": _encoded(f"mysql://shop@{NOWHERE}:3306")}})
    begun = time.monotonic()
    stall.wait_condition("CredentialsReady", "True", seconds=TOLD_SECONDS)
    healed = time.monotonic() - begun
    cluster.timings.add("a Secret that was missing: healed after", healed, target=30)
    assert healed < 35
    stall.wait_condition("Ready", "False", reason="Hibernated")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_mistakes_that_only_a_cluster_knows_are_told_one_by_one(cluster: clusters.Cluster, namespace: str) -> None:
    """One store of its own, the others where nobody is, and no service runs: two small pods at most, and Jobs."""
    overrides = cluster.images.get("overrides", [])
    wrong = [{"name": "redis", "image": "registry.invalid/redis:9"},
             *(it for it in overrides if it["name"] != "redis")]  # fmt: skip
    stores: dict[str, Any] = {name: away(name) for name in ("mysql", "mongodb", "kafka", "consul")}
    stores["redis"] = {"mode": "Managed", "managed": {"storage": {"size": "1Gi"}}}
    images = {**cluster.images, "overrides": wrong}
    stall = cluster.platform(namespace, stores=stores, images=images, serviceDefaults={"replicas": 0})
    begun = time.monotonic()
    stall.apply()
    told = stall.wait_condition("Ready", "False", reason="ImagePullFailed", seconds=TOLD_SECONDS)
    cluster.timings.add("an image that cannot be pulled: told after", time.monotonic() - begun, target=TOLD_SECONDS)
    assert told["message"].startswith("redis cannot start: image registry.invalid/redis:9 cannot be pulled")
    assert "\n" not in told["message"]

    begun = time.monotonic()
    stall.patch(images={**cluster.images, "overrides": overrides})
    stall.wait_condition("StoresReady", "True")
    cluster.timings.add("an image that can be pulled now: the store serves after", time.monotonic() - begun)

    begun = time.monotonic()
    told = stall.wait_condition("Ready", "False", reason="CrashLoop", seconds=TOLD_SECONDS)
    cluster.timings.add("a store that nobody finds: told after", time.monotonic() - begun, target=TOLD_SECONDS)
    assert re.search(f"(database|documents|bus) at {NOWHERE}:[0-9]+ does not answer: ", told["message"]), told

    stall.patch(stores={"redis": {"managed": {"storage": {"size": "2Gi"}}}})
    told = stall.wait_condition("Ready", "False", reason="Refused")
    assert "this cannot change in place; take the change back, or move to a new platform" in told["message"]
    stall.patch(stores={"redis": {"managed": {"storage": {"size": "1Gi"}}}})
    stall.wait_condition("StoresReady", "True", seconds=30)


def test_a_service_that_cannot_start_leaves_the_shop_open_and_is_told(platform: clusters.Platform) -> None:
    cluster = platform.cluster
    overrides = cluster.images.get("overrides", [])
    mistakes: dict[str, tuple[dict[str, Any], str, str]] = {
        "ImagePullFailed": (
            {"images": {"overrides": [*overrides, {"name": "cart", "image": "registry.invalid/cart:9"}]}},
            "cart cannot start: image registry.invalid/cart:9 cannot be pulled",
            "a service's image that cannot be pulled",
        ),
        "Refused": (
            {"services": {"cart": {"resources": {"requests": {"memory": "100Gi"}}}}},
            "must be less than or equal to memory limit",
            "a pod that the API server refuses",
        ),
    }
    for reason, (spec, sentence, what) in mistakes.items():
        begun = time.monotonic()
        platform.patch(**spec)
        try:
            told = platform.wait_condition("Ready", "False", reason=reason, seconds=TOLD_SECONDS)
            cluster.timings.add(f"{what}: told after", time.monotonic() - begun, target=TOLD_SECONDS)
            assert sentence in told["message"]
            assert platform.serves(), "the old pods go on"
        finally:
            begun = time.monotonic()
            platform.patch(images={"overrides": overrides or None}, services={"cart": None})
            platform.wait_ready()
        cluster.timings.add(f"{what}: Ready after it was put right", time.monotonic() - begun)
