"""The real cluster for tests: kubectl, waits that say what for, platforms in namespaces, and times to be told."""

import dataclasses
import json
import os
import random
import string
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests import shop as shops

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "manifests" / "samples" / "cluster.yaml"
PLATFORM_LABEL = "platform.revcart.io/platform"
OPERATOR = ("--namespace=revcart-system", "deployment/revcart-operator")
Object = dict[str, Any]
UNLIMITED: Object = {"gateway": {"env": [{"name": "REVCART_GATEWAY_RATE_LIMITS", "value": "Off"}]}}


@dataclass
class Timings:
    """Seconds and other figures that the summary of the run tells."""

    lines: list[str] = field(default_factory=list)

    def add(self, what: str, seconds: float, *, target: float | None = None) -> None:
        """A target that is missed is told, and for the test to judge."""
        self.tell(what, f"{seconds:.1f} s" + (f" (target {target:.0f} s)" if target else ""))

    def tell(self, what: str, figure: str) -> None:
        self.lines.append(f"{what:<60} {figure}")


def running(timings: Timings) -> "Cluster":
    """The cluster as `scripts/deploy` left it."""
    status = json.loads(_script("cluster", "status", "--output=json"))
    program = _script("cluster", "tool", "kubectl")
    cluster = Cluster(program=program, kubeconfig=status["kubeconfig"], address="", images={}, timings=timings)
    shop = cluster.get("revcartplatform", "shop", namespace="shop")
    assert shop is not None, "scripts/deploy made no shop"
    address = "100.100.0.2" if status["provider"] == "native" else "127.0.0.1"
    return dataclasses.replace(cluster, address=address, images=shop["spec"].get("images", {}))


def _script(name: str, *words: str) -> str:
    command = [str(ROOT / "scripts" / name), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """`address`: where Ingresses are served. `images`: the part of a platform that says where its images are."""

    program: str
    kubeconfig: str
    address: str
    images: Object
    timings: Timings

    def attempt(
        self, *words: str, stdin: str | None = None, seconds: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """Run kubectl; the caller judges."""
        command = [self.program, f"--kubeconfig={self.kubeconfig}", *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds)

    def kubectl(self, *words: str, stdin: str | None = None, seconds: float = 120) -> str:
        """What kubectl prints; it must succeed."""
        done = self.attempt(*words, stdin=stdin, seconds=seconds)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"
        return done.stdout

    def get(self, kind: str, name: str, *, namespace: str) -> Object | None:
        """One object; None if it is not there."""
        text = self.kubectl("get", kind, name, f"--namespace={namespace}", "--output=json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def listed(self, kind: str, *, namespace: str, selector: str = "") -> list[Object]:
        """Kinds may be several, with commas between."""
        words = ("get", kind, f"--namespace={namespace}", f"--selector={selector}", "--output=json")
        found: list[Object] = json.loads(self.kubectl(*words))["items"]
        return found

    def apply(self, document: Object) -> str:
        return self.kubectl("apply", "--filename=-", stdin=json.dumps(document))

    def namespace(self, prefix: str = "test") -> str:
        """A new one, which admits restricted pods only. `forget` deletes it."""
        name = f"{prefix}-{''.join(random.choices(string.ascii_lowercase, k=6))}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        return name

    def forget(self, namespace: str) -> None:
        self.kubectl("delete", "namespace", namespace, "--wait=false")

    def platform(self, namespace: str, *, name: str = "shop", **spec: Any) -> "Platform":
        """One like the sample, with these fields of its spec instead; `apply` makes it."""
        document = yaml.safe_load(SAMPLE.read_text())
        document["metadata"] = {"name": name, "namespace": namespace}
        document["spec"]["images"] = self.images
        document["spec"]["exposure"]["host"] = f"{namespace}.test"
        document["spec"]["services"]["gateway"].update(UNLIMITED["gateway"])
        document["spec"].update(spec)
        return Platform(cluster=self, document=document)

    def wait(self, what: str, look: Callable[[], Any], *, seconds: float = 120, every: float = 0.5) -> Any:
        """The first answer of `look` that is something. A failed look counts as none."""
        deadline = time.monotonic() + seconds
        while True:
            said: object = "nothing"
            try:
                if found := look():
                    return found
            except AssertionError as error:
                said = error
            assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s ({said})"
            time.sleep(every)

    def operator_log(self, *, since: str = "") -> list[Object]:
        """Its log, a record a line; of the one that runs now. `since`: such as 2026-01-31T09:05:00Z."""
        words = ("logs", *OPERATOR, *((f"--since-time={since}",) if since else ()))
        return [json.loads(line) for line in self.kubectl(*words).splitlines() if line.startswith("{")]


@dataclass(frozen=True, kw_only=True)
class Platform(shops.Outlet):
    """A shop on the cluster, which people reach through its Ingress."""

    cluster: Cluster
    document: Object

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.document["metadata"]["namespace"])

    @property
    def host(self) -> str:
        return str(self.document["spec"]["exposure"]["host"])

    @property
    def gateway(self) -> str:
        return f"http://{self.host}"

    @property
    def paysim(self) -> str:
        return f"http://paysim.{self.host}"

    @property
    def address(self) -> str:  # type: ignore[override]
        return self.cluster.address

    @property
    def origin(self) -> str:  # type: ignore[override]
        return self.gateway

    @property
    def selector(self) -> str:
        """Of everything that the operator makes of it."""
        return f"{PLATFORM_LABEL}={self.name}"

    def kubectl(self, *words: str, stdin: str | None = None, seconds: float = 120) -> str:
        """In its namespace."""
        return self.cluster.kubectl(f"--namespace={self.namespace}", *words, stdin=stdin, seconds=seconds)

    def get(self, kind: str, name: str) -> Object | None:
        return self.cluster.get(kind, name, namespace=self.namespace)

    def listed(self, kind: str, selector: str = "") -> list[Object]:
        """Its objects of a kind; `selector` instead of all of them."""
        return self.cluster.listed(kind, namespace=self.namespace, selector=selector or self.selector)

    def pods(self, part: str) -> list[Object]:
        """Those of a service or store that are not about to end."""
        found = self.listed("pods", f"{self.selector},app.kubernetes.io/component={part}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def apply(self) -> None:
        self.cluster.apply(self.document)

    def patch(self, **spec: Any) -> None:
        """Change these fields of its spec."""
        self.kubectl("patch", "revcartplatform", self.name, "--type=merge", f"--patch={json.dumps({'spec': spec})}")

    def delete(self, *, seconds: float = 120) -> None:
        """Delete the resource; what it owns goes in the background."""
        self.kubectl("delete", "revcartplatform", self.name, "--ignore-not-found", seconds=seconds)

    def conditions(self) -> dict[str, Object]:
        """By type; none before the operator has seen the platform as it is now."""
        found = self.get("revcartplatform", self.name)
        assert found is not None, "the platform is not there"
        conditions = {it["type"]: it for it in found.get("status", {}).get("conditions", [])}
        seen = conditions.get("Ready", {}).get("observedGeneration") == found["metadata"]["generation"]
        return conditions if seen else {}

    def is_ready(self) -> bool:
        return self.conditions().get("Ready", {}).get("status") == "True"

    def wait_ready(self, *, seconds: float = 180, every: float = 0.5) -> None:
        """Until Ready holds for the spec as it is now; says why not."""

        def look() -> bool:
            ready = self.conditions().get("Ready", {})
            assert ready.get("status") == "True", f"{ready.get('reason')}: {ready.get('message')}"
            return True

        self.cluster.wait(f"{self.namespace}/{self.name} Ready", look, seconds=seconds, every=every)

    def wait_condition(self, type_: str, status: str, *, reason: str = "", seconds: float = 60) -> Object:
        """The condition once it has this status (and reason)."""

        def look() -> Object | None:
            found = self.conditions().get(type_, {})
            assert found.get("status") == status, f"it is {found}"
            assert reason in ("", found.get("reason")), f"it is {found}"
            return found

        found: Object = self.cluster.wait(f"{self.name} {type_} {status} {reason}", look, seconds=seconds)
        return found

    def serves(self) -> bool:
        """Whether the catalogue answers through the Ingress."""
        command = ["curl", "--silent", "--max-time", "5", "--noproxy", "*", "--output", os.devnull]
        command += ["--write-out", "%{http_code}", "--header", f"Host: {self.host}"]
        command += [f"http://{self.address}/api/products?size=1"]
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout == "200"
