"""How the operator is installed: the chart is the one source, and it grants what the code uses, verb by verb."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from revcart_operator.engine import kinds

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "manifests" / "operator"
SCOPES = ("cluster", "namespaced")
CHILD_VERBS = {"create", "delete", "get", "list", "patch", "watch"}

Granted = dict[tuple[str, str], set[str]]


def documents(file: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(file.read_text(encoding="utf-8")) if found]


def granted(rules: list[dict[str, Any]]) -> Granted:
    return {(group, resource): set(rule["verbs"])
            for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}  # fmt: skip


def needed() -> Granted:
    """What engine, kube and kopf ask for."""
    found = {(group(kind), kind.plural): set(CHILD_VERBS) for kind in kinds.KINDS}
    platforms = group(kinds.PLATFORM), kinds.PLATFORM.plural
    found[platforms] = {"get", "list", "watch"}
    found[platforms[0], f"{platforms[1]}/status"] = {"patch"}
    found["", kinds.POD.plural] = {"get", "list"}
    found["", "events"] = {"create"}
    return found


def group(kind: kinds.Kind) -> str:
    return kind.api_version.rpartition("/")[0]


def roles(scope: str) -> dict[str, dict[str, Any]]:
    return {it["metadata"]["name"]: it for it in documents(OPERATOR / scope / "rbac.yaml")
            if it["kind"] in ("Role", "ClusterRole")}  # fmt: skip


def deployment(scope: str) -> dict[str, Any]:
    (found,) = documents(OPERATOR / scope / "deployment.yaml")
    return found


def test_kustomize_trees_are_what_the_chart_makes() -> None:
    done = subprocess.run([ROOT / "scripts" / "manifests", "--check"], capture_output=True, text=True, timeout=120)
    if done.returncode == 3:
        pytest.skip("helm is not there: scripts/cluster builds it")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scope", SCOPES)
def test_the_rules_grant_what_the_code_uses_and_no_more(scope: str) -> None:
    assert granted(roles(scope)["revcart-operator"]["rules"]) == needed()


@pytest.mark.parametrize("scope", SCOPES)
def test_rules_are_in_alphabetical_order_so_that_a_doubled_one_shows(scope: str) -> None:
    rules = roles(scope)["revcart-operator"]["rules"]
    order = [(rule["apiGroups"][0], rule["resources"][0]) for rule in rules]
    assert order == sorted(order)
    for rule in rules:
        assert len(rule["apiGroups"]) == 1
        assert rule["resources"] == sorted(rule["resources"])
        assert rule["verbs"] == sorted(rule["verbs"])


def test_a_namespaced_operator_has_no_right_in_the_cluster() -> None:
    made = {it["kind"] for file in ("rbac", "deployment") for it in documents(OPERATOR / "namespaced" / f"{file}.yaml")}
    assert made == {"ServiceAccount", "Role", "RoleBinding", "Deployment"}


def test_no_rule_has_a_wildcard() -> None:
    for scope in SCOPES:
        assert "*" not in (OPERATOR / scope / "rbac.yaml").read_text(encoding="utf-8")


def test_the_page_justifies_each_right() -> None:
    told: Granted = {}
    for line in (ROOT / "docs" / "operator.md").read_text(encoding="utf-8").splitlines():
        row = re.fullmatch(r"\| (`[^|]*`) \| (.+?) \| (.+?) \| (.+) \|", line)
        if not row:
            continue
        api = row[1].strip("`")
        for resource in re.findall(r"`([^`]+)`", row[2]):
            told[("" if api == "core" else api, resource)] = set(row[3].split())
    leases = ("coordination.k8s.io", "leases")
    assert told == {**needed(), leases: {"create", "get", "update"}}


@pytest.mark.parametrize("scope", SCOPES)
def test_the_pod_is_restricted(scope: str) -> None:
    pod = deployment(scope)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container)
    assert container["resources"]["limits"]["memory"]


def test_the_scope_reaches_the_process() -> None:
    (cluster,) = deployment("cluster")["spec"]["template"]["spec"]["containers"]
    (namespaced,) = deployment("namespaced")["spec"]["template"]["spec"]["containers"]
    assert not [arg for arg in cluster["args"] if "namespace" in arg]
    assert "--namespace=$(POD_NAMESPACE)" in namespaced["args"]
