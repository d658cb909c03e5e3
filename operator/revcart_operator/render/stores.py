"""From an External store of a platform to the URL that a service opens it by.

| store | URL |
|---|---|
| mysql | `mysql+aiomysql://user:password@host:port/revcart_orders` |
| mongodb | `mongodb://user:password@host:port/revcart_notifications` |
| redis | `redis://user:password@host:port` |
| kafka | `kafka://user:password@broker:port,broker:port` |
| consul | `consul://host:port?token=token` |

TLS is said in the query, alike for all five: `tls=true` (the certificate must be valid and name the host),
`verify=ca` (any host name) or `verify=none`, and `ca=<file>`; MongoDB has its own words for `verify`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib import parse

from revcart_operator.platform import catalogue, spec, store
from revcart_operator.render import references

_SCHEMES = {
    "mysql": "mysql+aiomysql",
    "mongodb": "mongodb",
    "redis": "redis",
    "kafka": "kafka",
    "consul": "consul",
}
PORTS = {"mysql": 3306, "mongodb": 27017, "redis": 6379, "kafka": 9092, "consul": 8500}
_TLS: Mapping[store.TlsMode, Mapping[str, str]] = {
    store.TlsMode.DISABLED: {},
    store.TlsMode.REQUIRE: {"tls": "true", "verify": "none"},
    store.TlsMode.VERIFY_CA: {"tls": "true", "verify": "ca"},
    store.TlsMode.VERIFY_FULL: {"tls": "true"},
}
_MONGODB_VERIFY = {"none": "tlsAllowInvalidCertificates", "ca": "tlsAllowInvalidHostnames"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a store is and who asks. `hosts`: `host:port`, several with commas between. Consul's token: `password`."""

    store: str
    hosts: str
    username: str
    password: str
    query: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Place({self.store} at {self.hosts})"

    def url(self, database: str = "") -> str:
        """Holds the password: for settings, not for logs."""
        user, login, given = parse.quote(self.username, safe=""), "", dict(self.query)
        if self.store == "consul":
            given = ({"token": self.password} if self.password else {}) | given
        elif self.password or user:
            login = f"{user}:{parse.quote(self.password, safe='')}@" if self.password else f"{user}@"
        query = f"?{parse.urlencode(given, safe='/')}" if given else ""
        return f"{_SCHEMES[self.store]}://{login}{self.hosts}{'/' if database else ''}{database}{query}"


def external(platform: spec.RevCartPlatform) -> tuple[str, ...]:
    """The names of the stores that others run."""
    return tuple(name for name in store.NAMES if getattr(platform.spec.stores, name).mode is store.Mode.EXTERNAL)


def uses(service: catalogue.Service, name: str) -> bool:
    """Every service of the shop has a cache, a bus and a registry; a database and documents as the catalogue says."""
    wanted = {"mysql": service.database, "mongodb": service.documents}
    return service is not catalogue.PAYSIM and bool(wanted.get(name, True))


def place(platform: spec.RevCartPlatform, *, name: str, service: str, secrets: references.References) -> Place:
    """Where `service` finds the External store `name`. Raises MissingSecret."""
    if name == "kafka":
        return _kafka(platform, secrets)
    written: store.External | None = getattr(platform.spec.stores, name).external
    assert written is not None, f"{name} is not External"
    path = f"spec.stores.{name}.external"
    binding = _Binding(secrets, written, path=path)
    host = written.host or binding.host
    if not host:
        host = binding.secret["host"]
    username, password = _login(name, service, binding)
    return Place(
        store=name,
        hosts=_with_ports(host, written.port or binding.port or PORTS[name]),
        username=username,
        password=password,
        query={
            **binding.query,
            **({"authSource": binding.auth_source} if name == "mongodb" and username else {}),
            **_tls(written.tls, binding, secrets=secrets, path=path),
        },
    )


def authorities(
    platform: spec.RevCartPlatform, *, service: catalogue.Service, secrets: references.References
) -> tuple[str, ...]:
    """The Secrets whose `ca.crt` the URLs of a service name as a file. Raises MissingSecret."""
    used = (name for name in external(platform) if uses(service, name))
    places = (place(platform, name=name, service=service.name, secrets=secrets) for name in used)
    return tuple(sorted({found.query["ca"].split("/")[-2] for found in places if "ca" in found.query}))


class _Binding:
    """A binding Secret: `uri` holds everything, a key of its own wins over its part of `uri`."""

    def __init__(
        self, secrets: references.References, written: store.External | store.ExternalKafka, *, path: str
    ) -> None:
        where = f"{path}.secretRef"
        self.is_mongodb = ".mongodb." in path
        self.secret = (
            secrets.secret(written.secret_ref, path=where)
            if written.secret_ref
            else references.Secret("", values={}, path=where, folder="")
        )
        parts = parse.urlsplit(self.secret.get("uri"))
        login, _, self.uri_hosts = parts.netloc.rpartition("@")
        username, _, password = login.partition(":")
        host, _, port = ("", "", "") if "," in self.uri_hosts else self.uri_hosts.partition(":")
        self.host = self.secret.get("host") or host or self.uri_hosts
        self.port = self.secret.get("port") or port
        self.username = self.secret.get("username") or parse.unquote(username)
        self.password = self.secret.get("password") or parse.unquote(password)
        self.query = dict(parse.parse_qsl(parts.query))
        self.auth_source = self.secret.get("authentication-database") or self.query.get("authSource") or "admin"


def _login(name: str, service: str, binding: _Binding) -> tuple[str, str]:
    """A user of the service's own where the Secret has one."""
    if name == "consul":
        return "", binding.secret.get("token") or binding.query.pop("token", "")
    if f"username.{service}" in binding.secret:
        return binding.secret[f"username.{service}"], binding.secret[f"password.{service}"]
    return binding.username, binding.password


def _kafka(platform: spec.RevCartPlatform, secrets: references.References) -> Place:
    written = platform.spec.stores.kafka.external
    assert written is not None, "kafka is not External"
    path = "spec.stores.kafka.external"
    binding = _Binding(secrets, written, path=path)
    hosts = ",".join(written.bootstrap_servers or ()) or binding.secret.get("bootstrap-servers") or binding.uri_hosts
    if not hosts:
        hosts = binding.secret["bootstrap-servers"]
    username, password, query = binding.username, binding.password, dict(binding.query)
    if written.sasl is not None:
        login = secrets.secret(written.sasl.secret_ref, path=f"{path}.sasl.secretRef")
        username, password = login["username"], login["password"]
        query["sasl"] = str(written.sasl.mechanism)
    tls = _tls(written.tls, binding, secrets=secrets, path=path)
    hosts = _with_ports(hosts, PORTS["kafka"])
    return Place(store="kafka", hosts=hosts, username=username, password=password, query={**query, **tls})


def _with_ports(hosts: str, usual: int | str) -> str:
    return ",".join(host if ":" in host else f"{host}:{usual}" for host in hosts.split(","))


def _tls(tls: store.Tls, binding: _Binding, *, secrets: references.References, path: str) -> dict[str, str]:
    query = dict(_TLS[tls.mode])
    if not query:
        return query
    if "verify" in query and binding.is_mongodb:
        query[_MONGODB_VERIFY[query.pop("verify")]] = "true"
    if tls.ca_secret_ref is not None:
        query["ca"] = secrets.secret(tls.ca_secret_ref, path=f"{path}.tls.caSecretRef").file("ca.crt")
    elif "ca.crt" in binding.secret:
        query["ca"] = binding.secret.file("ca.crt")
    return query
