"""NetworkPolicies: nothing is allowed, and then the arrows that the catalogue declares.

A kubelet's probes pass every policy. Names are looked up wherever the cluster's DNS is: some clusters have it on the
node. External stores and mail servers have names and no addresses, which a NetworkPolicy cannot tell apart: their ports
are open to everywhere.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib import parse

from revcart_operator.platform import catalogue, spec, store
from revcart_operator.render import migrations, monitoring, names, site, stores

_ANYBODY = "*"
_DENIED = "default-deny"


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """`source` asks `target` on `port`; either may be anybody, in the cluster or outside."""

    source: str
    target: str
    port: int


def manifests(place: site.Site) -> list[names.Manifest]:
    """Raises references.MissingSecret."""
    if place.platform.spec.security.network_policy is spec.Switch.DISABLED:
        return []
    found = sorted(set(arrows(place)), key=lambda arrow: (arrow.source, arrow.target, arrow.port))
    inside = sorted({part for arrow in found for part in (arrow.source, arrow.target)} - {_ANYBODY})
    return [_nothing(place), *(_policy(place, part, found) for part in inside)]


def arrows(place: site.Site) -> Iterable[Arrow]:
    """Who may ask whom."""
    for service in catalogue.SERVICES:
        for callee in service.calls:
            yield Arrow(source=service.name, target=callee, port=catalogue.BY_NAME[callee].port)
        yield from _to_stores(place, service.name, service, store.NAMES)
        yield from _outside(place, service.name)
    for service in migrations.SERVICES:
        yield from _to_stores(place, migrations.part(service.name), service, ("mysql", "mongodb", "kafka"))
    yield Arrow(source=_ANYBODY, target="gateway", port=catalogue.BY_NAME["gateway"].port)
    if place.simulated:
        paysim, payment = catalogue.PAYSIM, catalogue.BY_NAME["payment"]
        yield Arrow(source=_ANYBODY, target=paysim.name, port=paysim.port)
        yield Arrow(source=payment.name, target=paysim.name, port=paysim.port)
        yield Arrow(source=paysim.name, target=payment.name, port=payment.port)


def _to_stores(place: site.Site, part: str, service: catalogue.Service, used: Sequence[str]) -> Iterable[Arrow]:
    others = stores.external(place.platform)
    for name in (name for name in used if stores.uses(service, name)):
        if name not in others:
            yield Arrow(source=part, target=name, port=stores.PORTS[name])
            continue
        there = stores.place(place.seen, name=name, service=service.name, secrets=place.facts.referred)
        for host in there.hosts.split(","):
            yield Arrow(source=part, target=_ANYBODY, port=int(host.rpartition(":")[2]))


def _outside(place: site.Site, service: str) -> Iterable[Arrow]:
    wanted = place.platform.spec
    if collector := wanted.observability.otlp_endpoint:
        parts = parse.urlsplit(collector)
        yield Arrow(source=service, target=_ANYBODY, port=parts.port or (443 if parts.scheme == "https" else 80))
    if service == "payment" and not place.simulated:
        yield Arrow(source=service, target=_ANYBODY, port=443)
    if service == "notification" and wanted.services.notification.smtp:
        yield Arrow(source=service, target=_ANYBODY, port=wanted.services.notification.smtp.port)


def _nothing(place: site.Site) -> names.Manifest:
    return place.shop.manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        _DENIED,
        spec={
            "podSelector": {"matchLabels": {names.PLATFORM: place.shop.name}},
            "policyTypes": ["Ingress", "Egress"],
        },
    )


def _policy(place: site.Site, part: str, found: Sequence[Arrow]) -> names.Manifest:
    incoming = [_rule(place, "from", arrow.source, arrow.port) for arrow in found if arrow.target == part]
    outgoing = [_rule(place, "to", arrow.target, arrow.port) for arrow in found if arrow.source == part]
    if part in catalogue.BY_NAME and monitoring.wanted(place):
        incoming.append({"from": [_PROMETHEUS], "ports": [_port(catalogue.BY_NAME[part].port)]})
    names_ = {"ports": [_port(53, "UDP"), _port(53)]}
    return place.shop.manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        part,
        spec={
            "podSelector": {"matchLabels": place.shop.selector(part)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": incoming,
            "egress": [names_, *outgoing] if outgoing else [],
        },
    )


_PROMETHEUS = {
    "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "Exists"}]},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}


def _rule(place: site.Site, direction: str, other: str, port: int) -> dict[str, Any]:
    peers = [] if other == _ANYBODY else [{"podSelector": {"matchLabels": place.shop.selector(other)}}]
    return {direction: peers, "ports": [_port(port)]}


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": number, "protocol": protocol}
