"""Damage done to a running shop, and how long it takes until it is whole again."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import clusters

HASH = "platform.revcart.io/hash"
_SERVERS_OWN = ("clusterIP", "clusterIPs", "replicas")  # of a spec: given by the API server, or by an autoscaler


@dataclass
class Table:
    """What was done, seconds until the object was right, seconds until the shop was whole."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, kind: str, action: str, *, right: float | None, whole: float) -> None:
        self.rows.append((kind, action, "" if right is None else f"{right:.1f}", f"{whole:.1f}"))

    def tell(self, timings: clusters.Timings) -> None:
        """Into the summary."""
        titles = ("kind", "what was done", "right s", "Ready s")
        for kind, action, right, whole in (titles, *self.rows):
            timings.lines.append(f"{kind:<16} {action:<54} {right:>8} {whole:>8}")


def is_whole(shop: clusters.Platform) -> bool:
    """Ready, for the spec as it is, and every workload has all its pods: Ready may be older than the damage."""
    if not shop.is_ready():
        return False
    for it in shop.listed("deployments,statefulsets"):
        status, wanted = it.get("status", {}), it["spec"]["replicas"]
        pods = (status.get("replicas", 0), status.get("updatedReplicas", 0), status.get("availableReplicas", 0))
        if pods != (wanted,) * 3 or status["observedGeneration"] < it["metadata"]["generation"]:
            return False
    return True


def wait_whole(shop: clusters.Platform, *, seconds: float = 120) -> None:
    """Raises AssertionError with what Ready says."""

    def look() -> bool:
        assert is_whole(shop), shop.conditions().get("Ready")
        return True

    shop.cluster.wait("the shop is whole", look, seconds=seconds, every=0.3)


@contextlib.contextmanager
def measured(shop: clusters.Platform, table: Table, kind: str, action: str) -> Iterator["Damage"]:
    """The block does damage and may say when the object was right; at its end the shop must get whole."""
    damage = Damage(begun=time.monotonic())
    yield damage
    wait_whole(shop)
    table.add(kind, action, right=damage.right, whole=time.monotonic() - damage.begun)


@dataclass
class Damage:
    begun: float
    right: float | None = None

    def is_right(self) -> None:
        self.right = time.monotonic() - self.begun


def content(found: clusters.Object) -> dict[str, Any]:
    """What an object says, without what servers and controllers write into it."""
    spec = {key: value for key, value in found.get("spec", {}).items() if key not in _SERVERS_OWN}
    if found["kind"] in ("Deployment", "StatefulSet"):
        spec["replicas"] = found["spec"]["replicas"]
    if found["kind"] == "Job":  # a new one selects by its own uid
        spec = json.loads(json.dumps(spec))
        spec.pop("selector")
        spec["template"]["metadata"]["labels"] = {
            key: value for key, value in spec["template"]["metadata"]["labels"].items() if "controller-uid" not in key
        }
    metadata = found["metadata"]
    hash_ = metadata.get("annotations", {}).get(HASH)
    rest = {key: value for key, value in found.items() if key not in ("metadata", "spec", "status")}
    return {"labels": metadata["labels"], "hash": hash_, "spec": spec, **rest}


def can_see(pod: clusters.Object) -> bool:
    """Whether the processes of a pod are processes of this machine."""
    return bool(list(_processes(pod["metadata"]["uid"])))


def kill_inside(pod: clusters.Object) -> None:
    """kill -9 of every process of a pod's containers, but the one that holds its network."""
    for pid in list(_processes(pod["metadata"]["uid"])):
        if _program(pid) != "pause":
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _processes(uid: str) -> Iterator[int]:
    names = (f"pod{uid}", f"pod{uid.replace('-', '_')}")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = (entry / "cgroup").read_text()
                if any(name in text for name in names):
                    yield int(entry.name)


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
