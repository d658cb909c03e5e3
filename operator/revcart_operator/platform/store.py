"""The five stores of the CR. Each is `Managed` (run by the operator, one node) or `External` (run by somebody else)."""

import enum
from typing import Annotated, ClassVar

from pydantic import Field

from revcart_operator.platform import model, workload


class Mode(enum.StrEnum):
    MANAGED = "Managed"
    EXTERNAL = "External"


class TlsMode(enum.StrEnum):
    DISABLED = "Disabled"
    REQUIRE = "Require"
    VERIFY_CA = "VerifyCA"
    VERIFY_FULL = "VerifyFull"


class SaslMechanism(enum.StrEnum):
    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class Storage(model.Model):
    size: model.Quantity = "2Gi"
    storage_class_name: model.Name | None = None


class Managed(model.Model):
    version: model.Text | None = Field(default=None, description="of the official image; absent: the tested one")
    storage: Storage = Storage()
    resources: workload.Resources = workload.Resources()


class Tls(model.Model):
    mode: TlsMode = Field(default=TlsMode.VERIFY_FULL, description="how far the server's certificate is checked")
    ca_secret_ref: workload.SecretRef | None = Field(default=None, description="key ca.crt; absent: the system's roots")

    RULES: ClassVar = (
        model.Rule(
            field="caSecretRef",
            message="caSecretRef has no effect while TLS is off: remove it, or write mode: VerifyFull",
            cel="!has(self.caSecretRef) || !has(self.mode) || self.mode != 'Disabled'",
            check=lambda it: it.ca_secret_ref is None or it.mode is not TlsMode.DISABLED,
        ),
    )


class External(model.Model):
    host: model.Host | None = Field(default=None, description="absent: the Secret's key host, or the one in its uri")
    port: model.Port | None = Field(default=None, description="absent: the Secret's key port, or the store's usual one")
    secret_ref: workload.SecretRef | None = Field(
        default=None,
        description="a binding Secret with servicebinding.io keys, each optional: host port username password uri "
        "ca.crt; username.<service> and password.<service> for a user per service; consul: token",
        examples=["{name: shop-mysql}"],
    )
    tls: Tls = Tls()

    RULES: ClassVar = (
        model.Rule(
            field="host",
            message="say where the server is: write host, or secretRef: {name: …}, a Secret with the key host or uri",
            cel="has(self.host) || has(self.secretRef)",
            check=lambda it: it.host is not None or it.secret_ref is not None,
        ),
    )


class Sasl(model.Model):
    mechanism: SaslMechanism = Field(examples=["SCRAM-SHA-512"])
    secret_ref: workload.SecretRef = Field(description="keys username, password", examples=["{name: msk}"])


class ExternalKafka(model.Model):
    bootstrap_servers: Annotated[tuple[model.Text, ...], Field(min_length=1, max_length=16)] | None = Field(
        default=None, description="absent: the Secret's key bootstrap-servers or uri"
    )
    secret_ref: workload.SecretRef | None = Field(
        default=None, description="a binding Secret with the key bootstrap-servers or uri, and perhaps ca.crt"
    )
    sasl: Sasl | None = None
    tls: Tls = Tls()

    RULES: ClassVar = (
        model.Rule(
            field="bootstrapServers",
            message="say where the brokers are: write bootstrapServers: [broker-1.example.com:9096], or "
            "secretRef: {name: …}, a Secret with the key bootstrap-servers or uri",
            cel="has(self.bootstrapServers) || has(self.secretRef)",
            check=lambda it: it.bootstrap_servers is not None or it.secret_ref is not None,
        ),
    )


def _arms() -> tuple[model.Rule, ...]:
    return (
        model.Rule(
            field="external",
            message="mode External needs to know the server: write external beside mode",
            cel="self.mode != 'External' || has(self.external)",
            check=lambda it: it.mode is not Mode.EXTERNAL or it.external is not None,
        ),
        model.Rule(
            field="external",
            message="mode Managed does not take external: remove it, or write mode: External",
            cel="self.mode != 'Managed' || !has(self.external)",
            check=lambda it: it.mode is not Mode.MANAGED or it.external is None,
        ),
        model.Rule(
            field="managed",
            message="mode External does not take managed: remove it, or write mode: Managed",
            cel="self.mode != 'External' || !has(self.managed)",
            check=lambda it: it.mode is not Mode.EXTERNAL or it.managed is None,
        ),
    )


class Store(model.Model):
    mode: Mode = Field(examples=["Managed"])
    managed: Managed | None = None
    external: External | None = None

    RULES: ClassVar = _arms()


class KafkaStore(model.Model):
    mode: Mode = Field(examples=["Managed"])
    managed: Managed | None = None
    external: ExternalKafka | None = None

    RULES: ClassVar = _arms()


_MANAGED = Store(mode=Mode.MANAGED)


class Stores(model.Model):
    """Absent means Managed."""

    mysql: Store = _MANAGED
    mongodb: Store = _MANAGED
    redis: Store = _MANAGED
    kafka: KafkaStore = KafkaStore(mode=Mode.MANAGED)
    consul: Store = _MANAGED


NAMES = tuple(Stores.model_fields)
