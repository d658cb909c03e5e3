"""The life of a shop: how fast it comes, what memory it takes, what stays of it, and that it comes back the same."""

import contextlib
import glob
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import clusters
from tests.flow import test_order_journey
from tests.shop import eventually

pytestmark = pytest.mark.cluster

READY_SECONDS, MEMORY_BYTES = 120, 8 << 30
CLAIMS = {f"data-shop-{part}-0" for part in ("mysql", "mongodb", "redis", "kafka", "consul", "paysim")}
OF_KUBERNETES = ("events", "events.events.k8s.io", "pods.metrics.k8s.io")
CREDENTIALS = "shop-credentials"


@pytest.fixture(scope="module")
def shop(cluster: clusters.Cluster, timings: clusters.Timings) -> Iterator[clusters.Platform]:
    """One of its own, new."""
    namespace = cluster.namespace("life")
    platform = cluster.platform(namespace)
    platform.apply()
    began = time.monotonic()
    platform.wait_ready(seconds=300)
    timings.add("CR → Ready, images warm, beside another shop", time.monotonic() - began, target=READY_SECONDS)
    assert time.monotonic() - began < READY_SECONDS
    yield platform
    cluster.forget(namespace)


def test_a_new_shop_is_ready_in_two_minutes_and_serves(shop: clusters.Platform) -> None:
    assert shop.serves()


def test_the_platform_and_its_control_plane_fit_in_8_gib(
    platform: clusters.Platform, timings: clusters.Timings
) -> None:
    """All shops of the moment together: a second one beside the sample, when all of this file runs."""
    of_pods, of_node = memory("kubepods"), memory()
    if not of_node:
        pytest.skip("no native node, whose processes could be seen")
    shops = len(platform.cluster.kubectl("get", "revcartplatforms", "--all-namespaces", "--output=name").split())
    timings.tell(f"memory of the pods of the operator and {shops} shops", gib(of_pods))
    timings.tell("memory of the control plane and the node", gib(of_node - of_pods))
    assert of_node < MEMORY_BYTES


async def test_a_deleted_shop_leaves_its_data_and_comes_back_the_same(
    shop: clusters.Platform, timings: clusters.Timings
) -> None:
    async with test_order_journey.cast(shop) as (customer, _, _):
        await customer.add_to_cart(*await test_order_journey.chosen(customer))
        order = await customer.place_order("COD")
        order = await customer.order_becomes(order["id"], "CONFIRMED")
        email = customer.email
    secret = shop.get("secret", CREDENTIALS)
    began = time.monotonic()
    shop.delete()
    gone(shop, left=CLAIMS | {CREDENTIALS})
    timings.add("CR deleted → all that it made is gone", time.monotonic() - began)
    kept = shop.get("secret", CREDENTIALS)
    assert secret is not None
    assert kept is not None
    assert kept["data"] == secret["data"]

    began = time.monotonic()
    shop.apply()
    shop.wait_ready(seconds=300)
    timings.add("applied again → Ready with the same data", time.monotonic() - began, target=READY_SECONDS)
    async with shop.person() as customer:
        await customer.login(email, "a good password")

        async def found() -> bool:
            return bool((await customer.get(f"/api/orders/{order['id']}"))["status"] in ("CONFIRMED", "PREPARING"))

        await eventually(found, what="the order")
        again = await customer.get(f"/api/orders/{order['id']}")
        assert {key: again[key] for key in ("items", "totalAmount")} == {
            key: order[key] for key in ("items", "totalAmount")
        }


def test_a_deleted_shop_leaves_nothing_if_told_so(shop: clusters.Platform) -> None:
    shop.patch(deletionPolicy={"stores": "Delete", "secrets": "Delete"})
    shop.cluster.wait("the new policy", lambda: is_settled(shop), seconds=60)
    shop.delete()
    gone(shop, left=set())


def is_settled(shop: clusters.Platform) -> bool:
    """Whether the operator has put the policy into every object."""
    policies = [it["spec"]["persistentVolumeClaimRetentionPolicy"] for it in shop.listed("statefulsets")]
    return shop.is_ready() and all(policy["whenDeleted"] == "Delete" for policy in policies)


def gone(shop: clusters.Platform, *, left: set[str]) -> None:
    """Wait until there is nothing but `left` of all kinds that a namespace can hold, and what every namespace has."""
    of_every_namespace = {"default", "kube-root-ca.crt"}
    words = ("api-resources", "--namespaced", "--verbs=list", "--output=name")
    kinds = ",".join(kind for kind in shop.cluster.kubectl(*words).split() if kind not in OF_KUBERNETES)

    def look() -> bool:
        found = {it["metadata"]["name"] for it in shop.cluster.listed(kinds, namespace=shop.namespace)}
        assert found - of_every_namespace == left, f"there is {sorted(found - of_every_namespace - left)}"
        return True

    shop.cluster.wait("the end of all that the shop was", look, seconds=120, every=1)


def memory(group: str = "") -> int:
    """Bytes of the processes of the native node, or of a group of them; pages that several share count once (PSS)."""
    groups = ("/sys/fs/cgroup/revcart", *glob.glob("/sys/fs/cgroup/*/revcart"))
    files = (file for each in groups for file in (Path(each) / group).rglob("cgroup.procs"))
    total = 0
    for pid in {pid for file in files for pid in file.read_text().split()}:
        with contextlib.suppress(OSError):  # it has ended
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += sum(int(size) << 10 for size in re.findall(r"^Pss: +(\d+) kB", rollup, re.MULTILINE))
    return total


def gib(size: int) -> str:
    return f"{size / (1 << 30):.2f} GiB"
