"""What a platform's spec asks for: rendered objects, each with its hash, in the waves of a rollout."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from revcart_operator.engine import cluster, kinds
from revcart_operator.render import names

HASH = "platform.revcart.io/hash"

FOUNDATION, STORES, MIGRATIONS = "foundation", "stores", "migrations"
SERVICES, GATEWAY, EXPOSURE = "services", "gateway", "exposure"


class Step(Protocol):
    """As `render.manifests` makes it."""

    @property
    def name(self) -> str: ...
    @property
    def objects(self) -> tuple[cluster.Object, ...]: ...


class Id(NamedTuple):
    """An object among those of one namespace."""

    kind: kinds.Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One rendered object. `manifest` carries `hash` as an annotation."""

    id: Id
    manifest: cluster.Object
    hash: str

    @property
    def part(self) -> str:
        """The service or store it belongs to."""
        return str(self.manifest["metadata"].get("labels", {}).get(names.COMPONENT, self.id.name))


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Objects that are rolled out together, after the waves before."""

    name: str
    objects: tuple[Wanted, ...]


def waves(steps: Iterable[Step]) -> tuple[Wave, ...]:
    """The rendered steps with the hash of each object in it."""
    return tuple(Wave(name=step.name, objects=tuple(_wanted(it) for it in step.objects)) for step in steps)


def total_hash(waves: Sequence[Wave]) -> str:
    """One hash for everything that is wanted."""
    return _digest([(str(it.id), it.hash) for wave in waves for it in wave.objects])


def hash_of(live: cluster.Object) -> str:
    """The hash of what was last rolled out into a live object; empty when it carries none."""
    return str(live["metadata"].get("annotations", {}).get(HASH, ""))


def with_hash(manifest: cluster.Object) -> cluster.Object:
    """A copy that carries its own hash."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), HASH: _digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _wanted(manifest: cluster.Object) -> Wanted:
    whole = with_hash(manifest)
    return Wanted(id=Id(kinds.of(manifest), manifest["metadata"]["name"]), manifest=whole, hash=hash_of(whole))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
