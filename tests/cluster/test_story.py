"""The order story, from outside of the cluster through its Ingress, and how the services find each other there."""

import json
import re
import time

import pytest

from revcart_operator.platform import catalogue
from tests.cluster import clusters
from tests.flow import test_order_journey

pytestmark = pytest.mark.cluster


@pytest.fixture
async def riders(platform: clusters.Platform) -> None:
    """They are free: orders that other tests left might keep all of them busy."""
    async with platform.demo("ADMIN") as admin:
        for status in ("PENDING", "CONFIRMED", "PREPARING"):
            while left := (await admin.get("/api/admin/orders", status=status, size=100))["content"]:
                for order in left:
                    await admin.call("POST", f"/api/admin/orders/{order['id']}/cancel", json={"reason": "OTHER"})


@pytest.mark.usefixtures("riders")
async def test_an_order_is_paid_at_paysim_and_delivered(platform: clusters.Platform, timings: clusters.Timings) -> None:
    """People, simulated Razorpay and the live screen all come through the Ingress."""
    began = time.monotonic()
    await test_order_journey.test_r52_events_drive_the_order(platform)
    timings.add("order story, paid at paysim, with a live screen", time.monotonic() - began)


@pytest.mark.usefixtures("riders")
async def test_cash_on_delivery_is_paid_at_the_door(platform: clusters.Platform) -> None:
    await test_order_journey.test_cash_on_delivery_is_confirmed_at_once_and_paid_at_the_door(platform)


async def test_cancelling_brings_the_money_and_the_stock_back(platform: clusters.Platform) -> None:
    await test_order_journey.test_cancelling_a_paid_order_brings_the_money_and_the_stock_back(platform)


def test_every_service_is_registered_in_consul_at_its_pods(platform: clusters.Platform) -> None:
    for service in catalogue.SERVICES:
        answer = asked(platform, "consul", f"v1/health/service/{service.name}?passing=true")
        registered = {(each["Service"]["Address"], each["Service"]["Port"]) for each in json.loads(answer)}
        assert registered == {(pod["status"]["podIP"], service.port) for pod in platform.pods(service.name)}


def test_the_gateway_finds_services_without_consul(platform: clusters.Platform, timings: clusters.Timings) -> None:
    """One that begins while Consul is away has no list to remember: names of the cluster's DNS lead on."""
    platform.patch(reconcilePolicy="Paused")
    platform.wait_condition("Paused", "True")
    try:
        platform.kubectl("scale", f"statefulset/{platform.name}-consul", "--replicas=0")
        platform.cluster.wait("Consul's end", lambda: not platform.listed("pods", part(platform, "consul")))
        assert platform.serves()
        (old,) = platform.pods("gateway")
        platform.kubectl("delete", "pod", old["metadata"]["name"])
        platform.kubectl("rollout", "status", f"deployment/{platform.name}-gateway", "--timeout=90s")
        platform.cluster.wait("answers without Consul", platform.serves, seconds=30)
        assert re.search(r'revcart_discovery_source{service="product",source="dns"} 1', metrics(platform, "gateway"))
    finally:
        began = time.monotonic()
        platform.patch(reconcilePolicy="Apply")
    platform.wait_ready()
    timings.add("Consul's StatefulSet scaled to 0 by hand → Ready again", time.monotonic() - began)
    platform.cluster.wait(
        "registration at the new Consul",
        lambda: json.loads(asked(platform, "consul", "v1/health/service/order?passing=true")),
        seconds=30,
    )


def part(platform: clusters.Platform, name: str) -> str:
    return f"{platform.selector},app.kubernetes.io/component={name}"


def asked(platform: clusters.Platform, name: str, path: str) -> str:
    """The answer of a part's own port, by way of the API server."""
    service = f"/api/v1/namespaces/{platform.namespace}/services/{platform.name}-{name}:main/proxy/{path}"
    return platform.kubectl("get", "--raw", service)


def metrics(platform: clusters.Platform, name: str) -> str:
    """Of a service's one pod, asked from within: the gateway does not answer this to anybody behind a proxy."""
    (pod,) = platform.pods(name)
    script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/actuator/prometheus').read().decode())"
    return platform.kubectl("exec", pod["metadata"]["name"], "--", "python3", "-c", script)
