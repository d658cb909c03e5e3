"""The kinds of object that RevCart renders, and the few that it only reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from revcart_operator.platform import spec


@dataclass(frozen=True, order=True)
class Kind:
    """`used_by_pods`: a pod that still runs may need it, so it is pruned only when the rollout is over.

    `optional`: its API may be absent from a cluster.
    """

    api_version: str
    kind: str
    plural: str
    used_by_pods: bool = False
    optional: bool = False

    def __str__(self) -> str:
        return self.kind


PLATFORM = Kind(spec.API_VERSION, spec.KIND, "revcartplatforms")
POD = Kind("v1", "Pod", "pods")
SECRET = Kind("v1", "Secret", "secrets", used_by_pods=True)
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments", used_by_pods=True)
STATEFUL_SET = Kind("apps/v1", "StatefulSet", "statefulsets", used_by_pods=True)
JOB = Kind("batch/v1", "Job", "jobs")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", optional=True)

# What is rendered, watched and pruned. PersistentVolumeClaims are made by StatefulSets, and nothing here removes them.
KINDS = (
    Kind("v1", "ConfigMap", "configmaps", used_by_pods=True),
    SECRET,
    Kind("v1", "Service", "services", used_by_pods=True),
    Kind("v1", "ServiceAccount", "serviceaccounts", used_by_pods=True),
    DEPLOYMENT,
    STATEFUL_SET,
    Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    JOB,
    INGRESS,
    Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    HTTP_ROUTE,
    Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors", optional=True),
)
_BY_NAME = {(kind.api_version, kind.kind): kind for kind in (*KINDS, PLATFORM, POD)}


def of(manifest: Mapping[str, Any]) -> Kind:
    """The kind of an object; it must be one of the table."""
    return _BY_NAME[manifest["apiVersion"], manifest["kind"]]
