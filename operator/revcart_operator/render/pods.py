"""Pods under the restricted Pod Security profile: what every pod of a platform has in common.

No environment of other Services (`enableServiceLinks`): one of a platform called `revcart` sets REVCART_PAYSIM_PORT.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from revcart_operator.platform import spec, workload
from revcart_operator.render import names, quantities, site

SERVICE_USER: Final = 10001
ACCOUNT: Final = "platform"
_CONTAINER: Final = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_TOPOLOGIES: Final[Mapping[workload.Spread, tuple[str, ...]]] = {
    workload.Spread.NONE: (),
    workload.Spread.NODE: ("kubernetes.io/hostname",),
    workload.Spread.ZONE: ("topology.kubernetes.io/zone", "kubernetes.io/hostname"),
}


@dataclass(frozen=True, kw_only=True)
class Container:
    """`mounts`: path → volume, or volume and path within it."""

    name: str
    image: str
    args: Sequence[str] = ()
    env: Sequence[Mapping[str, Any]] = ()
    mounts: Mapping[str, str | tuple[str, str]] = field(default_factory=dict)
    port: int = 0
    probes: Mapping[str, Any] = field(default_factory=dict)
    resources: workload.Resources | None = None
    grace_seconds: int = 0  # between the end of traffic and SIGTERM

    def manifest(self, *, pull_policy: spec.PullPolicy) -> dict[str, Any]:
        return {
            "name": self.name,
            "image": self.image,
            "imagePullPolicy": str(pull_policy),
            "args": list(self.args),
            "env": sorted(self.env, key=_dependent_last),
            "ports": [{"name": "main", "containerPort": self.port, "protocol": "TCP"}] if self.port else [],
            "volumeMounts": [_mount(path, volume) for path, volume in sorted(self.mounts.items())],
            **self.probes,
            # The address leaves the Service's list while requests still arrive.
            "lifecycle": {"preStop": {"sleep": {"seconds": self.grace_seconds}}} if self.grace_seconds else None,
            "resources": resources(self.resources) if self.resources else None,
            "terminationMessagePolicy": "FallbackToLogsOnError",  # its last words are what Ready says
            "securityContext": _CONTAINER,
        }


@dataclass(frozen=True, kw_only=True)
class Pod:
    """`volumes`: name → source. `seconds`: how long it may take to end. `extra`: what the user puts on the pod."""

    part: str
    user: int
    containers: Sequence[Container]
    before: Sequence[Container] = ()
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: int = 30
    restart: str = ""
    spread: workload.Spread = workload.Spread.NONE
    extra: workload.PodTemplate = field(default_factory=workload.PodTemplate)
    config: str = ""  # a digest of its secrets


def template(place: site.Site, pod: Pod) -> dict[str, Any]:
    """The `template` of a workload; ours wins over what the user puts on it."""
    images = place.platform.spec.images
    config = {names.CONFIG: pod.config} if pod.config else {}
    extra = pod.extra.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {
        "metadata": {
            "labels": {**pod.extra.labels, **place.shop.labels(pod.part)},
            "annotations": {**pod.extra.annotations, **config},
        },
        "spec": {
            "serviceAccountName": place.shop.called(ACCOUNT),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": pod.seconds,
            "restartPolicy": pod.restart or None,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": pod.user,
                "runAsGroup": pod.user,
                "fsGroup": pod.user,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "imagePullSecrets": [{"name": ref.name} for ref in images.pull_secrets],
            "initContainers": [each.manifest(pull_policy=images.pull_policy) for each in pod.before],
            "containers": [each.manifest(pull_policy=images.pull_policy) for each in pod.containers],
            "volumes": [{"name": name, **source} for name, source in sorted(pod.volumes.items())],
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": key,
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": place.shop.selector(pod.part)},
                }
                for key in _TOPOLOGIES[pod.spread]
            ],
            "nodeSelector": extra["nodeSelector"],
            "tolerations": extra["tolerations"],
            "affinity": extra["affinity"],
            "priorityClassName": extra.get("priorityClassName"),
        },
    }


def account(place: site.Site) -> names.Manifest:
    """The account of all pods of the platform: it may do nothing, and its token is mounted nowhere."""
    return place.shop.manifest("v1", "ServiceAccount", ACCOUNT, automountServiceAccountToken=False)


def resources(given: workload.Resources) -> dict[str, Any]:
    return {
        what: {name: quantities.canonical(text) for name, text in amounts.model_dump(exclude_none=True).items()}
        for what, amounts in (("requests", given.requests), ("limits", given.limits))
    }


def scratch(size: str = "64Mi") -> dict[str, Any]:
    """A folder that goes with the pod."""
    return {"emptyDir": {"sizeLimit": size}}


def secret(name: str, items: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A Secret as a folder, all of it or the keys of `items` under other names."""
    picked = [{"key": key, "path": path} for key, path in sorted((items or {}).items())]
    return {"secret": {"secretName": name, "items": picked, "defaultMode": 0o440}}


def variable(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value}


def pod_address(name: str) -> dict[str, Any]:
    """A variable with the pod's own address."""
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}


def secret_variable(name: str, *, secret: str, key: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def http_probe(path: str, *, every: int, failures: int, seconds: int = 3) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "main", "scheme": "HTTP"}, **_pace(every, failures, seconds)}


def exec_probe(script: str, *, every: int, failures: int, seconds: int = 5) -> dict[str, Any]:
    return {"exec": {"command": ["bash", "-c", script]}, **_pace(every, failures, seconds)}


def weaknesses(pod: Mapping[str, Any]) -> Iterator[str]:
    """What the restricted Pod Security profile, or ours, would refuse in a pod's spec; a path each."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken"
    whole = pod.get("securityContext", {})
    if whole.get("runAsNonRoot") is not True or whole.get("runAsUser") in (None, 0) or whole.get("sysctls"):
        yield "securityContext"
    if whole.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "securityContext.seccompProfile"
    allowed = {
        "emptyDir",
        "secret",
        "configMap",
        "projected",
        "downwardAPI",
        "persistentVolumeClaim",
        "csi",
        "ephemeral",
    }
    for volume in pod.get("volumes", ()):
        if volume.keys() - allowed - {"name"}:
            yield f"volumes.{volume['name']}"
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind, ()):
            if not _is_restricted(container):
                yield f"{kind}.{container.get('name')}"


def _is_restricted(container: Mapping[str, Any]) -> bool:
    context = container.get("securityContext", {})
    return (
        all(context.get(key) == value for key, value in _CONTAINER.items())
        and not context.get("privileged")
        and context.get("runAsNonRoot") is not False
        and context.get("runAsUser") != 0
        and "seccompProfile" not in context
        and not any(port.get("hostPort") for port in container.get("ports", ()))
    )


def _pace(every: int, failures: int, seconds: int) -> dict[str, int]:
    return {"periodSeconds": every, "failureThreshold": failures, "timeoutSeconds": seconds}


def _mount(path: str, volume: str | tuple[str, str]) -> dict[str, Any]:
    if isinstance(volume, tuple):
        return {"name": volume[0], "mountPath": path, "subPath": volume[1]}
    return {"name": volume, "mountPath": path}


def _dependent_last(variable: Mapping[str, Any]) -> tuple[bool, str]:
    """By name; but Kubernetes puts `$(NAME)` in only where NAME stands before."""
    return "$(" in str(variable.get("value", "")), str(variable["name"])
