"""The ingress fixture's pure half: Ingresses, Services and EndpointSlices in, haproxy's configuration out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import objects
from api import Object

_LEGACY_CLASS = "kubernetes.io/ingress.class"
# What is put into the configuration unquoted may hold nothing else.
_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PATH = re.compile(r"/[A-Za-z0-9._~!&()*+,;=:@%/-]*")

_HEAD = """global
  maxconn 4000
  hard-stop-after 10m
  stats socket {socket} mode 600 level admin expose-fd listeners

defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  timeout tunnel 1h
  timeout http-request 15s
  retries 3
  option redispatch
  retry-on conn-failure

frontend http
  bind :80
  # What a client claims about itself is replaced.
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
"""
_TAIL = """  default_backend none

backend none
  http-request return status 404 content-type text/plain string "No Ingress has this host and path.\\n"
"""


@dataclass(frozen=True, kw_only=True)
class Route:
    host: str
    """Empty for any, *.example.org for one level below."""
    path: str
    exact: bool
    backend: str


def is_ours(ingress: Object) -> bool:
    """Of our class, or of none."""
    annotation = ingress["metadata"].get("annotations", {}).get(_LEGACY_CLASS)
    named = ingress["spec"].get("ingressClassName", annotation)
    return named in (None, objects.INGRESS_CLASS)


def configuration(
    ingresses: Sequence[Object],
    *,
    services: Mapping[str, Object],
    slices: Sequence[Object],
    socket: Path,
) -> str:
    """The same text for the same cluster, whatever the order in which it was read."""
    routes: list[Route] = []
    servers: dict[str, list[str]] = {}
    for ingress in sorted(ingresses, key=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"])):
        namespace = ingress["metadata"]["namespace"]
        for host, path, exact, service in _rules(ingress):
            backend = _backend_name(namespace, service)
            routes.append(Route(host=host, path=path, exact=exact, backend=backend))
            servers[backend] = _servers(namespace, service, services=services, slices=slices)
    # The most exact rule first: a host before a wildcard before none, then exact paths, then the longest prefix.
    routes.sort(key=lambda route: (route.host == "", route.host.startswith("*"), not route.exact, -len(route.path)))
    text = _HEAD.format(socket=socket) + "".join(f"  use_backend {_when(route)}\n" for route in routes) + _TAIL
    for backend, addresses in sorted(servers.items()):
        lines = [f"  server {address.replace(':', '-')} {address}\n" for address in addresses]
        text += f"\nbackend {backend}\n  balance roundrobin\n{''.join(lines)}"
    return text


def _rules(ingress: Object) -> list[tuple[str, str, bool, Object]]:
    """(host, path, exact, Service backend) of each path that can be served."""
    spec = ingress["spec"]
    found = [("", "/", False, spec["defaultBackend"]["service"])] if "service" in spec.get("defaultBackend", {}) else []
    for rule in spec.get("rules", []):
        for path in rule.get("http", {}).get("paths", []):
            if "service" in path["backend"]:
                place = path.get("path", "/")
                found.append((rule.get("host", ""), place, path["pathType"] == "Exact", path["backend"]["service"]))
    return [rule for rule in found if (not rule[0] or _HOST.fullmatch(rule[0])) and _PATH.fullmatch(rule[1])]


def _when(route: Route) -> str:
    conditions = []
    if route.host.startswith("*."):
        label = re.escape(route.host.removeprefix("*"))
        conditions.append(f"{{ hdr(host),field(1,:),lower -m reg ^[^.]+{label}$ }}")
    elif route.host:
        conditions.append(f"{{ hdr(host),field(1,:),lower -m str {route.host} }}")
    # Prefixes are by path element: /api is above /api/orders and not above /apiary.
    prefix = route.path.rstrip("/")
    if route.exact:
        conditions.append(f"{{ path -m str {route.path} }}")
    elif prefix:
        # Two conditions would be "and", so the alternative is in the expression: the path, ended with a slash.
        conditions.append(f"{{ path,concat(/) -m beg {prefix}/ }}")
    return f"{route.backend} if {' '.join(conditions)}" if conditions else f"{route.backend} if TRUE"


def _backend_name(namespace: str, service: Object) -> str:
    port = service.get("port", {})
    return f"{namespace}_{service['name']}_{port.get('name') or port.get('number')}"


def _servers(
    namespace: str,
    service: Object,
    *,
    services: Mapping[str, Object],
    slices: Sequence[Object],
) -> list[str]:
    """address:port of each ready endpoint of the backend's port. None gives 503."""
    wanted = service.get("port", {})
    known = services.get(f"{namespace}/{service['name']}", {}).get("spec", {}).get("ports", [])
    # EndpointSlices name the ports of pods as the Service names its own.
    names = {port.get("name", "") for port in known if wanted in ({"name": port.get("name")}, {"number": port["port"]})}
    found = set()
    for one in slices:
        labels = one["metadata"].get("labels", {})
        if (one["metadata"]["namespace"], labels.get("kubernetes.io/service-name")) != (namespace, service["name"]):
            continue
        ports = [port["port"] for port in one.get("ports") or [] if (port.get("name") or "") in names]
        for endpoint in one.get("endpoints") or []:
            if endpoint.get("conditions", {}).get("ready", True) and one["addressType"] == "IPv4":
                found |= {f"{address}:{port}" for address in endpoint["addresses"] for port in ports}
    return sorted(found)
