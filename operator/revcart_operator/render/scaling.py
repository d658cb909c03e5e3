"""How many pods a service has: fixed, by load, or none while the platform hibernates; and how many may be away."""

from revcart_operator.platform import workload
from revcart_operator.render import names, site


def replicas(place: site.Site, wanted: workload.Workload) -> int | None:
    """None: the autoscaler decides, and nothing here may overwrite it."""
    if place.hibernated:
        return 0
    return None if wanted.autoscaling.type is workload.ScalingType.HPA else wanted.replicas


def manifests(place: site.Site, service: str, wanted: workload.Workload) -> list[names.Manifest]:
    found = []
    if wanted.autoscaling.type is workload.ScalingType.HPA and not place.hibernated:
        found.append(_autoscaler(place, service, wanted.autoscaling))
    budget = wanted.pod_disruption_budget
    if budget.min_available is not None or budget.max_unavailable is not None:
        found.append(
            place.shop.manifest(
                "policy/v1",
                "PodDisruptionBudget",
                service,
                spec={
                    "selector": {"matchLabels": place.shop.selector(service)},
                    "minAvailable": budget.min_available,
                    "maxUnavailable": budget.max_unavailable,
                },
            )
        )
    return found


def _autoscaler(place: site.Site, service: str, wanted: workload.Autoscaling) -> names.Manifest:
    return place.shop.manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        service,
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": place.shop.called(service)},
            "minReplicas": wanted.min_replicas,
            "maxReplicas": wanted.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": wanted.target_cpu_utilization_percentage,
                        },
                    },
                }
            ],
        },
    )
