"""A Kubernetes API in memory, good enough for the engine: what a real one does, without a real one's minutes.

Server-side apply with the fields that each manager applied, defaults, immutable fields, generations and resource
versions, selectors, the garbage collector, and controllers that move on one `tick` at a time. `fail` breaks the n-th
write, before or after it took effect; after a `Crash` nothing answers until `recover`.
"""

import asyncio
import itertools
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from revcart_operator.engine import cluster, errors, kinds

Object = dict[str, Any]
Copied = TypeVar("Copied")
Address = tuple[str, str, str]  # kind, namespace, name
_KEYS = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath",
    "ownerReferences": "uid", "containers.ports": "containerPort", "initContainers.ports": "containerPort",
    "spec.ports": "port",
}  # fmt: skip
_IMMUTABLE = {
    "Deployment": ("selector",),
    "StatefulSet": ("selector", "serviceName", "volumeClaimTemplates"),
    "Job": ("selector", "template"),
}


class Crash(Exception):
    """The operator's process ended here."""


@dataclass
class Fault:
    """`write`: which write from now on, from 1. `after`: once it took effect."""

    write: int
    after: bool
    error: Exception


@dataclass
class FakeCluster:
    """`ready_after`: ticks until a workload works. `broken_images`, `failing_jobs`: what never gets there."""

    ready_after: int = 2
    broken_images: set[str] = field(default_factory=set)
    failing_jobs: set[str] = field(default_factory=set)
    respelled: dict[str, str] = field(default_factory=dict)  # values of a ServiceAccount that come back in other words
    objects: dict[Address, Object] = field(default_factory=dict)
    writes: list[tuple[str, str, str]] = field(default_factory=list)  # verb, kind, name
    verbs: set[tuple[str, str]] = field(default_factory=set)  # verb, plural
    events: list[tuple[str, str, str]] = field(default_factory=list)  # type, reason, message
    claims: dict[tuple[str, str], str] = field(default_factory=dict)  # namespace and name → uid of its StatefulSet
    _applied: dict[Address, Object] = field(default_factory=dict)
    _ages: dict[tuple[str, str, int], int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))
    _fault: Fault | None = None
    _down: Exception | None = None

    # What the engine calls

    async def get(self, kind: kinds.Kind, namespace: str, name: str) -> Object | None:
        await self._request("get", kind.plural)
        return _copy(self.objects.get((kind.kind, namespace, name)))

    async def list(self, kind: kinds.Kind, namespace: str, *, selector: str) -> cluster.Objects:
        await self._request("list", kind.plural)
        if kind.optional:
            raise errors.NotFound(kind.plural)
        return self._selected(kind.kind, namespace, selector)

    async def create(self, manifest: Object) -> Object:
        kind, address = kinds.of(manifest), _address(manifest)
        await self._request("create", kind.plural)
        if address in self.objects:
            raise errors.Conflict(f"{address} is there")
        return self._written("create", address, lambda: self._store(address, {}, _copy(manifest)))

    async def apply(self, manifest: Object, *, dry_run: bool = False) -> Object:
        kind, address = kinds.of(manifest), _address(manifest)
        await self._request("patch", kind.plural)
        live, wanted = self.objects.get(address), _copy(manifest)
        version = wanted["metadata"].pop("resourceVersion", None)
        if version is not None and (live is None or live["metadata"]["resourceVersion"] != version):
            raise errors.Conflict(f"{address} has changed")
        made: Object = _copy(live) if live else {}
        _drop(self._applied.get(address, {}), wanted, made, ())
        made = _merge(made, wanted, ())
        self._check(kind, live, made)
        if dry_run:
            return made

        def effect() -> Object:
            self._applied[address] = wanted
            return self._store(address, live or {}, made)

        return self._written("apply", address, effect)

    async def overwrite(self, manifest: Object) -> Object:
        kind, address = kinds.of(manifest), _address(manifest)
        await self._request("patch", kind.plural)
        live, wanted = self.objects[address], _copy(manifest)
        made = {**live, **wanted, "metadata": {**live["metadata"], **wanted["metadata"]}}
        self._check(kind, live, made)
        return self._written("overwrite", address, lambda: self._store(address, live, made))

    async def delete(self, kind: kinds.Kind, namespace: str, name: str, *, uid: str | None = None) -> None:
        await self._request("delete", kind.plural)
        address = (kind.kind, namespace, name)
        live = self.objects.get(address)
        if live is None:
            return
        if uid not in (None, live["metadata"]["uid"]):
            raise errors.Conflict(f"{address} is another one")
        self._written("delete", address, lambda: self._forget(address))

    async def put_status(self, platform: Object, status: Object) -> None:
        await self._request("patch", "revcartplatforms/status")
        address = _address(platform)
        if address not in self.objects:
            raise errors.NotFound(str(address))

        def effect() -> Object:
            live = self.objects[address]
            return self._store(address, live, {**live, "status": _copy(status)})

        self._written("status", address, effect)

    async def platforms(self, namespace: str | None) -> cluster.Objects:
        await self._request("list", "revcartplatforms")
        found = (it for at, it in self.objects.items() if at[0] == "RevCartPlatform" and namespace in (None, at[1]))
        return _copy(list(found))

    async def event(self, platform: Object, *, type: str, reason: str, message: str) -> None:
        await self._request("create", "events")
        self.events.append((type, reason, message))

    # What people do

    def put(self, manifest: Object) -> Object:
        """`kubectl replace`, or create: of a platform or a Secret, as a user would."""
        address = _address(manifest)
        live = self.objects.get(address, {})
        kept = {"status": live["status"]} if "status" in live else {}
        return self._store(address, live, {**_copy(manifest), **kept})

    def edit(self, kind: str, name: str, change: Callable[[Object], None], *, namespace: str = "default") -> None:
        """`kubectl edit`."""
        address = (kind, namespace, name)
        made = _copy(self.objects[address])
        change(made)
        self._store(address, self.objects[address], made)

    def remove(self, kind: str, name: str, *, namespace: str = "default") -> None:
        """`kubectl delete`; the garbage collector comes with the next tick."""
        self._forget((kind, namespace, name))

    def live(self, kind: str, name: str, *, namespace: str = "default") -> Object:
        return self.objects[kind, namespace, name]

    def content(self) -> dict[Address, Object]:
        """What was asked for, without what differs between two equal clusters; no platform, no pods."""
        skipped = ("RevCartPlatform", "Pod")
        return {at: _without_history(it) for at, it in sorted(self.objects.items()) if at[0] not in skipped}

    def fail(self, write: int, *, after: bool = False, error: Exception | None = None) -> None:
        self._fault = Fault(write=write, after=after, error=error or Crash())

    def recover(self) -> None:
        self._fault = self._down = None

    # What the cluster does by itself

    def tick(self) -> None:
        """The controllers move on by one step."""
        self._collect()
        for address, live in list(self.objects.items()):
            kind, namespace, name = address
            controller = {"Deployment": self._deployment, "StatefulSet": self._stateful_set, "Job": self._job}.get(kind)
            if controller:
                key = (kind, live["metadata"]["uid"], live["metadata"]["generation"])
                self._ages[key] = self._ages.get(key, 0) + 1
                status = controller(live, self._ages[key] >= self.ready_after)
                if status != live.get("status"):
                    self._store(address, live, {**live, "status": status})
            if kind == "StatefulSet":
                for claim in live["spec"].get("volumeClaimTemplates", []):
                    self.claims.setdefault(
                        (namespace, f"{claim['metadata']['name']}-{name}-0"), live["metadata"]["uid"]
                    )

    def _collect(self) -> None:
        uids = {it["metadata"]["uid"] for it in self.objects.values()}
        for address, live in list(self.objects.items()):
            owners = [owner["uid"] for owner in live["metadata"].get("ownerReferences", [])]
            if owners and not uids & set(owners):
                self._forget(address)

    def _deployment(self, live: Object, done: bool) -> Object:
        replicas = live["spec"].get("replicas", 1)
        ready = replicas if done and not self._pod(live, replicas) else 0
        return {
            "observedGeneration": live["metadata"]["generation"],
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": ready,
        }

    def _stateful_set(self, live: Object, done: bool) -> Object:
        status = self._deployment(live, done)
        return {**status, "currentRevision": "a", "updateRevision": "a" if done else "b"}

    def _job(self, live: Object, done: bool) -> Object:
        if self._pod(live, 1) or not done:
            return {"active": 1}
        failed = live["metadata"]["name"] in self.failing_jobs
        condition = {"type": "Failed" if failed else "Complete", "status": "True", "message": "it has no more tries"}
        return {"conditions": [condition]}

    def _pod(self, live: Object, replicas: int) -> bool:
        """Make the pod that shows a broken image; whether it is broken."""
        metadata, template = live["metadata"], live["spec"]["template"]
        containers = [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
        broken = [it for it in containers if it["image"] in self.broken_images] if replicas else []
        address = ("Pod", metadata["namespace"], f"{metadata['name']}-0")
        self.objects.pop(address, None)
        for container in broken[:1]:
            waiting = {"reason": "ImagePullBackOff", "message": "not found"}
            labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": metadata["name"]}
            self.objects[address] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": address[2], "namespace": address[1], "labels": labels, "uid": address[2]},
                "spec": {"containers": containers},
                "status": {"containerStatuses": [{"name": container["name"], "state": {"waiting": waiting}}]},
            }
        return bool(broken)

    # Inside

    async def _request(self, verb: str, plural: str) -> None:
        await asyncio.sleep(0)
        self.verbs.add((verb, plural))
        if self._down:
            raise self._down

    def _written(self, verb: str, address: Address, effect: Callable[[], Object]) -> Object:
        fault = self._fault
        if fault:
            fault.write -= 1
        due = fault is not None and fault.write == 0
        if fault and due and not fault.after:
            self._break(fault)
        self.writes.append((verb, address[0], address[2]))
        made = effect()
        if fault and due:
            self._break(fault)
        return _copy(made)

    def _break(self, fault: Fault) -> None:
        self._fault = None
        self._down = fault.error if isinstance(fault.error, Crash) else None
        raise fault.error

    def _store(self, address: Address, before: Object, after: Object) -> Object:
        """Keep an object: defaults, and versions that move only when something does."""
        after = self._respell(_defaulted(after))
        metadata = after["metadata"]
        if not before:
            metadata |= {"uid": f"uid-{next(self._numbers)}", "generation": 1}
        else:
            old = before["metadata"]
            metadata |= {key: old[key] for key in ("uid", "generation", "resourceVersion")}
            metadata["generation"] += before.get("spec") != after.get("spec")
        if before != after:
            metadata["resourceVersion"] = str(next(self._numbers))
        self.objects[address] = after
        return after

    def _respell(self, made: Object) -> Object:
        if made["kind"] == "ServiceAccount" and "spec" in made:
            made["spec"] = {key: self.respelled.get(value, value) for key, value in made["spec"].items()}
        return made

    def _forget(self, address: Address) -> Object:
        live = self.objects.pop(address)
        self._applied.pop(address, None)
        policy = live.get("spec", {}).get("persistentVolumeClaimRetentionPolicy", {})
        if policy.get("whenDeleted") == "Delete":
            self.claims = {claim: uid for claim, uid in self.claims.items() if uid != live["metadata"]["uid"]}
        return live

    def _selected(self, kind: str, namespace: str, selector: str) -> cluster.Objects:
        wanted = dict(pair.split("=") for pair in selector.split(","))
        found = (it for at, it in self.objects.items() if at[:2] == (kind, namespace))
        return _copy([it for it in found if wanted.items() <= it["metadata"].get("labels", {}).items()])

    def _check(self, kind: kinds.Kind, live: Object | None, made: Object) -> None:
        owners = [it for it in made["metadata"].get("ownerReferences", []) if it.get("controller")]
        if len(owners) > 1:
            raise errors.Refused(status=422, message="Only one reference can have Controller set to true")
        for name in _IMMUTABLE.get(kind.kind, ()) if live else ():
            assert live is not None
            if _defaulted(made)["spec"].get(name) != live["spec"].get(name):
                raise errors.Refused(status=422, message=f"spec.{name}: field is immutable")


def _copy(value: Copied) -> Copied:
    """A deep one; much faster than `copy` for plain dicts."""
    copied: Copied = pickle.loads(pickle.dumps(value, -1))
    return copied


def _address(manifest: Object) -> Address:
    return manifest["kind"], manifest["metadata"].get("namespace", "default"), manifest["metadata"]["name"]


def _key(path: tuple[str, ...]) -> str | None:
    return _KEYS.get(".".join(path[-2:])) or _KEYS.get(path[-1])


def _merge(live: Any, wanted: Any, path: tuple[str, ...]) -> Any:
    if isinstance(wanted, dict):
        live = live if isinstance(live, dict) else {}
        return {**live, **{key: _merge(live.get(key), value, (*path, key)) for key, value in wanted.items()}}
    if isinstance(wanted, list) and isinstance(live, list) and (key := _key(path)):
        items = {item[key]: item for item in live}
        applied = [_merge(items.pop(item[key], None), item, path) for item in wanted]
        return [*applied, *items.values()]
    return wanted


def _drop(old: Any, new: Any, live: Any, path: tuple[str, ...]) -> None:
    """Take out of `live` what the manager applied before and applies no more."""
    if isinstance(old, dict) and isinstance(live, dict):
        for name in [name for name in old if name in live]:
            below = new.get(name) if isinstance(new, dict) else None
            if isinstance(old[name], dict) or (isinstance(old[name], list) and _key((*path, name))):
                _drop(old[name], below, live[name], (*path, name))
                if below is None and not live[name]:
                    del live[name]
            elif below is None:
                del live[name]
    elif isinstance(old, list) and isinstance(live, list) and (key := _key(path)):
        kept = {item[key]: item for item in new or []}
        for item in old:
            found = next((it for it in live if it[key] == item[key]), None)
            if found is not None and item[key] not in kept:
                live.remove(found)
            elif found is not None:
                _drop(item, kept[item[key]], found, path)


def _defaulted(made: Object) -> Object:
    """Some of what an API server fills in; a quantity comes back in its own words."""
    made = _copy(made)
    match made["kind"]:
        case "Service":
            made["spec"].setdefault("clusterIP", "10.0.0.1")
        case "Deployment" | "StatefulSet" | "Job":
            pod = made["spec"]["template"]["spec"]
            pod.setdefault("dnsPolicy", "ClusterFirst")
            for container in (*pod["containers"], *pod.get("initContainers", [])):
                container.setdefault("terminationMessagePath", "/dev/termination-log")
                for port in container.get("ports", []):
                    port.setdefault("protocol", "TCP")
        case "Ingress":
            made["spec"].setdefault("ingressClassName", "default")
    return made


def _without_history(live: Object) -> Object:
    forgotten = ("uid", "generation", "resourceVersion")
    metadata = {key: value for key, value in live["metadata"].items() if key not in forgotten}
    return {key: value for key, value in {**live, "metadata": metadata}.items() if key != "status"}
