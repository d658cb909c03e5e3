"""What a platform says becomes the settings that services read, by the same names."""

import importlib.util
from typing import Any

import pytest

from revcart.kit import settings as kit_settings
from revcart_operator.local import modules, secrets
from revcart_operator.platform import catalogue, effective, loading
from revcart_operator.render import references, settings

HEAD = """\
apiVersion: platform.revcart.io/v1alpha1
kind: RevCartPlatform
metadata: {name: shop}
spec:
  version: "0.1.0"
"""
EVERYTHING = """\
  services:
    gateway: {corsOrigins: ["https://a.example.com"], trustedProxies: [10.0.0.0/8], docs: Admin}
    auth: {firstAdmin: {email: a@example.com, secretRef: {name: admin}}}
    payment: {razorpay: {mode: Live, secretRef: {name: razorpay}}}
    notification: {smtp: {host: mail.example.com, from: o@example.com, secretRef: {name: smtp}}}
  exposure: {type: Ingress, host: shop.example.com, tls: {secretName: t}}
"""
REFERRED = {
    "admin": {"password": "p"},
    "razorpay": {"key-id": "rzp_live_1", "key-secret": "k", "webhook-secret": "w"},
    "smtp": {"username": "me@x", "password": "a/b"},
}


def facts(**more: Any) -> settings.Facts:
    known: dict[str, Any] = {
        "host": "127.0.0.1",
        "ports": {service.name: service.port for service in (*catalogue.SERVICES, catalogue.PAYSIM)},
        "databases": {"revcart_orders": "sqlite+aiosqlite:////o", "paysim": "sqlite:////p"},
        "documents": {"revcart_logs": "sqlite-documents:////l"},
        "cache_url": "memory://",
        "bus_url": "memory://",
        "registry_url": "memory://",
        "public_url": "http://localhost:8080",
        "storefront_url": "http://localhost:4200",
        "razorpay_url": "http://127.0.0.1:8091",
        "secrets": secrets.make(),
        "referred": references.References(values=REFERRED, folder="/s"),
    }
    return settings.Facts(**{**known, **more})


def rendered(service: str, more: str = "", **known: Any) -> dict[str, settings.Value]:
    platform = effective.resolve(loading.parse(HEAD + more))
    return settings.of(platform, service=service, facts=facts(**known))


@pytest.mark.parametrize("service", [*catalogue.SERVICES, catalogue.PAYSIM], ids=lambda service: service.name)
def test_every_name_is_one_that_the_service_reads(service: catalogue.Service) -> None:
    try:
        found = importlib.util.find_spec(service.module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"{service.module} is not written yet")
    names = modules.names(modules.load(service).Settings)
    assert set(rendered(service.name)) <= names
    assert set(rendered(service.name, EVERYTHING)) <= names


def test_only_production_profiles_are_production() -> None:
    standard = "  profile: Standard\n  services: {payment: {razorpay: {mode: Simulated}}}\n"
    assert rendered("order")["REVCART_ENVIRONMENT"] == "development"
    assert rendered("order", standard)["REVCART_ENVIRONMENT"] == "production"


def test_a_secret_goes_only_where_it_is_used() -> None:
    known = facts()
    platform = effective.resolve(loading.parse(HEAD))
    for service in catalogue.NAMES:
        values = repr(settings.of(platform, service=service, facts=known))
        assert (known.secrets.auth_otp_key in values) == (service == "auth")
        assert (known.secrets.razorpay_key_secret in values) == (service == "payment")
        assert (known.secrets.delivery_otp_key in values) == (service == "delivery")


def test_simulated_payments_go_to_paysim_with_the_same_keys() -> None:
    known = facts()
    platform = effective.resolve(loading.parse(HEAD))
    payment = settings.of(platform, service="payment", facts=known)
    paysim = settings.of(platform, service="paysim", facts=known)
    assert payment["REVCART_PAYMENT_RAZORPAY_URL"] == "http://127.0.0.1:8091"
    assert payment["REVCART_PAYMENT_KEY_SECRET"] == paysim["REVCART_PAYSIM_KEY_SECRET"]
    assert payment["REVCART_PAYMENT_WEBHOOK_SECRETS"] == [paysim["REVCART_PAYSIM_WEBHOOK_SECRET"]]
    assert paysim["REVCART_PAYSIM_WEBHOOK_URL"] == "http://127.0.0.1:8080/api/payments/webhook"


def test_live_payments_go_to_razorpay_with_the_secrets_keys() -> None:
    payment = rendered("payment", EVERYTHING)
    assert payment["REVCART_PAYMENT_RAZORPAY_URL"] == "https://api.razorpay.com"
    assert payment["REVCART_PAYMENT_KEY_ID"] == "rzp_live_1"


def test_a_missing_key_of_a_secret_is_named_with_its_place() -> None:
    with pytest.raises(
        references.MissingSecret,
        match=r"spec\.services\.payment\.razorpay\.secretRef refers to the secret razorpay, which has no key key-id",
    ):
        rendered("payment", EVERYTHING, referred=references.References())


def test_a_mail_login_is_quoted_in_its_url() -> None:
    url = rendered("notification", EVERYTHING)["REVCART_NOTIFICATION_EMAIL_URL"]
    assert url == "smtp://me%40x:a%2Fb@mail.example.com:587?starttls=required"


@pytest.mark.parametrize(
    ("more", "https"),
    [
        ("", None),  # the gateway's own rule: Redirect in production
        (EVERYTHING, "Redirect"),
        ("  exposure: {type: Ingress, host: shop.example.com}\n", "Off"),
        ("  services: {gateway: {https: Redirect}}\n", "Redirect"),
    ],
)
def test_https_is_asked_for_where_there_is_a_certificate(more: str, https: str | None) -> None:
    assert rendered("gateway", more).get("REVCART_GATEWAY_HTTPS") == https


def test_values_become_text_as_an_environment_holds_them() -> None:
    assert settings.as_text(True) == "true"
    assert settings.as_text(["a", "b"]) == '["a","b"]'
    assert settings.as_text(8080) == "8080"


def test_text_from_the_environment_reads_back_as_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in rendered("order").items():
        monkeypatch.setenv(name, settings.as_text(value))

    class Settings(kit_settings.Settings):
        pass

    read = Settings()  # from the environment
    assert (read.service, read.port, read.demo_data) == ("order", 8085, False)
    assert len(read.service_token_secrets) == 1


def test_secrets_do_not_show_in_logs() -> None:
    made = secrets.make()
    assert made.razorpay_key_secret not in f"{made} {made!r}"
