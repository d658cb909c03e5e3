"""The one mapping from a platform to the `REVCART_…` settings of its services.

The local runtime hands the values to each service's `Settings`; Deployments write the same names into the environment.
What only the place knows (where the stores are, which secrets were made) comes as `Facts`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib import parse

from revcart_operator.platform import catalogue, routes, spec, workload
from revcart_operator.render import references, stores

# Whose values are secrets, and stand in no environment on a cluster.
SECRET = frozenset(
    {
        "REVCART_DATABASE_URL",
        "REVCART_DOCUMENTS_URL",
        "REVCART_CACHE_URL",
        "REVCART_BUS_URL",
        "REVCART_REGISTRY_URL",
        "REVCART_EVENTS_KEY",
        "REVCART_SERVICE_TOKEN_SECRETS",
        "REVCART_AUTH_OTP_KEY",
        "REVCART_AUTH_KEY_ENCRYPTION_KEY",
        "REVCART_AUTH_FIRST_ADMIN_PASSWORD",
        "REVCART_DELIVERY_OTP_KEY",
        "REVCART_PAYMENT_KEY_SECRET",
        "REVCART_PAYMENT_WEBHOOK_SECRETS",
        "REVCART_PAYSIM_KEY_SECRET",
        "REVCART_PAYSIM_WEBHOOK_SECRET",
        "REVCART_NOTIFICATION_EMAIL_URL",
        "REVCART_NOTIFICATION_SMS_URL",
    }
)

Value = str | int | float | bool | list[Any] | dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What is generated once for a platform and kept: whoever changes it ends sessions, codes and signatures."""

    service_token: str
    events_key: str
    auth_otp_key: str
    auth_key_encryption_key: str
    delivery_otp_key: str
    razorpay_key_id: str
    razorpay_key_secret: str
    razorpay_webhook_secret: str

    def __repr__(self) -> str:
        return f"Secrets({', '.join(f'{each.name}=***' for each in fields(self))})"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What only the place knows.

    `databases`, `documents` (database name → URL) and the three URLs are of Managed stores; those of External ones come
    from the platform and its Secrets. `ports`: service → port. `referred`: the Secrets that the platform names.
    `addresses` (service → base URL), or on a cluster `dns_names` (such as `shop-{service}:{port}`), is where services
    are found while an External Consul is away. `webhook_url`: the base URL that paysim sends its webhooks to, and
    `checkout_url` the one that browsers find it by; empty: as the others do. `gateway_hosts`: further names by which
    the gateway is asked; `proxies`: who stands in front of it where the platform does not say.
    """

    host: str
    ports: Mapping[str, int]
    databases: Mapping[str, str]
    documents: Mapping[str, str]
    cache_url: str
    bus_url: str
    registry_url: str
    public_url: str
    storefront_url: str
    razorpay_url: str
    secrets: Secrets
    referred: references.References = field(default_factory=references.References)
    addresses: Mapping[str, str] = field(default_factory=dict)
    dns_names: str = ""
    webhook_url: str = ""
    checkout_url: str = ""
    gateway_hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()


def of(platform: spec.RevCartPlatform, *, service: str, facts: Facts) -> dict[str, Value]:
    """The settings of one service (or paysim) by their full names; `platform` is an effective one.

    Raises references.MissingSecret.
    """
    if service == catalogue.PAYSIM.name:
        return _paysim(facts)
    rendered = {**_shared(platform, service=service, facts=facts), **_OWN.get(service, _nothing)(platform, facts)}
    given = {variable.name: variable.value for variable in platform.spec.services.of(service).env}
    return {**rendered, **given}


def as_text(value: Value) -> str:
    """A value as it stands in an environment variable."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list | dict) else str(value)


def _shared(platform: spec.RevCartPlatform, *, service: str, facts: Facts) -> dict[str, Value]:
    entry = catalogue.BY_NAME[service]
    return {
        "REVCART_SERVICE": service,
        "REVCART_HOST": facts.host,
        "REVCART_PORT": facts.ports[service],
        "REVCART_ENVIRONMENT": _environment(platform),
        "REVCART_LOG_LEVEL": str(platform.spec.services.of(service).log_level),
        **_stores(platform, entry, facts=facts),
        "REVCART_EVENTS_KEY": facts.secrets.events_key,
        "REVCART_SERVICE_TOKEN_SECRETS": [facts.secrets.service_token],
        "REVCART_PUBLIC_URL": facts.public_url,
        "REVCART_STOREFRONT_URL": facts.storefront_url,
        "REVCART_OTLP_ENDPOINT": platform.spec.observability.otlp_endpoint,
        "REVCART_DEMO_DATA": platform.spec.demo_data is spec.Switch.ENABLED,
    }


def _stores(platform: spec.RevCartPlatform, entry: catalogue.Service, *, facts: Facts) -> dict[str, Value]:
    """Empty where the service has no database, or no documents."""
    external = stores.external(platform)

    def url(store: str, managed: str, database: str = "") -> str:
        if store not in external:
            return managed
        return stores.place(platform, name=store, service=entry.name, secrets=facts.referred).url(database)

    database, documents = entry.database, entry.documents
    return {
        "REVCART_DATABASE_URL": url("mysql", facts.databases.get(database, ""), database) if database else "",
        "REVCART_DOCUMENTS_URL": url("mongodb", facts.documents.get(documents, ""), documents) if documents else "",
        "REVCART_CACHE_URL": url("redis", facts.cache_url),
        "REVCART_BUS_URL": url("kafka", facts.bus_url),
        "REVCART_REGISTRY_URL": url("consul", facts.registry_url),
        **(_without_consul(facts) if "consul" in external else {}),
    }


def _without_consul(facts: Facts) -> dict[str, Value]:
    if facts.dns_names:
        return {"REVCART_REGISTRY_DNS_TEMPLATE": facts.dns_names, "REVCART_REGISTRY_PORTS": dict(facts.ports)}
    return {"REVCART_REGISTRY_STATIC": {name: [address] for name, address in facts.addresses.items()}}


def _environment(platform: spec.RevCartPlatform) -> str:
    return "development" if platform.spec.profile is spec.Profile.DEVELOPMENT else "production"


def _nothing(platform: spec.RevCartPlatform, facts: Facts) -> dict[str, Value]:
    return {}


def _gateway(platform: spec.RevCartPlatform, facts: Facts) -> dict[str, Value]:
    gateway = platform.spec.services.gateway
    own: dict[str, Value] = {
        "REVCART_GATEWAY_ROUTES": routes.table(),
        "REVCART_GATEWAY_DOCS": "Off" if gateway.docs is workload.DocsAccess.DISABLED else str(gateway.docs),
    }
    if https := _https(platform):
        own["REVCART_GATEWAY_HTTPS"] = https
    if gateway.cors_origins:
        own["REVCART_GATEWAY_CORS_ORIGINS"] = list(gateway.cors_origins)
    if proxies := gateway.trusted_proxies or facts.proxies:
        own["REVCART_GATEWAY_TRUSTED_PROXIES"] = list(proxies)
    if facts.gateway_hosts:
        public = parse.urlsplit(facts.public_url).hostname or ""
        own["REVCART_GATEWAY_ALLOWED_HOSTS"] = list(
            dict.fromkeys((public, "localhost", "127.0.0.1", "[::1]", *facts.gateway_hosts))
        )
    return own


def _https(platform: spec.RevCartPlatform) -> str:
    """Empty: the gateway decides (Redirect in production), since what stands in front of it is unknown here."""
    wanted = platform.spec.services.gateway.https
    exposure = platform.spec.exposure
    if wanted is None and exposure.type is not spec.ExposureType.NONE:
        wanted = workload.Https.REDIRECT if exposure.tls else workload.Https.DISABLED
    return {None: "", workload.Https.REDIRECT: "Redirect", workload.Https.DISABLED: "Off"}[wanted]


def _auth(platform: spec.RevCartPlatform, facts: Facts) -> dict[str, Value]:
    auth = platform.spec.services.auth
    own: dict[str, Value] = {
        "REVCART_AUTH_OTP_KEY": facts.secrets.auth_otp_key,
        "REVCART_AUTH_KEY_ENCRYPTION_KEY": facts.secrets.auth_key_encryption_key,
    }
    if auth.first_admin is not None:
        own["REVCART_AUTH_FIRST_ADMIN_EMAIL"] = auth.first_admin.email
        if auth.first_admin.secret_ref is not None:
            secret = facts.referred.secret(auth.first_admin.secret_ref, path="spec.services.auth.firstAdmin.secretRef")
            own["REVCART_AUTH_FIRST_ADMIN_PASSWORD"] = secret["password"]
    return own


def _payment(platform: spec.RevCartPlatform, facts: Facts) -> dict[str, Value]:
    razorpay = platform.spec.services.payment.razorpay
    if razorpay.secret_ref is None:
        script: dict[str, Value] = (
            {"REVCART_PAYMENT_CHECKOUT_SCRIPT": f"{facts.checkout_url}/v1/checkout.js"} if facts.checkout_url else {}
        )
        return {
            **script,
            "REVCART_PAYMENT_RAZORPAY_URL": facts.razorpay_url,
            "REVCART_PAYMENT_KEY_ID": facts.secrets.razorpay_key_id,
            "REVCART_PAYMENT_KEY_SECRET": facts.secrets.razorpay_key_secret,
            "REVCART_PAYMENT_WEBHOOK_SECRETS": [facts.secrets.razorpay_webhook_secret],
        }
    secret = facts.referred.secret(razorpay.secret_ref, path="spec.services.payment.razorpay.secretRef")
    return {
        "REVCART_PAYMENT_RAZORPAY_URL": "https://api.razorpay.com",
        "REVCART_PAYMENT_KEY_ID": secret["key-id"],
        "REVCART_PAYMENT_KEY_SECRET": secret["key-secret"],
        "REVCART_PAYMENT_WEBHOOK_SECRETS": [secret["webhook-secret"]],
    }


_EMAIL_URL, _SMS_URL = "REVCART_NOTIFICATION_EMAIL_URL", "REVCART_NOTIFICATION_SMS_URL"


def _notification(platform: spec.RevCartPlatform, facts: Facts) -> dict[str, Value]:
    smtp = platform.spec.services.notification.smtp
    # In development messages are kept to be read; elsewhere nobody but their receiver may.
    silent: dict[str, Value] = {} if _environment(platform) == "development" else {_SMS_URL: "console://"}
    if smtp is None:
        return silent | ({_EMAIL_URL: "console://"} if silent else {})
    login = ""
    if smtp.secret_ref is not None:
        secret = facts.referred.secret(smtp.secret_ref, path="spec.services.notification.smtp.secretRef")
        login = f"{parse.quote(secret['username'], safe='')}:{parse.quote(secret['password'], safe='')}@"
    scheme = "smtps" if smtp.tls is workload.SmtpTls.IMPLICIT else "smtp"
    query = "?starttls=required" if smtp.tls is workload.SmtpTls.START_TLS else ""
    return {
        **silent,
        _EMAIL_URL: f"{scheme}://{login}{smtp.host}:{smtp.port}{query}",
        "REVCART_NOTIFICATION_EMAIL_FROM": smtp.sender,
    }


def _delivery(platform: spec.RevCartPlatform, facts: Facts) -> dict[str, Value]:
    return {"REVCART_DELIVERY_OTP_KEY": facts.secrets.delivery_otp_key}


def _paysim(facts: Facts) -> dict[str, Value]:
    webhooks = facts.webhook_url or f"http://{facts.host}:{facts.ports.get('gateway', 0)}"
    return {
        "REVCART_PAYSIM_HOST": facts.host,
        "REVCART_PAYSIM_PORT": facts.ports[catalogue.PAYSIM.name],
        "REVCART_PAYSIM_MODE": "Simulated",
        "REVCART_PAYSIM_DATABASE_URL": facts.databases[catalogue.PAYSIM.database],
        "REVCART_PAYSIM_KEY_ID": facts.secrets.razorpay_key_id,
        "REVCART_PAYSIM_KEY_SECRET": facts.secrets.razorpay_key_secret,
        "REVCART_PAYSIM_WEBHOOK_URL": f"{webhooks}/api/payments/webhook",
        "REVCART_PAYSIM_WEBHOOK_SECRET": facts.secrets.razorpay_webhook_secret,
    }


_OWN = {
    "gateway": _gateway,
    "auth": _auth,
    "payment": _payment,
    "notification": _notification,
    "delivery": _delivery,
}
