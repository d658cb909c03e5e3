"""`revcart operator` as a process, against a real API server, with the rights of its own chart and no more."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import control_plane

PLURALS = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "Role": "roles",
           "RoleBinding": "rolebindings", "ServiceAccount": "serviceaccounts"}  # fmt: skip


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> float:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - begun


@dataclass
class Operator:
    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def said(self, event: str) -> bool:
        return any(line["event"] == event for line in self.lines())

    def page(self, name: str, path: str) -> tuple[int, str]:
        port = next(line["fields"]["port"] for line in self.lines()
                    if line["event"] == "page.open" and line["fields"]["page"] == name)  # fmt: skip
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> tuple[int, float]:
        """Exit code, and how long it took."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60), time.monotonic() - begun


@dataclass
class World:
    plane: control_plane.ControlPlane
    folder: Path
    system: str  # namespace of the operator
    shop: str  # namespace of the platform

    def get(self, path: str) -> Any:
        return self.plane.ask("GET", path)[1]

    def children(self, plural: str, api: str = "/api/v1") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"{api}/namespaces/{self.shop}/{plural}")["items"]
        return [item for item in found if "platform.revcart.io/platform" in (item["metadata"].get("labels") or {})]

    def install(self, scope: str) -> Path:
        """The rights of the chart, and the kubeconfig of its ServiceAccount."""
        made = (control_plane.ROOT / "manifests" / "operator" / scope / "rbac.yaml").read_text()
        for it in yaml.safe_load_all(made.replace("revcart-system", self.system)):
            if it is None:
                continue
            if scope == "namespaced" and it["metadata"]["name"] == "revcart-operator" and "Role" in it["kind"]:
                it["metadata"]["namespace"] = self.shop
            namespace = it["metadata"].get("namespace")
            group = "/api/v1" if it["kind"] == "ServiceAccount" else "/apis/rbac.authorization.k8s.io/v1"
            path = group + (f"/namespaces/{namespace}" if namespace else "") + f"/{PLURALS[it['kind']]}"
            self.plane.ask("DELETE", f"{path}/{it['metadata']['name']}")
            status, answer = self.plane.ask("POST", path, it)
            assert status == 201, answer
        path = f"/api/v1/namespaces/{self.system}/serviceaccounts/revcart-operator/token"
        status, answer = self.plane.ask("POST", path, {"spec": {}})
        assert status == 201, answer
        return self.plane.as_user(answer["status"]["token"], self.folder)

    @contextlib.contextmanager
    def operator(self, kubeconfig: Path, *arguments: str, name: str = "operator") -> Iterator[Operator]:
        log = self.folder / f"{name}.log"
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "POD_NAMESPACE": self.system, "POD_NAME": name}
        command = [sys.executable, "-m", "revcart_operator.cli.main", "operator", "--host", "127.0.0.1",
                   "--health-port", "0", "--metrics-port", "0", *arguments]  # fmt: skip
        with log.open("wb") as sink:
            process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
        running = Operator(process, log)
        try:
            yield running
        finally:
            process.kill()
            process.wait()

    def apply(self, namespace: str | None = None) -> None:
        body = {
            "apiVersion": "platform.revcart.io/v1alpha1",
            "kind": "RevCartPlatform",
            "metadata": {"name": "shop"},
            "spec": {"version": "0.1.0", "exposure": {"type": "Ingress", "host": "shop.example"}},
        }
        status, answer = self.plane.ask("POST", self.plane.platforms(namespace or self.shop), body)
        assert status == 201, answer

    def observed(self) -> bool:
        found = self.get(self.plane.platforms(self.shop, "shop"))
        return bool(found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"])


@pytest.fixture
def world(control_plane: control_plane.ControlPlane, tmp_path: Path) -> World:
    return World(control_plane, tmp_path, control_plane.namespace(), control_plane.namespace())


def test_it_begins_a_platform_repairs_it_and_leaves_no_trace_of_itself(world: World) -> None:
    with world.operator(world.install("cluster")) as operator:
        until(lambda: operator.said("lease.acquired"), "the lease")
        world.apply()
        until(world.observed, "the generation is observed")
        assert world.children("statefulsets", "/apis/apps/v1"), operator.log.read_text()

        # Drift: what is deleted or edited comes back by watch.
        path = f"/api/v1/namespaces/{world.shop}/services/shop-redis"
        before = world.get(path)["metadata"]["uid"]
        world.plane.ask("DELETE", path)
        took = until(lambda: world.get(path)["metadata"].get("uid", before) != before, "the Service is back")
        assert took < 20
        edited = f"/apis/apps/v1/namespaces/{world.shop}/statefulsets/shop-redis"
        world.plane.ask("PATCH", edited, {"spec": {"replicas": 3}})
        until(lambda: world.get(edited)["spec"]["replicas"] == 1, "the StatefulSet is put right")

        # Nothing of kopf's or ours on the object but its status.
        meta = world.get(world.plane.platforms(world.shop, "shop"))["metadata"]
        assert "finalizers" not in meta
        assert "annotations" not in meta
        assert operator.page("health", "/healthz") == (200, '{"problems": []}')
        assert operator.page("health", "/readyz")[0] == 200
        told = operator.page("metrics", "/metrics")[1]
        assert 'revcart_reconcile_api_requests_total{code="201",verb="patch"}' in told
        assert 'code="403"' not in told, "a right is missing in the chart"

        code, seconds = operator.stop()
        assert code == 0
        assert seconds < 10
        text = operator.log.read_text()
        assert [line for line in operator.lines() if line["level"] == "ERROR"] == []
        values = [base64.b64decode(value).decode(errors="replace")
                  for secret in world.children("secrets") for value in secret.get("data", {}).values()]  # fmt: skip
        assert len(values) > 20
        assert [value for value in values if len(value) > 11 and value in text] == []


def test_a_namespaced_one_works_with_roles_and_in_its_namespaces_alone(world: World) -> None:
    kubeconfig = world.install("namespaced")
    elsewhere = world.plane.namespace()
    with world.operator(kubeconfig, "--namespace", world.shop) as operator:
        world.apply()
        world.apply(elsewhere)
        until(world.observed, "the generation is observed")
        assert 'code="403"' not in operator.page("metrics", "/metrics")[1]
        assert "status" not in world.get(world.plane.platforms(elsewhere, "shop"))


def test_one_works_while_the_other_waits_and_takes_over_when_it_leaves(world: World) -> None:
    kubeconfig = world.install("namespaced")
    scope = ("--namespace", world.shop)
    with world.operator(kubeconfig, *scope, name="first") as first:
        until(lambda: first.said("lease.acquired"), "the first has it")
        with world.operator(kubeconfig, *scope, name="second") as second:
            until(lambda: second.said("lease.waiting"), "the second waits")
            assert second.page("health", "/readyz")[0] == 200
            first.stop()
            took = until(lambda: second.said("lease.acquired"), "the second has it")
            assert took < 15, "it need not wait for the lease to run out"
            world.apply()
            until(world.observed, "the second works")


def test_a_platform_goes_at_once_while_no_operator_runs(world: World) -> None:
    with world.operator(world.install("namespaced"), "--namespace", world.shop) as operator:
        world.apply()
        until(world.observed, "the generation is observed")
        operator.process.kill()
        operator.process.wait()
    path = world.plane.platforms(world.shop, "shop")
    world.plane.ask("DELETE", path)
    assert world.plane.ask("GET", path)[0] == 404


def test_without_a_cluster_it_says_what_is_missing(world: World) -> None:
    with world.operator(world.folder / "no-such-file") as operator:
        assert operator.process.wait(60) == 2
        assert "set KUBECONFIG" in operator.log.read_text()
