"""Why a workload is not ready: what its pods say, as one sentence that somebody can act on."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from revcart_operator.engine import cluster, health, kinds, wanted
from revcart_operator.render import names

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_LONGEST = 300  # characters that others contribute to a sentence


def explain(it: wanted.Wanted, found: health.Health, *, pods: Sequence[cluster.Object]) -> health.Health:
    """The same health with the reason that the pods give, if they give one."""
    if found.is_ready:
        return found
    for reason, sentence in _troubles(it.part, _newest_first(_pods_of(it, pods))):
        hint = (
            f"; delete {it.id} to try again" if it.id.kind is kinds.JOB and found.state is health.State.FAILED else ""
        )
        kept = found.reason if hint else reason
        return dataclasses.replace(found, reason=kept, message=sentence + hint)
    return found


def _pods_of(it: wanted.Wanted, pods: Iterable[cluster.Object]) -> Iterator[cluster.Object]:
    for pod in pods:
        labels = pod["metadata"].get("labels", {})
        if it.id.kind is kinds.JOB:
            mine = labels.get("batch.kubernetes.io/job-name") == it.id.name
        else:
            mine = labels.get(names.COMPONENT) == it.part
        if mine and "deletionTimestamp" not in pod["metadata"] and pod.get("status", {}).get("phase") != "Succeeded":
            yield pod


def _newest_first(pods: Iterable[cluster.Object]) -> list[cluster.Object]:
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _troubles(part: str, pods: Iterable[cluster.Object]) -> Iterator[tuple[str, str]]:
    for pod in pods:
        status = pod.get("status", {})
        for condition in status.get("conditions", []):
            if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
                yield "Unschedulable", f"{part} finds no node: {_cut(condition.get('message'))}"
        for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
            yield from _trouble(part, container, pod=pod)


def _trouble(part: str, container: dict[str, Any], *, pod: cluster.Object) -> Iterator[tuple[str, str]]:
    waiting = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason"), _cut(waiting.get("message"))
    if reason in _IMAGE:
        image = _image(container["name"], pod) or container.get("image", "")
        yield "ImagePullFailed", f"{part} cannot start: image {image} cannot be pulled ({message or reason})"
    elif reason in _CONFIG:
        yield "PodConfigInvalid", f"{part} cannot start: {message or reason}"
    else:
        over = container.get("state", {}).get("terminated")
        ended = over or container.get("lastState", {}).get("terminated") or {}
        if ended.get("exitCode") and not container.get("ready"):
            logs = f"kubectl logs {pod['metadata']['name']} --container {container['name']}"
            sentence = f"{part} keeps crashing: {_end(ended)}; see {logs}" + ("" if over else " --previous")
            yield "CrashLoop", sentence


def _end(ended: dict[str, Any]) -> str:
    """The last line that a container said, where its terminationMessagePolicy lets it."""
    lines = [line.strip() for line in str(ended.get("message") or "").splitlines() if line.strip()]
    how = "out of memory (raise resources.limits.memory)" if ended.get("reason") == "OOMKilled" else ""
    code = how or f"exit code {ended['exitCode']}"
    return f"{code}, {_cut(lines[-1])}" if lines else code


def _image(container: str, pod: cluster.Object) -> str:
    written = pod.get("spec", {})
    for each in (*written.get("containers", []), *written.get("initContainers", [])):
        if each["name"] == container:
            return str(each.get("image", ""))
    return ""


def _cut(text: Any) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
