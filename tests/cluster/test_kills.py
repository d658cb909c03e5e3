"""Pods are killed while orders flow, and the operator while it works: all is Ready again, and no order is lost."""

import asyncio
import contextlib
import functools
from collections.abc import Iterator

import pytest

from tests.cluster import clusters, operator_logs, repairs
from tests.flow import test_kill, test_stores_faults

pytestmark = pytest.mark.cluster

STORES = ("mysql", "mongodb", "redis", "kafka", "consul")
FORCED = ("mysql", "kafka")  # those that guard their volume against a second process
SERVICES = ("gateway", "order", "payment", "product")
CUSTOMERS = 4
ORDERS_PER_SECOND = 2
FORCE = ("--force", "--grace-period=0")


@pytest.fixture(scope="module")
def table(timings: clusters.Timings) -> Iterator[repairs.Table]:
    made = repairs.Table()
    yield made
    made.tell(timings)


async def test_pods_are_killed_under_orders_and_none_is_lost(
    platform: clusters.Platform, table: repairs.Table, timings: clusters.Timings
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        admin = await stack.enter_async_context(platform.demo("ADMIN"))
        people = [await stack.enter_async_context(platform.person()) for _ in range(CUSTOMERS)]
        for person in people:
            await person.sign_up()
        products = await test_stores_faults.plenty(admin)
        traffic = test_stores_faults.Traffic(people, products, per_second=ORDERS_PER_SECOND)
        before = {product: await test_kill.ledger(admin, product) for product in products}
        counted = (await admin.get("/api/analytics/dashboard"))["totalOrders"]
        async with traffic.flowing():
            for part in (*STORES, *SERVICES):
                await asyncio.to_thread(kill_9, platform, part, table)
            for part in FORCED:
                await asyncio.to_thread(force, platform, part, table)
        print(traffic.told().partition(";")[0])
        tries = f"{len(traffic.acknowledged)} acknowledged of {traffic.answers.total()} tries, none lost or doubled"
        await test_kill.check(
            platform, {person.id: person.token for person in people}, before,
            counted=counted, sent=traffic.sent, acknowledged=traffic.acknowledged,
        )  # fmt: skip
        timings.tell("orders while pods were killed", tries)
        assert len(traffic.acknowledged) > len(STORES) + len(SERVICES) + len(FORCED)


def kill_9(shop: clusters.Platform, part: str, table: repairs.Table) -> None:
    (pod,) = shop.pods(part)
    if not repairs.can_see(pod):
        force(shop, part, table)  # with kind the node's processes are out of sight
        return
    before = pod["status"]["containerStatuses"][0]["restartCount"]

    def restarted() -> bool:
        (found,) = shop.pods(part)
        return bool(found["status"]["containerStatuses"][0]["restartCount"] > before)

    with repairs.measured(shop, table, "pod", f"kill -9 of {part}") as damage:
        repairs.kill_inside(pod)
        shop.cluster.wait(f"{part} is started again", restarted, seconds=60, every=0.2)
        damage.is_right()


def force(shop: clusters.Platform, part: str, table: repairs.Table) -> None:
    (pod,) = shop.pods(part)
    with repairs.measured(shop, table, "pod", f"deleted with --force: {part}") as damage:
        shop.kubectl("delete", "pod", pod["metadata"]["name"], *FORCE)
        uid = pod["metadata"]["uid"]

        def replaced() -> bool:
            return [it["metadata"]["uid"] for it in shop.pods(part)] not in ([], [uid])

        shop.cluster.wait(f"{part} has another pod", replaced, seconds=60, every=0.2)
        damage.is_right()


def kill_operator(cluster: clusters.Cluster) -> None:
    """kill -9, so that it cannot give its Lease back; and its pod, so that no one of its name is there again."""
    for pod in cluster.listed("pods", namespace=operator_logs.NAMESPACE):
        repairs.kill_inside(pod)
    cluster.kubectl("delete", "pods", f"--namespace={operator_logs.NAMESPACE}", "--all", *FORCE)


def test_the_operator_is_killed_in_the_middle_of_a_rollout(platform: clusters.Platform, table: repairs.Table) -> None:
    def level(part: str) -> str | None:
        found = platform.get("deployment", f"shop-{part}")
        assert found is not None
        env = found["spec"]["template"]["spec"]["containers"][0]["env"]
        return next((it["value"] for it in env if it["name"] == "REVCART_LOG_LEVEL"), None)

    before = level("cart"), level("gateway")
    try:
        with repairs.measured(platform, table, "operator", "killed in the middle of a rollout") as damage:
            platform.patch(services={part: {"logLevel": "DEBUG"} for part in ("cart", "gateway")})
            platform.cluster.wait("the rollout", lambda: level("cart") == "DEBUG", seconds=30, every=0.1)
            assert level("gateway") == before[1], "the gateway's wave comes last"
            kill_operator(platform.cluster)
            platform.cluster.wait("the last wave", lambda: level("gateway") == "DEBUG", seconds=120)
            damage.is_right()
    finally:
        platform.patch(services={part: {"logLevel": None} for part in ("cart", "gateway")})
        repairs.wait_whole(platform)
    assert (level("cart"), level("gateway")) == before


def test_the_operator_is_killed_again_and_again_while_a_shop_is_new(
    cluster: clusters.Cluster, namespace: str, table: repairs.Table
) -> None:
    """A shop whose services have no pods: stores, credentials and migrations are what an install consists of."""
    shop = cluster.platform(namespace, serviceDefaults={"replicas": 0})
    with repairs.measured(shop, table, "operator", "killed three times in an install") as damage:
        shop.apply()
        kept = ""
        for kind in ("secrets", "statefulsets", "jobs"):
            cluster.wait(f"the first {kind}", functools.partial(shop.listed, kind), seconds=180, every=0.1)
            kill_operator(cluster)
            kept = kept or credentials(shop)
            assert credentials(shop) == kept, "passwords are made once"
        damage.is_right()
    assert credentials(shop) == kept


def credentials(shop: clusters.Platform) -> str:
    found = shop.get("secret", f"{shop.name}-credentials")
    assert found is not None
    return str(found["data"])
