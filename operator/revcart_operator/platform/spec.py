"""`RevCartPlatform` v1alpha1: the whole user interface of the platform team, as models.

A field's default here is the one of profile Development; `effective` lays the profile's own over it. The CRD carries no
defaults: they would come back as permanent differences in every GitOps tool.
"""

import enum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from revcart_operator.platform import model, store, workload

GROUP = "platform.revcart.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "RevCartPlatform"


class Profile(enum.StrEnum):
    DEVELOPMENT = "Development"
    STANDARD = "Standard"
    HIGH_AVAILABILITY = "HighAvailability"


class ReconcilePolicy(enum.StrEnum):
    APPLY = "Apply"
    DRY_RUN = "DryRun"
    PAUSED = "Paused"


class RunState(enum.StrEnum):
    RUNNING = "Running"
    HIBERNATED = "Hibernated"


class Keep(enum.StrEnum):
    RETAIN = "Retain"
    DELETE = "Delete"


class Switch(enum.StrEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"


class PullPolicy(enum.StrEnum):
    IF_NOT_PRESENT = "IfNotPresent"
    ALWAYS = "Always"
    NEVER = "Never"


class ExposureType(enum.StrEnum):
    NONE = "None"
    INGRESS = "Ingress"
    GATEWAY = "Gateway"


class UpdateType(enum.StrEnum):
    ORDERED = "Ordered"
    ALL_AT_ONCE = "AllAtOnce"


class OnFailure(enum.StrEnum):
    HALT = "Halt"
    CONTINUE = "Continue"


class AutoUpdate(enum.StrEnum):
    NEVER = "Never"
    ALWAYS = "Always"


class ServiceMonitor(enum.StrEnum):
    AUTO = "Auto"
    ENABLED = "Enabled"
    DISABLED = "Disabled"


class DeletionPolicy(model.Model):
    stores: Keep = Keep.RETAIN
    secrets: Keep = Keep.RETAIN


class ImageOverride(model.Model):
    name: model.Name = Field(examples=["mysql"])
    image: model.Image


class Images(model.Model):
    registry: model.Image = "ghcr.io/revcart"
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    pull_secrets: tuple[workload.SecretRef, ...] = model.keyed_list(
        "name", longest=16, description="for private registries"
    )
    overrides: tuple[ImageOverride, ...] = model.keyed_list(
        "name", longest=32, description="another image for a service or a store"
    )


class ExposureTls(model.Model):
    secret_name: model.Name


class Ingress(model.Model):
    class_name: model.Name | None = None
    annotations: dict[str, str] = {}


class ParentRef(model.Model):
    name: model.Name
    namespace: model.Name | None = None
    section_name: model.Name | None = None


class GatewayRoute(model.Model):
    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=8)] = Field(
        examples=["[{name: public}]"]
    )


class Exposure(model.Model):
    type: ExposureType = ExposureType.NONE
    host: model.Host | None = None
    tls: ExposureTls | None = None
    ingress: Ingress | None = None
    gateway: GatewayRoute | None = None

    RULES: ClassVar = (
        model.Rule(
            field="host",
            message="an exposed platform needs its host name: write host: shop.example.com",
            cel="!has(self.type) || self.type == 'None' || has(self.host)",
            check=lambda it: it.type is ExposureType.NONE or it.host is not None,
        ),
        model.Rule(
            field="ingress",
            message="ingress needs type: Ingress; write that, or remove ingress",
            cel="!has(self.ingress) || (has(self.type) && self.type == 'Ingress')",
            check=lambda it: it.ingress is None or it.type is ExposureType.INGRESS,
        ),
        model.Rule(
            field="gateway",
            message="gateway goes with type: Gateway, and type Gateway needs gateway.parentRefs",
            cel="(has(self.type) && self.type == 'Gateway') == has(self.gateway)",
            check=lambda it: (it.type is ExposureType.GATEWAY) == (it.gateway is not None),
        ),
    )


class Security(model.Model):
    network_policy: Switch = Switch.ENABLED


class Credentials(model.Model):
    rotation_id: int = Field(
        default=0, ge=0, le=2**31 - 1, alias="rotationID", description="raise it by one to make new credentials"
    )


class UpdateStrategy(model.Model):
    type: UpdateType = UpdateType.ORDERED
    progress_deadline_seconds: int = Field(default=600, ge=30, le=86400)
    on_failure: OnFailure = OnFailure.HALT
    auto_update_on_operator_upgrade: AutoUpdate = AutoUpdate.NEVER


class S3(model.Model):
    bucket: model.Text
    endpoint: model.Url | None = None
    region: model.Text | None = None
    prefix: model.Text | None = None
    secret_ref: workload.SecretRef = Field(description="keys access-key-id, secret-access-key", examples=["{name: s3}"])


class Destination(model.Model):
    pvc: store.Storage | None = None
    s3: S3 | None = None

    RULES: ClassVar = (
        model.Rule(
            field="",
            message="write exactly one of pvc and s3",
            cel="has(self.pvc) != has(self.s3)",
            check=lambda it: (it.pvc is None) != (it.s3 is None),
        ),
    )


class Backup(model.Model):
    schedule: model.Cron = "0 3 * * *"
    keep_last: int = Field(default=7, ge=1, le=365)
    destination: Destination = Field(examples=["{pvc: {size: 20Gi}}"])


class Observability(model.Model):
    service_monitor: ServiceMonitor = ServiceMonitor.AUTO
    otlp_endpoint: Annotated[str, Field(max_length=2048)] = Field(default="", description="empty: traces are off")


class Target(model.Model):
    kind: model.Text = Field(examples=["Deployment"])
    name: model.Name


class Operation(model.Model):
    """One step of JSON Patch (RFC 6902)."""

    op: Literal["add", "remove", "replace", "move", "copy", "test"]
    path: Annotated[str, Field(pattern="^/", max_length=512)]
    source: Annotated[str, Field(pattern="^/", max_length=512)] | None = Field(default=None, alias="from")
    value: Any = None

    RULES: ClassVar = (
        model.Rule(
            field="path",
            message="patches may not change security: no securityContext, hostNetwork, hostPID, hostIPC or hostPath",
            cel="!self.path.matches('securityContext|hostNetwork|hostPID|hostIPC|hostPath|hostUsers')",
            check=lambda it: (
                not any(
                    word in it.path
                    for word in ("securityContext", "hostNetwork", "hostPID", "hostIPC", "hostPath", "hostUsers")
                )
            ),
        ),
        model.Rule(
            field="value",
            message="add, replace and test need a value",
            check=lambda it: it.op not in ("add", "replace", "test") or "value" in it.model_fields_set,
        ),
        model.Rule(
            field="from",
            message="move and copy need from, the others do not take it",
            cel="(self.op in ['move', 'copy']) == has(self.from)",
            check=lambda it: (it.op in ("move", "copy")) == (it.source is not None),
        ),
    )


class Patch(model.Model):
    target: Target
    operations: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=32)]


class UnsafeFlags(model.Model):
    """What may lose data. Each is for one change and is taken out afterwards."""

    store_mode_change: bool = False
    storage_shrink: bool = False
    version_downgrade: bool = False


def _profile_is(*profiles: Profile) -> str:
    names = ", ".join(f"'{profile}'" for profile in profiles)
    return f"has(self.profile) && self.profile in [{names}]"


def _external_for_high_availability(name: str) -> model.Rule:
    return model.Rule(
        field=f"stores.{name}",
        message=f"profile HighAvailability needs {name} run by others (a Managed store is one node): "
        f"write stores.{name}.mode: External with external, or profile: Standard",
        cel=f"!({_profile_is(Profile.HIGH_AVAILABILITY)}) || "
        f"(has(self.stores) && has(self.stores.{name}) && self.stores.{name}.mode == 'External')",
        check=lambda it: (
            it.profile is not Profile.HIGH_AVAILABILITY or getattr(it.stores, name).mode is store.Mode.EXTERNAL
        ),
    )


def _mode_stays(name: str) -> model.Rule:
    mode = "(has({0}.stores) && has({0}.stores.{1}) ? {0}.stores.{1}.mode : 'Managed')"
    return model.Rule(
        field="stores",
        message=f"{name} cannot change between Managed and External by accident, since its data does not move along: "
        "move the data, then write unsafeFlags.storeModeChange: true with this change",
        cel=f"{mode.format('self', name)} == {mode.format('oldSelf', name)} || "
        "(has(self.unsafeFlags) && has(self.unsafeFlags.storeModeChange) && self.unsafeFlags.storeModeChange)",
    )


class Spec(model.Model):
    version: model.Release = Field(description="the platform release to run", examples=['"0.1.0"'])
    profile: Profile = Field(
        default=Profile.DEVELOPMENT,
        description="defaults for replicas, resources, disruption budgets, autoscaling, spread",
    )
    demo_data: Switch = Field(
        default=Switch.DISABLED, description="a filled shop with accounts whose password is public; Development only"
    )
    reconcile_policy: ReconcilePolicy = ReconcilePolicy.APPLY
    run_state: RunState = RunState.RUNNING
    deletion_policy: DeletionPolicy = DeletionPolicy()
    images: Images = Images()
    service_defaults: workload.Workload = workload.Workload()
    services: workload.Services = workload.Services()
    stores: store.Stores = store.Stores()
    exposure: Exposure = Exposure()
    security: Security = Security()
    credentials: Credentials = Credentials()
    update_strategy: UpdateStrategy = UpdateStrategy()
    backup: Backup | None = None
    observability: Observability = Observability()
    patches: Annotated[tuple[Patch, ...], Field(max_length=32)] = Field(
        default=(), description="JSON 6902 escape hatch; weakening security is refused"
    )
    unsafe_flags: UnsafeFlags = UnsafeFlags()

    RULES: ClassVar = (
        model.Rule(
            field="demoData",
            message="demoData makes accounts with a public password: write demoData: Disabled, or profile: Development",
            cel="!has(self.demoData) || self.demoData == 'Disabled' || "
            f"!({_profile_is(Profile.STANDARD, Profile.HIGH_AVAILABILITY)})",
            check=lambda it: it.demo_data is Switch.DISABLED or it.profile is Profile.DEVELOPMENT,
        ),
        model.Rule(
            field="services",
            message="say on purpose how this shop takes money: write services.payment.razorpay.mode: Live with "
            "secretRef, or mode: Simulated",
            cel=f"!({_profile_is(Profile.STANDARD, Profile.HIGH_AVAILABILITY)}) || "
            "(has(self.services) && has(self.services.payment) && has(self.services.payment.razorpay))",
            check=lambda it: it.profile is Profile.DEVELOPMENT or "razorpay" in it.services.payment.model_fields_set,
        ),
        *(_external_for_high_availability(name) for name in store.NAMES),
        *(_mode_stays(name) for name in store.NAMES),
    )


class Metadata(model.Model):
    """Of the object's metadata only what the platform reads; Kubernetes owns the rest."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[model.Name, Field(max_length=40)] = Field(examples=["shop"])
    namespace: model.Name | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class RevCartPlatform(model.Model):
    api_version: Literal["platform.revcart.io/v1alpha1"] = Field(examples=[API_VERSION])
    kind: Literal["RevCartPlatform"] = Field(examples=[KIND])
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> str:
        return self.metadata.name
