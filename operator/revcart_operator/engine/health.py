"""Does a live object do its work? From what its controller says in `status`; `pods` knows why not."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from revcart_operator.engine import cluster, kinds, wanted

PROGRESSING = "Progressing"  # the reason of what simply needs more time


class State(enum.IntEnum):
    """Ordered from good to bad."""

    READY = 0
    PROGRESSING = 1
    FAILED = 2  # will not get better without somebody's help


@dataclass(frozen=True, kw_only=True)
class Health:
    """`message`: one sentence, with what to do where something can be done. `ready`: such as 1/2, of what has pods."""

    state: State
    reason: str = PROGRESSING
    message: str = ""
    ready: str | None = None

    @property
    def is_ready(self) -> bool:
        return self.state is State.READY


READY = Health(state=State.READY, reason="Ready")


def of(it: wanted.Wanted, live: cluster.Object | None) -> Health:
    """The health of one wanted object."""
    if live is None:
        return _progressing(f"{it.id} is not there yet")
    if "deletionTimestamp" in live["metadata"]:
        return _progressing(f"{it.id} is being deleted")
    judge = _JUDGES.get(it.id.kind)
    return judge(it, live) if judge else READY


def _progressing(message: str, *, ready: str | None = None) -> Health:
    return Health(state=State.PROGRESSING, message=message, ready=ready)


def _deployment(it: wanted.Wanted, live: cluster.Object) -> Health:
    status, replicas = live.get("status", {}), live["spec"].get("replicas", 1)
    available = status.get("availableReplicas", 0)
    ready = f"{available}/{replicas}"
    for condition in status.get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            sentence = f"a pod of {it.part} is refused: {condition.get('message', 'no reason given')}"
            return Health(state=State.FAILED, reason="Refused", message=sentence, ready=ready)
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            sentence = f"{it.part} does not get ready in time ({ready} pods)"
            return Health(state=State.FAILED, reason="ProgressDeadlineExceeded", message=sentence, ready=ready)
    current = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if current and updated == total == replicas and available >= replicas:
        return Health(state=State.READY, reason="Ready", ready=ready)
    return _progressing(f"{it.part} {ready}", ready=ready)


def _stateful_set(it: wanted.Wanted, live: cluster.Object) -> Health:
    status, replicas = live.get("status", {}), live["spec"].get("replicas", 1)
    available = status.get("availableReplicas", status.get("readyReplicas", 0))
    ready = f"{available}/{replicas}"
    current = status.get("observedGeneration", 0) >= live["metadata"].get("generation", 0)
    rolled = status.get("currentRevision") == status.get("updateRevision")
    if current and rolled and status.get("replicas", 0) == replicas and available >= replicas:
        return Health(state=State.READY, reason="Ready", ready=ready)
    return _progressing(f"{it.part} {ready}", ready=ready)


def _job(it: wanted.Wanted, live: cluster.Object) -> Health:
    for condition in live.get("status", {}).get("conditions", []):
        if condition["status"] != "True":
            continue
        if condition["type"] == "Complete":
            return READY
        if condition["type"] == "Failed":
            sentence = f"{it.part} failed ({condition.get('message', 'no reason given')}); delete {it.id} to try again"
            return Health(state=State.FAILED, reason="MigrationFailed", message=sentence)
    return _progressing(f"{it.part} is at work")


def _ingress(it: wanted.Wanted, live: cluster.Object) -> Health:
    has_address = bool(live.get("status", {}).get("loadBalancer", {}).get("ingress"))
    if has_address or live["spec"].get("ingressClassName"):
        return READY
    return Health(
        state=State.PROGRESSING,
        reason="NoIngressClass",
        message=f"no controller takes {it.id}: write spec.exposure.ingress.className, or make one class the default",
    )


def _http_route(it: wanted.Wanted, live: cluster.Object) -> Health:
    parents: list[dict[str, Any]] = live.get("status", {}).get("parents", [])
    accepted = [c for parent in parents for c in parent.get("conditions", []) if c["type"] == "Accepted"]
    if any(condition["status"] == "True" for condition in accepted):
        return READY
    said = "; ".join(str(condition.get("message", "")) for condition in accepted)
    return Health(
        state=State.PROGRESSING,
        reason="RouteNotAccepted",
        message=f"no gateway accepts {it.id}: check spec.exposure.gateway.parentRefs ({said or 'nobody answered'})",
    )


_JUDGES: dict[kinds.Kind, Callable[[wanted.Wanted, cluster.Object], Health]] = {
    kinds.DEPLOYMENT: _deployment,
    kinds.STATEFUL_SET: _stateful_set,
    kinds.JOB: _job,
    kinds.INGRESS: _ingress,
    kinds.HTTP_ROUTE: _http_route,
}
