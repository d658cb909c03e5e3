"""How browsers reach a platform: an Ingress or an HTTPRoute, of no controller in particular.

The gateway has the host; paysim, while it stands in for Razorpay, has `paysim.<host>`: browsers pay there.
"""

from typing import Any

from revcart_operator.platform import catalogue, spec
from revcart_operator.render import names, site

_GATEWAY = catalogue.BY_NAME["gateway"]


def manifests(place: site.Site) -> list[names.Manifest]:
    exposure = place.platform.spec.exposure
    if exposure.type is spec.ExposureType.INGRESS:
        return [_ingress(place, exposure)]
    if exposure.type is spec.ExposureType.GATEWAY:
        return [_route(place, exposure, host, service) for host, service in _hosts(place)]
    return []


def _hosts(place: site.Site) -> list[tuple[str, catalogue.Service]]:
    exposure = place.platform.spec.exposure
    found = [(str(exposure.host), _GATEWAY)]
    return [*found, (site.paysim_host(exposure), catalogue.PAYSIM)] if place.simulated else found


def _ingress(place: site.Site, exposure: spec.Exposure) -> names.Manifest:
    own = exposure.ingress or spec.Ingress()
    hosts = _hosts(place)
    return place.shop.manifest(
        "networking.k8s.io/v1",
        "Ingress",
        _GATEWAY.name,
        annotations=own.annotations,
        spec={
            "ingressClassName": own.class_name,
            "tls": [{"hosts": [host for host, _ in hosts], "secretName": exposure.tls.secret_name}]
            if exposure.tls
            else [],
            "rules": [
                {"host": host, "http": {"paths": [_path(place.shop.called(service.name))]}} for host, service in hosts
            ],
        },
    )


def _path(service: str) -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"name": "main"}}}
    return {"path": "/", "pathType": "Prefix", "backend": backend}


def _route(place: site.Site, exposure: spec.Exposure, host: str, service: catalogue.Service) -> names.Manifest:
    assert exposure.gateway is not None, "a rule of the resource"
    parents = [ref.model_dump(mode="json", by_alias=True) for ref in exposure.gateway.parent_refs]
    backend = {"kind": "Service", "name": place.shop.called(service.name), "port": service.port}
    return place.shop.manifest(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        service.name,
        spec={
            "parentRefs": parents,
            "hostnames": [host],
            "rules": [
                {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": [backend]},
            ],
        },
    )
