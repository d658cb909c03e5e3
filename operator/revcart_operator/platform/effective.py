"""From what the user wrote to what is run: the profile's defaults below, the user's words on top. Pure and in memory.

Nothing of it is written back to the object (GitOps tools would see a difference for ever); `revcart render` shows it.
"""

from collections.abc import Mapping
from typing import Any

from revcart_operator.platform import catalogue, spec, store

STORE_VERSIONS = {"mysql": "8.4", "mongodb": "8", "redis": "8", "kafka": "4.1.0", "consul": "1.22"}

# Beyond the models' own defaults, which are those of Development.
_WORKLOADS: dict[spec.Profile, dict[str, Any]] = {
    spec.Profile.DEVELOPMENT: {},
    spec.Profile.STANDARD: {
        "replicas": 2,
        "resources": {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}},
        "podDisruptionBudget": {"maxUnavailable": 1},
        "spread": "Node",
    },
    spec.Profile.HIGH_AVAILABILITY: {
        "replicas": 3,
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "768Mi"}},
        "autoscaling": {"type": "HPA", "minReplicas": 3, "maxReplicas": 10, "targetCPUUtilizationPercentage": 70},
        "podDisruptionBudget": {"maxUnavailable": 1},
        "spread": "Zone",
    },
}
_STORAGE = {
    spec.Profile.DEVELOPMENT: "2Gi",
    spec.Profile.STANDARD: "20Gi",
    spec.Profile.HIGH_AVAILABILITY: "20Gi",
}
# A Managed store: requests of CPU and memory, memory limit. All pods of Development fit on two cores and 8 GiB.
_SMALL = {
    "mysql": ("100m", "384Mi", "1Gi"),
    "mongodb": ("50m", "192Mi", "768Mi"),
    "redis": ("25m", "32Mi", "256Mi"),
    "kafka": ("150m", "448Mi", "768Mi"),
    "consul": ("50m", "64Mi", "256Mi"),
}
_LARGE = {
    "mysql": ("500m", "1Gi", "4Gi"),
    "mongodb": ("250m", "512Mi", "2Gi"),
    "redis": ("100m", "256Mi", "1Gi"),
    "kafka": ("500m", "1536Mi", "2Gi"),
    "consul": ("100m", "128Mi", "512Mi"),
}


def resolve(platform: spec.RevCartPlatform) -> spec.RevCartPlatform:
    """The same object with every value decided: all eleven services and all five stores spelled out."""
    written = platform.model_dump(mode="json", by_alias=True, exclude_unset=True)
    profile = platform.spec.profile
    wanted = written["spec"]
    defaults = _merge(_WORKLOADS[profile], wanted.get("serviceDefaults", {}))
    of_services = wanted.get("services", {})
    decided = {
        **wanted,
        "serviceDefaults": _scaled(defaults),
        "services": {name: _scaled(_merge(defaults, of_services.get(name, {}))) for name in catalogue.NAMES},
        "stores": {name: _store(name, profile, wanted.get("stores", {}).get(name, {})) for name in store.NAMES},
    }
    return spec.RevCartPlatform.model_validate({**written, "spec": _with_razorpay(decided)})


def as_document(platform: spec.RevCartPlatform) -> dict[str, Any]:
    """A platform as the YAML object it is, without empty values."""
    return platform.model_dump(mode="json", by_alias=True, exclude_none=True)


def _with_razorpay(decided: dict[str, Any]) -> dict[str, Any]:
    payment = {"razorpay": {"mode": "Simulated"}, **decided["services"]["payment"]}
    return {**decided, "services": {**decided["services"], "payment": payment}}


def _store(name: str, profile: spec.Profile, written: dict[str, Any]) -> dict[str, Any]:
    if written.get("mode") == store.Mode.EXTERNAL:
        return written
    cpu, memory, most = (_SMALL if profile is spec.Profile.DEVELOPMENT else _LARGE)[name]
    managed = {
        "version": STORE_VERSIONS[name],
        "storage": {"size": _STORAGE[profile]},
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most}},
    }
    return {"mode": "Managed", "managed": _merge(managed, written.get("managed", {}))}


def _scaled(workload: dict[str, Any]) -> dict[str, Any]:
    """A user who writes only one end of the autoscaling range moves the other end along."""
    scaling = workload.get("autoscaling", {})
    if scaling.get("type") != "HPA":
        return workload
    lowest = scaling.get("minReplicas", max(1, workload.get("replicas", 1)))
    highest = max(lowest, scaling.get("maxReplicas", 10))
    return {**workload, "autoscaling": {**scaling, "minReplicas": lowest, "maxReplicas": highest}}


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged key by key, `env` by name, a disruption budget is replaced; any other value above wins."""
    merged = dict(below)
    for key, value in above.items():
        if key == "env" and key in below:
            names = {item["name"] for item in value}
            merged[key] = [item for item in below[key] if item["name"] not in names] + list(value)
        elif isinstance(value, dict) and isinstance(below.get(key), dict) and key != "podDisruptionBudget":
            merged[key] = _merge(below[key], value)
        else:
            merged[key] = value
    return merged
