"""A shop that is deleted takes all with it but what it was told to keep, and comes back the same."""

import time

import pytest

from tests.cluster import clusters
from tests.flow import test_order_journey

pytestmark = pytest.mark.cluster

CLAIMS = {f"data-shop-{part}-0" for part in ("mysql", "mongodb", "redis", "kafka", "consul", "paysim")}
OF_KUBERNETES = ("events", "events.events.k8s.io", "pods.metrics.k8s.io")
CREDENTIALS = "shop-credentials"


async def test_a_deleted_shop_leaves_its_data_and_comes_back_the_same(
    new_shop: clusters.Platform, timings: clusters.Timings
) -> None:
    async with test_order_journey.cast(new_shop) as (customer, _, _):
        await customer.add_to_cart(*await test_order_journey.chosen(customer))
        order = await customer.place_order("COD")
        order = await customer.order_becomes(order["id"], "CONFIRMED")
        email = customer.email
    secret = new_shop.get("secret", CREDENTIALS)
    began = time.monotonic()
    new_shop.delete()
    gone(new_shop, left=CLAIMS | {CREDENTIALS})
    timings.add("CR deleted → all that it made is gone", time.monotonic() - began)
    kept = new_shop.get("secret", CREDENTIALS)
    assert secret is not None
    assert kept is not None
    assert kept["data"] == secret["data"]

    began = time.monotonic()
    new_shop.apply()
    new_shop.wait_ready(seconds=300)
    timings.add("applied again → Ready with the same data", time.monotonic() - began)
    async with new_shop.person() as customer:
        await customer.login(email, "a good password")
        again = await customer.get(f"/api/orders/{order['id']}")
        assert (again["items"], again["totalAmount"]) == (order["items"], order["totalAmount"])


def test_a_deleted_shop_leaves_nothing_if_told_so(new_shop: clusters.Platform) -> None:
    new_shop.patch(deletionPolicy={"stores": "Delete", "secrets": "Delete"})
    new_shop.cluster.wait("the new policy", lambda: is_settled(new_shop), seconds=60)
    new_shop.delete()
    gone(new_shop, left=set())


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
