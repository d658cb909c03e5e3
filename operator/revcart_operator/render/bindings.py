"""Managed stores as binding Secrets `<platform>-<store>-binding`, with the keys that an External store's Secret has.

Services get their URLs out of these by the same mapping as out of a user's Secret, so that a store which moves from
Managed to External changes a Secret, and nothing else of how it is found.
"""

from collections.abc import Mapping
from urllib import parse

from revcart_operator.platform import catalogue, spec, store, workload
from revcart_operator.render import credentials, names, references, stores

KAFKA_USER = "revcart"
Binding = Mapping[str, str]


def user(service: str) -> str:
    """Who asks a store for one service."""
    return f"revcart_{service}"


def migrator(service: str) -> str:
    """Who makes and alters the tables of one service."""
    return f"migrate_{service}"


def part(store_name: str) -> str:
    return f"{store_name}-binding"


def managed(platform: spec.RevCartPlatform, *, shop: names.Shop, given: Mapping[str, str]) -> dict[str, Binding]:
    """Store → binding, of every Managed store; `given`: the platform's credentials."""
    others = stores.external(platform)
    return {name: _MAKE[name](shop.called(name), given) for name in store.NAMES if name not in others}


def connected(platform: spec.RevCartPlatform, *, shop: names.Shop) -> spec.RevCartPlatform:
    """The same platform as its services see it: each store is somewhere, and a Secret says where."""
    plain = store.Tls(mode=store.TlsMode.DISABLED)
    others = stores.external(platform)
    found: dict[str, store.Store | store.KafkaStore] = {}
    for name in store.NAMES:
        ref = workload.SecretRef(name=shop.called(part(name)))
        if name in others:
            found[name] = getattr(platform.spec.stores, name)
        elif name == "kafka":
            external = store.ExternalKafka(secret_ref=ref, tls=plain)
            found[name] = store.KafkaStore(mode=store.Mode.EXTERNAL, external=external)
        else:
            found[name] = store.Store(mode=store.Mode.EXTERNAL, external=store.External(secret_ref=ref, tls=plain))
    seen = platform.spec.model_copy(update={"stores": store.Stores.model_validate(found)})
    return platform.model_copy(update={"spec": seen})


def with_managed(
    referred: references.References, made: Mapping[str, Binding], *, shop: names.Shop, folder: str
) -> references.References:
    """The Secrets of the user and those of Managed stores; `folder`: where pods find the former's files."""
    own = {shop.called(part(name)): binding for name, binding in made.items()}
    return references.References(values={**referred.values, **own}, folder=folder)


def _mysql(host: str, given: Mapping[str, str]) -> Binding:
    databases = {service.name: service.database for service in catalogue.SERVICES if service.database}
    users = _users(databases, {name: given[credentials.mysql(name)] for name in databases})
    return {"type": "mysql", "host": host, "port": "3306", "uri": f"mysql://{host}:3306", **users}


def _mongodb(host: str, given: Mapping[str, str]) -> Binding:
    databases = {service.name: service.documents for service in catalogue.SERVICES if service.documents}
    users = _users(databases, {name: given[credentials.mongodb(name)] for name in databases})
    place = {"type": "mongodb", "host": host, "port": "27017", "uri": f"mongodb://{host}:27017"}
    return {**place, **users, "authentication-database": "admin"}


def _users(databases: Mapping[str, str], passwords: Mapping[str, str]) -> Binding:
    """A user for each service; both by the service's name."""
    return {
        key: value
        for name, database in databases.items()
        for key, value in (
            (f"database.{name}", database),
            (f"username.{name}", user(name)),
            (f"password.{name}", passwords[name]),
        )
    }


def _redis(host: str, given: Mapping[str, str]) -> Binding:
    password = given[credentials.REDIS]
    uri = f"redis://:{parse.quote(password, safe='')}@{host}:6379"
    return {"type": "redis", "host": host, "port": "6379", "password": password, "uri": uri}


def _kafka(host: str, given: Mapping[str, str]) -> Binding:
    password = given[credentials.KAFKA]
    return {
        "type": "kafka",
        "host": host,
        "port": "9092",
        "bootstrap-servers": f"{host}:9092",
        "username": KAFKA_USER,
        "password": password,
        "uri": f"kafka://{KAFKA_USER}:{parse.quote(password, safe='')}@{host}:9092?sasl=PLAIN",
    }


def _consul(host: str, given: Mapping[str, str]) -> Binding:
    return {"type": "consul", "host": host, "port": "8500", "uri": f"consul://{host}:8500"}


_MAKE = {"mysql": _mysql, "mongodb": _mongodb, "redis": _redis, "kafka": _kafka, "consul": _consul}
