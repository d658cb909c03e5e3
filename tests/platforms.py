"""A platform on a fake cluster with its operator, for tests of the engine; and a small render with few objects."""

import copy
import datetime as dt
from collections.abc import Callable
from typing import Any

import prometheus_client

from revcart.kit import clock
from revcart_operator.engine import metrics, queue, reconcile
from revcart_operator.platform import spec
from revcart_operator.render import manifests, names
from revcart_operator.render import secrets as rendered_secrets
from tests import fakecluster

START = dt.datetime(2026, 1, 31, 9, 5, tzinfo=dt.UTC)
DOCUMENT: dict[str, Any] = {
    "apiVersion": spec.API_VERSION,
    "kind": spec.KIND,
    "metadata": {"name": "shop", "namespace": "default"},
    "spec": {"version": "0.1.0", "exposure": {"type": "Ingress", "host": "shop.example.com"}},
}


class Small:
    """One object of each sort that matters, made of the same words as the real render."""

    def needs(self, platform: spec.RevCartPlatform) -> tuple[str, ...]:
        return manifests.needs(platform)

    def steps(self, platform: spec.RevCartPlatform, *, facts: manifests.Facts) -> tuple[manifests.Step, ...]:
        shop = names.Shop(name=platform.name, namespace=facts.namespace, uid=facts.uid)
        password = facts.credentials["mysql-root-password"]
        settings = {"version": platform.spec.version, "mail": _mail(platform, facts)}
        replicas = 0 if platform.spec.run_state is spec.RunState.HIBERNATED else 1
        job = shop.numbered("migrate-order", names.digest([platform.spec.version, password]))
        exposed = platform.spec.exposure.type is spec.ExposureType.INGRESS
        image = f"platform:{platform.spec.version}"
        migrate = shop.manifest("batch/v1", "Job", "migrate-order", name=job, spec=_pods(shop, "migrate-order", image))
        waves = {
            "foundation": [shop.manifest("v1", "ServiceAccount", "platform")],
            "stores": [
                rendered_secrets.manifest(shop, "mysql", {"root-password": password}),
                shop.manifest("v1", "Service", "mysql", spec={"ports": [{"name": "main", "port": 3306}]}),
                _stateful_set(shop, "mysql", replicas=replicas, keep=str(platform.spec.deletion_policy.stores)),
            ],
            "migrations": [migrate] if replicas else [],
            "services": [
                shop.manifest("v1", "ConfigMap", "product", data=settings),
                _deployment(shop, "product", image, replicas=platform.spec.services.product.replicas * replicas),
                _deployment(shop, "order", image, replicas=replicas),
            ],
            "gateway": [_deployment(shop, "gateway", image, replicas=replicas)],
            "exposure": [_ingress(shop, str(platform.spec.exposure.host))] if exposed else [],
        }
        return tuple(manifests.Step(name=name, objects=tuple(objects)) for name, objects in waves.items())


def _mail(platform: spec.RevCartPlatform, facts: manifests.Facts) -> str:
    smtp = platform.spec.services.notification.smtp
    if smtp is None or smtp.secret_ref is None:
        return ""
    return facts.referred.secret(smtp.secret_ref, path="spec.services.notification.smtp.secretRef")["password"]


def _pods(shop: names.Shop, part: str, image: str) -> dict[str, Any]:
    container = {"name": part, "image": image, "env": [{"name": "PART", "value": part}]}
    return {"template": {"metadata": {"labels": shop.selector(part)}, "spec": {"containers": [container]}}}


def _deployment(shop: names.Shop, part: str, image: str, *, replicas: int) -> names.Manifest:
    body = {"replicas": replicas, "selector": {"matchLabels": shop.selector(part)}, **_pods(shop, part, image)}
    return shop.manifest("apps/v1", "Deployment", part, spec=body)


def _stateful_set(shop: names.Shop, part: str, *, replicas: int, keep: str) -> names.Manifest:
    body = {
        "replicas": replicas,
        "selector": {"matchLabels": shop.selector(part)},
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": keep, "whenScaled": "Retain"},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        **_pods(shop, part, "mysql:8.4"),
    }
    return shop.manifest("apps/v1", "StatefulSet", part, spec=body)


def _ingress(shop: names.Shop, host: str) -> names.Manifest:
    return shop.manifest("networking.k8s.io/v1", "Ingress", "gateway", spec={"rules": [{"host": host}]})


class World:
    """One cluster, one operator, and the platform `shop`."""

    key = queue.Key("default", "shop")

    def __init__(self, *, renderer: reconcile.Renderer | None = None) -> None:
        self.renderer = renderer or Small()
        self.cluster = fakecluster.FakeCluster()
        self.clock = clock.Manual(START)
        self.restart()

    def restart(self) -> None:
        """Another operator process, which remembers nothing."""
        self.registry = prometheus_client.CollectorRegistry()
        self.operator = reconcile.Reconciler(
            cluster=self.cluster,
            clock=self.clock,
            metrics=metrics.Metrics(self.registry),
            version="0.1.0",
            renderer=self.renderer,
        )

    def declare(self, **changes: Any) -> None:
        """`kubectl apply` of the platform; a change of None takes the field out."""
        document = copy.deepcopy(DOCUMENT)
        document["spec"] |= changes
        document["spec"] = {key: value for key, value in document["spec"].items() if value is not None}
        self.cluster.put(document)

    async def step(self) -> queue.Outcome:
        """One pass, then the cluster's controllers."""
        outcome = await self.operator.reconcile(self.key)
        self.cluster.tick()
        self.clock.advance(outcome.requeue_after or 1)
        return outcome

    async def settle(self, *, steps: int = 60) -> None:
        """Until two passes in a row write nothing and ask for nothing soon."""
        calm = 0
        for _ in range(steps):
            before = len(self.cluster.writes)
            outcome = await self.step()
            patient = outcome.requeue_after is None or outcome.requeue_after >= 15
            calm = calm + 1 if patient and len(self.cluster.writes) == before else 0
            if calm == 2:
                return
        raise AssertionError(f"never settles: {self.condition('Ready')}, {self.cluster.writes[-5:]}")

    async def until(self, true: Callable[[], bool], *, steps: int = 60) -> None:
        for _ in range(steps):
            if true():
                return
            await self.step()
        raise AssertionError(f"never becomes true: {self.condition('Ready')}")

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.live("RevCartPlatform", "shop").get("status", {})
        return found

    def condition(self, type_: str) -> tuple[str, str, str]:
        """Status, reason and message."""
        found = next((it for it in self.status.get("conditions", []) if it["type"] == type_), None)
        return (found["status"], found["reason"], found["message"]) if found else ("", "", "")

    @property
    def is_ready(self) -> bool:
        return self.condition("Ready")[0] == "True"

    def writes(self) -> list[tuple[str, str, str]]:
        """Writes to children since the last call."""
        made = [write for write in self.cluster.writes if write[0] != "status"]
        self.cluster.writes.clear()
        return made

    def credentials(self) -> dict[str, str]:
        data: dict[str, str] = self.cluster.live("Secret", "shop-credentials")["data"]
        return data

    async def twin(self) -> "World":
        """A new cluster with the same passwords and the same platform, rolled out without any trouble."""
        other = World(renderer=self.renderer)
        live = self.cluster.live("RevCartPlatform", "shop")
        other.cluster.put({key: live[key] for key in ("apiVersion", "kind")} | {
            "metadata": {"name": "shop", "namespace": "default"}, "spec": live["spec"]})  # fmt: skip
        other.cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "shop-credentials", "namespace": "default"},
                "type": "Opaque",
                "data": self.credentials(),
            }
        )
        await other.settle()
        return other
