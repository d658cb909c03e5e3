"""`status` of the custom resource: what the operator says about a platform. No `phase`; conditions tell the truth."""

from typing import Annotated

from pydantic import Field

from revcart_operator.platform import model

CONDITIONS = (
    "Ready",
    "Reconciling",
    "Stalled",
    "SpecValid",
    "CredentialsReady",
    "StoresReady",
    "Migrated",
    "ServicesAvailable",
    "Exposed",
    "UpToDate",
    "Paused",
    "Hibernated",
    "LastBackupSucceeded",
)


class Condition(model.Model):
    """As in metav1.Condition, so that kstatus, Flux, Argo CD and `kubectl wait` understand it."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int | None = None


class Part(model.Model):
    """A service or a store."""

    name: str
    ready: str | None = Field(default=None, description="ready of wanted, such as 2/2")
    version: str | None = None
    message: str | None = None


class Migration(model.Model):
    service: str
    version: str | None = None
    state: str | None = None
    message: str | None = None


class Change(model.Model):
    action: str
    kind: str
    name: str
    restarts: bool | None = None


class Plan(model.Model):
    changes: Annotated[tuple[Change, ...], Field(max_length=200)] = ()
    summary: str | None = None


class Summary(model.Model):
    services: str | None = None
    stores: str | None = None
    message: str | None = None


class CredentialsStatus(model.Model):
    rotation_id: int | None = Field(default=None, alias="rotationID")
    rotated_at: str | None = None


class BackupStatus(model.Model):
    last_succeeded_at: str | None = None
    last_failed_at: str | None = None
    message: str | None = None


class Status(model.Model):
    observed_generation: int | None = None
    version: str | None = None
    target_version: str | None = None
    operator_version: str | None = None
    render_hash: str | None = None
    endpoint: str | None = None
    summary: Summary | None = None
    conditions: tuple[Condition, ...] = model.keyed_list("type", longest=32, description="see docs/platform.md")
    services: tuple[Part, ...] = model.keyed_list("name", longest=32, description="one per service")
    stores: tuple[Part, ...] = model.keyed_list("name", longest=16, description="one per store")
    migrations: tuple[Migration, ...] = model.keyed_list(
        "service", longest=32, description="one per service with a database"
    )
    plan: Plan | None = None
    credentials: CredentialsStatus | None = None
    backup: BackupStatus | None = None
