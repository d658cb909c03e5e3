"""What the CR can say about one service: how many, how big, how spread, and each service's own settings."""

import enum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from revcart_operator.platform import model


class LogLevel(enum.StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class ScalingType(enum.StrEnum):
    NONE = "None"
    HPA = "HPA"


class Spread(enum.StrEnum):
    NONE = "None"
    NODE = "Node"
    ZONE = "Zone"


class RazorpayMode(enum.StrEnum):
    SIMULATED = "Simulated"
    LIVE = "Live"


class SmtpTls(enum.StrEnum):
    NONE = "None"
    START_TLS = "StartTLS"
    IMPLICIT = "Implicit"


# Not "Off": YAML 1.1, which kubectl reads, turns that word into false.
class DocsAccess(enum.StrEnum):
    OPEN = "Open"
    ADMIN = "Admin"
    DISABLED = "Disabled"


class Https(enum.StrEnum):
    DISABLED = "Disabled"
    REDIRECT = "Redirect"


class SecretRef(model.Model):
    """A Secret in the CR's namespace; with `revcart up`, the folder `<data>/secrets/<name>` with one file per key."""

    name: model.Name


class Amounts(model.Model):
    cpu: model.Quantity | None = None
    memory: model.Quantity | None = None


class Resources(model.Model):
    requests: Amounts = Amounts(cpu="25m", memory="128Mi")
    limits: Amounts = Amounts(memory="384Mi")


class Autoscaling(model.Model):
    type: ScalingType = ScalingType.NONE
    min_replicas: int | None = Field(default=None, ge=1, le=100)
    max_replicas: int | None = Field(default=None, ge=1, le=100)
    target_cpu_utilization_percentage: int = Field(default=70, ge=1, le=100, alias="targetCPUUtilizationPercentage")

    RULES: ClassVar = (
        model.Rule(
            field="minReplicas",
            message="minReplicas is above maxReplicas; write a minReplicas that is not larger",
            cel="!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
            check=lambda it: it.min_replicas is None or it.max_replicas is None or it.min_replicas <= it.max_replicas,
        ),
    )


class PodDisruptionBudget(model.Model):
    """Empty: no budget."""

    min_available: int | None = Field(default=None, ge=0, le=100)
    max_unavailable: int | None = Field(default=None, ge=0, le=100)

    RULES: ClassVar = (
        model.Rule(
            field="maxUnavailable",
            message="write either minAvailable or maxUnavailable, not both",
            cel="!(has(self.minAvailable) && has(self.maxUnavailable))",
            check=lambda it: it.min_available is None or it.max_unavailable is None,
        ),
    )


class Toleration(model.Model):
    key: model.Text | None = None
    operator: model.Text | None = None
    value: model.Text | None = None
    effect: model.Text | None = None
    toleration_seconds: int | None = None


class PodTemplate(model.Model):
    """What a pod may carry beyond the operator's own choice. Nothing here can weaken its security context."""

    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    node_selector: dict[str, str] = {}
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    affinity: dict[str, Any] = Field(default={}, description="as in a Kubernetes pod spec")
    priority_class_name: model.Name | None = None


class Variable(model.Model):
    name: model.Variable
    value: model.Text


class Workload(model.Model):
    """The fields that every service has; `serviceDefaults` gives them for all services at once."""

    replicas: int = Field(default=1, ge=0, le=100, description="fixed number of pods; ignored while autoscaling is HPA")
    resources: Resources = Resources()
    autoscaling: Autoscaling = Autoscaling()
    pod_disruption_budget: PodDisruptionBudget = PodDisruptionBudget()
    spread: Spread = Field(default=Spread.NONE, description="keep the pods of a service on different nodes or zones")
    pod_template: PodTemplate = PodTemplate()
    env: tuple[Variable, ...] = model.keyed_list(
        "name", longest=64, description="further settings (REVCART_…), see docs/platform.md"
    )
    log_level: LogLevel = LogLevel.INFO


class Gateway(Workload):
    cors_origins: Annotated[tuple[model.Url, ...], Field(max_length=32)] = Field(
        default=(), description="origins of browsers that may call; empty: the storefront's own"
    )
    trusted_proxies: Annotated[tuple[model.Text, ...], Field(max_length=32)] = Field(
        default=(), description="addresses (CIDR) of load balancers whose X-Forwarded-For is believed; empty: loopback"
    )
    https: Https | None = Field(
        default=None,
        description="Redirect plain requests; default: as exposure.tls says, else Redirect but in Development",
    )
    docs: DocsAccess = Field(default=DocsAccess.OPEN, description="who may read /api/docs")


class FirstAdmin(model.Model):
    email: model.Email
    secret_ref: SecretRef | None = Field(default=None, description="key password; without it a one-time link is mailed")


class Auth(Workload):
    first_admin: FirstAdmin | None = None


class Razorpay(model.Model):
    mode: RazorpayMode = Field(description="Simulated runs Razorpay's double", examples=["Simulated"])
    secret_ref: SecretRef | None = Field(default=None, description="keys key-id, key-secret, webhook-secret")

    RULES: ClassVar = (
        model.Rule(
            field="secretRef",
            message="mode Live needs the account's keys: write secretRef: {name: …}, a Secret with key-id, key-secret "
            "and webhook-secret",
            cel="self.mode != 'Live' || has(self.secretRef)",
            check=lambda it: it.mode is not RazorpayMode.LIVE or it.secret_ref is not None,
        ),
        model.Rule(
            field="secretRef",
            message="mode Simulated makes its own keys: remove secretRef, or write mode: Live",
            cel="self.mode != 'Simulated' || !has(self.secretRef)",
            check=lambda it: it.mode is not RazorpayMode.SIMULATED or it.secret_ref is None,
        ),
    )


class Payment(Workload):
    razorpay: Razorpay = Razorpay(mode=RazorpayMode.SIMULATED)


class Smtp(model.Model):
    host: model.Host
    port: int = Field(default=587, ge=1, le=65535)
    tls: SmtpTls = SmtpTls.START_TLS
    sender: model.Email = Field(alias="from", description="the From address", examples=["orders@example.com"])
    secret_ref: SecretRef | None = Field(default=None, description="keys username, password; absent: no login")


class Notification(Workload):
    smtp: Smtp | None = Field(
        default=None,
        description="absent: Development keeps mail in a mailbox for the ADMIN, the other profiles send none",
    )


class Services(model.Model):
    """One optional key per service."""

    gateway: Gateway = Gateway()
    auth: Auth = Auth()
    user: Workload = Workload()
    product: Workload = Workload()
    cart: Workload = Workload()
    order: Workload = Workload()
    payment: Payment = Payment()
    notification: Notification = Notification()
    delivery: Workload = Workload()
    analytics: Workload = Workload()
    admin: Workload = Workload()

    def of(self, service: str) -> Workload:
        """The workload of one service, by its catalogue name."""
        workload: Workload = getattr(self, service)
        return workload
