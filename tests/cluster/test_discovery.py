"""How the services of a shop find each other: by the cluster's Consul, and without it by the cluster's DNS."""

import json
import re
import time

import pytest

from revcart_operator.platform import catalogue
from tests.cluster import clusters

pytestmark = pytest.mark.cluster


def test_every_service_is_registered_in_consul_at_its_pods(platform: clusters.Platform) -> None:
    def look() -> bool:
        for service in catalogue.SERVICES:
            answer = asked(platform, "consul", f"v1/health/service/{service.name}?passing=true")
            registered = {(each["Service"]["Address"], each["Service"]["Port"]) for each in json.loads(answer)}
            assert registered == {(pod["status"]["podIP"], service.port) for pod in platform.pods(service.name)}
        return True

    platform.cluster.wait("all registered", look, seconds=30)


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
