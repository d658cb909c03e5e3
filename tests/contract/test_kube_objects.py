"""Every object that RevCart makes is taken by a real API server: strictly by its schemas, and in a dry run.

The namespace enforces the restricted Pod Security profile, and a warning of the server counts as a refusal. HTTPRoute
and ServiceMonitor are not Kubernetes' own; foreign_crds.yaml holds what RevCart writes of them.
"""

import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests import control_plane, kube_schemas, renders

from revcart_operator.engine import drift, kinds, wanted
from revcart_operator.platform import spec

OPERATOR = control_plane.ROOT / "manifests" / "operator"
CHART = control_plane.ROOT / "charts" / "revcart-operator"
API_VERSIONS = sorted({kind.api_version for kind in kinds.KINDS}
                      | {spec.API_VERSION, "apiextensions.k8s.io/v1", "rbac.authorization.k8s.io/v1"})  # fmt: skip
SIMULATED = {"payment": {"razorpay": {"mode": "Simulated"}}}
PLATFORMS = yaml.safe_load((Path(__file__).parent / "platforms.yaml").read_text(encoding="utf-8"))
Objects = Sequence[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Both verdicts, in one namespace."""

    plane: control_plane.ControlPlane
    schemas: Path

    def conform(self, objects: Objects) -> None:
        """kubeconform, strictly."""
        location = f"{self.schemas}/{kube_schemas.LOCATION}"
        done = _run(["kubeconform", "-strict", "-summary", "-output", "json", "-schema-location", location], objects)
        told = json.loads(done.stdout)
        assert not told["resources"], "\n".join(f"{it['kind']} {it['name']}: {it['msg']}" for it in told["resources"])
        assert told["summary"]["valid"] == len(objects)

    def try_out(self, objects: Objects) -> Objects:
        """What the server would make of them."""
        strict = ("--validate=strict", "--warnings-as-errors", "--dry-run=server", "--output=json")
        ours = ("--server-side", "--force-conflicts", "--field-manager=test")
        command = ["kubectl", "--kubeconfig", self.plane.kubeconfig, "apply", "-f", "-", *ours, *strict]
        done = _run(command, objects)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        items: Objects = found["items"] if found["kind"] == "List" else [found]
        assert len(items) == len(objects)
        return items


def _run(command: Sequence[Any], objects: Objects) -> subprocess.CompletedProcess[str]:
    program, *arguments = command
    text = yaml.safe_dump_all(objects)
    return subprocess.run(
        [control_plane.program(program), *arguments], input=text, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """An API server of its own: it knows kinds that others must not."""
    folder = tmp_path_factory.mktemp("objects")
    with control_plane.running(folder) as plane:
        foreign = (Path(__file__).parent / "foreign_crds.yaml").read_text(encoding="utf-8")
        _make(plane, list(yaml.safe_load_all(foreign)))
        for name in ("httproutes.gateway.networking.k8s.io", "servicemonitors.monitoring.coreos.com"):
            plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", f"crd/{name}")
        rules = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        account = renders.one(renders.objects(renders.platform()), "ServiceAccount", "shop-platform")
        for name in ("shops", "revcart-system"):
            _make(plane, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": rules}}])
        operator = {"name": "revcart-operator", "namespace": "revcart-system"}
        _make(plane, [account, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": operator}])
        schemas = folder / "schemas"
        schemas.mkdir()
        kube_schemas.write(plane, schemas, api_versions=API_VERSIONS)
        yield Judge(plane=plane, schemas=schemas)


def _make(plane: control_plane.ControlPlane, objects: Objects) -> None:
    plane.kubectl("apply", "--server-side", "-f", "-", standard_input=yaml.safe_dump_all(objects))


def platforms() -> Iterator[Any]:
    for file in sorted(renders.SAMPLES.glob("*.yaml")):
        yield pytest.param(renders.sample(file.stem), id=file.stem)
    for name, fields in PLATFORMS.items():
        yield pytest.param(renders.platform(**fields), id=name)


def pods(objects: Iterable[dict[str, Any]]) -> Objects:
    """The pods that controllers would make; these are what Pod Security refuses, not their templates."""
    made = []
    for owner, template in renders.pod_templates(list(objects)):
        claims = [
            {"name": name, "persistentVolumeClaim": {"claimName": name}}
            for name in (it["metadata"]["name"] for it in owner["spec"].get("volumeClaimTemplates", ()))
        ]
        inside = {**template["spec"], "volumes": [*template["spec"].get("volumes", ()), *claims]}
        metadata = {**template["metadata"], "name": owner["metadata"]["name"], "namespace": "shops"}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": inside})
    return made


@pytest.mark.parametrize("platform", list(platforms()))
def test_every_rendered_object_is_taken_as_it_is(judge: Judge, platform: spec.RevCartPlatform) -> None:
    objects = [wanted.with_hash(made) for made in renders.objects(platform)]
    judge.conform(objects)
    judge.try_out(pods(objects))
    for made, live in zip(objects, judge.try_out(objects), strict=True):
        assert drift.differences(made, live) == {}, (
            "the server writes it differently, so the operator would write it for ever"
        )


@pytest.mark.parametrize("file", sorted(renders.SAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_sample_conforms_to_the_resource(judge: Judge, file: Path) -> None:
    judge.conform([yaml.safe_load(file.read_text(encoding="utf-8"))])


@pytest.mark.parametrize(
    "values",
    [
        "scope.type=Cluster",
        "scope.type=Namespaced",
        "scope.type=Namespaced,scope.namespaces={shops}",
        "metrics.service=true",
    ],
)
def test_what_helm_installs_is_taken(judge: Judge, values: str) -> None:
    command: list[str | Path] = [
        control_plane.program("helm"),
        "template",
        "revcart-operator",
        CHART,
        "--namespace=revcart-system",
    ]
    command += ["--kube-version=1.34.0", "--include-crds", "--set", values]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    _installable(judge, done.stdout)


@pytest.mark.parametrize("scope", ["cluster", "namespaced"])
def test_what_kustomize_installs_is_taken(judge: Judge, scope: str) -> None:
    _installable(judge, judge.plane.kubectl("kustomize", str(OPERATOR / scope)))


def _installable(judge: Judge, text: str) -> None:
    objects = [it for it in yaml.safe_load_all(text) if it]
    assert "Deployment" in {it["kind"] for it in objects}
    judge.conform(objects)
    judge.try_out(objects)
    judge.try_out([{**pod, "metadata": {**pod["metadata"], "namespace": "revcart-system"}} for pod in pods(objects)])


def test_a_field_that_no_schema_has_is_refused(judge: Judge) -> None:
    """These checks can fail."""
    wrong = renders.one(renders.objects(renders.platform()), "Service", "shop-gateway")
    wrong["spec"]["ports"][0]["targetPorts"] = 1
    with pytest.raises(AssertionError, match="targetPorts"):
        judge.conform([wrong])
    with pytest.raises(AssertionError, match="targetPorts"):
        judge.try_out([wrong])
