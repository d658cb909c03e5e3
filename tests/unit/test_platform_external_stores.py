"""An External store of a platform becomes the URL that each service opens it by."""

from typing import Any

import pytest
import sqlalchemy as sa
from tests.unit import test_platform_settings

from revcart.kit import bus, cache, consul, documents, hub, mysql_connection, telemetry
from revcart_operator.platform import catalogue, effective, loading
from revcart_operator.render import references, settings

HEAD = test_platform_settings.HEAD
SERVICE = {"mysql": "order", "mongodb": "notification", "redis": "cart", "kafka": "order", "consul": "order"}
SETTING = {
    "mysql": "REVCART_DATABASE_URL",
    "mongodb": "REVCART_DOCUMENTS_URL",
    "redis": "REVCART_CACHE_URL",
    "kafka": "REVCART_BUS_URL",
    "consul": "REVCART_REGISTRY_URL",
}


def rendered(store: str, external: str, secrets: dict[str, dict[str, str]], service: str = "") -> settings.Value:
    """The setting that `external` (YAML) makes of a store."""
    text = f"{HEAD}  stores: {{{store}: {{mode: External, external: {{{external}}}}}}}\n"
    facts = test_platform_settings.facts(referred=references.References(values=secrets, folder="/secrets"))
    platform = effective.resolve(loading.parse(text))
    return settings.of(platform, service=service or SERVICE[store], facts=facts)[SETTING[store]]


PLAIN = "secretRef: {name: s}, tls: {mode: Disabled}"


@pytest.mark.parametrize(
    ("store", "external", "secret", "url"),
    [
        ("mysql", PLAIN, {"uri": "mysql://a:b@db:3307"}, "mysql+aiomysql://a:b@db:3307/revcart_orders"),
        (
            "mysql",
            "host: db.example.com, " + PLAIN,
            {"username": "shop", "password": "p/@:"},
            "mysql+aiomysql://shop:p%2F%40%3A@db.example.com:3306/revcart_orders",
        ),
        (
            "mysql",
            PLAIN,
            {"uri": "mysql://a:b@db:3307", "host": "other", "password": "c"},
            "mysql+aiomysql://a:c@other:3307/revcart_orders",
        ),
        ("mongodb", PLAIN, {"host": "docs", "port": "27018"}, "mongodb://docs:27018/revcart_notifications"),
        (
            "mongodb",
            PLAIN,
            {"uri": "mongodb://u:p@a:1,b:2/?replicaSet=rs0"},
            "mongodb://u:p@a:1,b:2/revcart_notifications?replicaSet=rs0&authSource=admin",
        ),
        ("redis", "host: 10.0.0.1, port: 6380, tls: {mode: Disabled}", {}, "redis://10.0.0.1:6380"),
        ("redis", PLAIN, {"uri": "redis://:pw@cache"}, "redis://:pw@cache:6379"),
        ("kafka", "bootstrapServers: [a:1, b:2], tls: {mode: Disabled}", {}, "kafka://a:1,b:2"),
        ("kafka", PLAIN, {"uri": "kafka://a:1,b:2"}, "kafka://a:1,b:2"),
        ("kafka", PLAIN, {"bootstrap-servers": "a:1"}, "kafka://a:1"),
        ("kafka", PLAIN, {"bootstrap-servers": "a,b:2"}, "kafka://a:9092,b:2"),
        (
            "kafka",
            "bootstrapServers: [a:1], sasl: {mechanism: SCRAM-SHA-512, secretRef: {name: s}}",
            {"username": "u", "password": "p"},
            "kafka://u:p@a:1?sasl=SCRAM-SHA-512&tls=true",
        ),
        ("consul", PLAIN, {"host": "consul"}, "consul://consul:8500"),
        ("consul", PLAIN, {"uri": "consul://consul:1?token=u"}, "consul://consul:1?token=u"),
        ("consul", PLAIN, {"uri": "consul://consul:1", "token": "t"}, "consul://consul:1?token=t"),
    ],
)
def test_a_store_becomes_a_url(store: str, external: str, secret: dict[str, str], url: str) -> None:
    assert rendered(store, external, {"s": secret}) == url


@pytest.mark.parametrize(
    ("tls", "query"),
    [
        ("", "?tls=true"),
        (", tls: {mode: VerifyFull, caSecretRef: {name: ca}}", "?tls=true&ca=/secrets/ca/ca.crt"),
        (", tls: {mode: VerifyCA, caSecretRef: {name: ca}}", "?tls=true&verify=ca&ca=/secrets/ca/ca.crt"),
        (", tls: {mode: Require}", "?tls=true&verify=none"),
        (", tls: {mode: Disabled}", ""),
    ],
)
def test_tls_is_said_in_the_query(tls: str, query: str) -> None:
    assert rendered("redis", f"host: r{tls}", {"ca": {"ca.crt": "PEM"}}) == f"redis://r:6379{query}"


@pytest.mark.parametrize(
    ("mode", "word"), [("VerifyCA", "tlsAllowInvalidHostnames"), ("Require", "tlsAllowInvalidCertificates")]
)
def test_mongodb_has_words_of_its_own(mode: str, word: str) -> None:
    url = rendered("mongodb", f"host: m, tls: {{mode: {mode}}}", {})
    assert url == f"mongodb://m:27017/revcart_notifications?tls=true&{word}=true"


def test_the_binding_secrets_own_certificate_is_used() -> None:
    secret = {"host": "r", "ca.crt": "PEM"}
    assert rendered("redis", "secretRef: {name: s}", {"s": secret}) == "redis://r:6379?tls=true&ca=/secrets/s/ca.crt"


def test_a_service_gets_the_user_of_its_own_and_the_others_the_common_one() -> None:
    secret = {"host": "db", "username": "all", "password": "a", "username.order": "order", "password.order": "o"}
    assert rendered("mysql", PLAIN, {"s": secret}) == "mysql+aiomysql://order:o@db:3306/revcart_orders"
    assert rendered("mysql", PLAIN, {"s": secret}, "payment") == "mysql+aiomysql://all:a@db:3306/revcart_payments"


def test_each_store_is_for_itself() -> None:
    assert rendered("redis", "host: r", {}) != "memory://"
    text = f"{HEAD}  stores: {{redis: {{mode: External, external: {{host: r}}}}}}\n"
    values = settings.of(effective.resolve(loading.parse(text)), service="order", facts=test_platform_settings.facts())
    assert (values["REVCART_BUS_URL"], values["REVCART_REGISTRY_URL"]) == ("memory://", "memory://")
    assert str(values["REVCART_DATABASE_URL"]).startswith("sqlite+aiosqlite://")


@pytest.mark.parametrize(
    ("store", "external", "secret", "place"),
    [
        ("mysql", PLAIN, {}, "spec.stores.mysql.external.secretRef refers to the secret s, which has no key host"),
        (
            "kafka",
            PLAIN,
            {},
            "spec.stores.kafka.external.secretRef refers to the secret s, which has no key bootstrap-servers",
        ),
        (
            "mysql",
            PLAIN,
            {"host": "db", "username.order": "o"},
            "spec.stores.mysql.external.secretRef refers to the secret s, which has no key password.order",
        ),
        (
            "redis",
            "host: r, tls: {mode: VerifyFull, caSecretRef: {name: s}}",
            {},
            "spec.stores.redis.external.tls.caSecretRef refers to the secret s, which has no key ca.crt",
        ),
    ],
)
def test_a_missing_key_is_named_with_its_place(store: str, external: str, secret: dict[str, Any], place: str) -> None:
    with pytest.raises(references.MissingSecret) as missing:
        rendered(store, external, {"s": secret})
    assert str(missing.value) == place


def test_every_service_with_a_database_gets_its_own() -> None:
    urls = {
        service.name: rendered("mysql", "host: db, tls: {mode: Disabled}", {}, service.name)
        for service in catalogue.SERVICES
        if service.database
    }
    assert len(set(urls.values())) == len(urls) == 7


@pytest.mark.parametrize("mode", ["VerifyFull", "VerifyCA", "Require", "Disabled"])
def test_every_adapter_takes_the_url_that_is_made(mode: str) -> None:
    tls = f"host: h, secretRef: {{name: s}}, tls: {{mode: {mode}}}"
    login = {"s": {"username": "u", "password": "p"}}
    memory, metrics = hub.Hub(), telemetry.Metrics("test")
    cache.connect(str(rendered("redis", tls, login)), memory=memory.cache, metrics=metrics)
    broker = f"bootstrapServers: ['h:1'], sasl: {{mechanism: PLAIN, secretRef: {{name: s}}}}, tls: {{mode: {mode}}}"
    bus.connect(str(rendered("kafka", broker, login)), memory=memory.bus, metrics=metrics)
    consul.Agent(str(rendered("consul", tls, {"s": {"token": "t"}})))
    documents.Documents(str(rendered("mongodb", tls, login)))
    mysql_connection.options(sa.make_url(str(rendered("mysql", tls, login))), read_only=True)
