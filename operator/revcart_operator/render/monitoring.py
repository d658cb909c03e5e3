"""A ServiceMonitor for the Prometheus operator, where the platform asks for one."""

from revcart_operator.platform import catalogue, spec
from revcart_operator.render import names, site


def manifests(place: site.Site) -> list[names.Manifest]:
    if not wanted(place):
        return []
    return [
        place.shop.manifest(
            "monitoring.coreos.com/v1",
            "ServiceMonitor",
            "services",
            spec={
                "selector": {
                    "matchLabels": {names.PLATFORM: place.shop.name},
                    "matchExpressions": [
                        {"key": names.COMPONENT, "operator": "In", "values": list(catalogue.NAMES)},
                    ],
                },
                "endpoints": [{"port": "main", "path": "/actuator/prometheus"}],
            },
        )
    ]


def wanted(place: site.Site) -> bool:
    """`Auto` is none: whether a cluster has the Prometheus operator, the platform has to say."""
    return place.platform.spec.observability.service_monitor is spec.ServiceMonitor.ENABLED
