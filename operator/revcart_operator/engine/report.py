"""`status` of a platform, from what a pass found out; written only when it says something new."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from revcart_operator.engine import cluster, conditions, kinds, rollout, verdict, wanted
from revcart_operator.platform import catalogue, spec, status, store
from revcart_operator.render import names, site


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What a pass knows once it has rendered. `complete`: everything wanted is there and works."""

    platform: spec.RevCartPlatform
    shop: names.Shop
    progress: Sequence[rollout.Progress]
    render_hash: str
    complete: bool
    plan: status.Plan | None


def build(
    platform: cluster.Object, said: verdict.Verdict, *, rollout: Rollout | None, version: str, now: dt.datetime
) -> dict[str, Any]:
    """The whole new status. What this pass could not find out stays as it was."""
    before: dict[str, Any] = platform.get("status") or {}
    generation = platform["metadata"].get("generation", 1)
    merged = conditions.merged(before.get("conditions", []), said.all_findings(), generation=generation, now=now)
    told = {**before, "observedGeneration": generation, "conditions": merged}
    told["targetVersion"] = platform.get("spec", {}).get("version", "")
    summary = {**before.get("summary", {}), "message": said.message}
    if rollout is not None:
        told |= _parts(rollout, before)
        summary |= _summary(told)
        if rollout.complete:
            told |= {"version": rollout.platform.spec.version, "operatorVersion": version}
            told["renderHash"] = rollout.render_hash
    return _tidy({**told, "summary": summary})


def _parts(found: Rollout, before: dict[str, Any]) -> dict[str, Any]:
    others = [name for name in store.NAMES if getattr(found.platform.spec.stores, name).mode is store.Mode.EXTERNAL]
    stores = {part["name"]: part for part in _workloads(found, kinds.STATEFUL_SET, store.NAMES, {})}
    stores |= {name: {"name": name, "ready": "External"} for name in others}
    old = {part["name"]: part.get("version") for part in before.get("services", [])}
    return {
        "endpoint": endpoint(found.platform, shop=found.shop),
        "services": _workloads(found, kinds.DEPLOYMENT, catalogue.NAMES, old),
        "stores": [stores[name] for name in store.NAMES if name in stores],
        "migrations": _migrations(found),
        "plan": found.plan.model_dump(mode="json", by_alias=True, exclude_none=True) if found.plan else None,
    }


def endpoint(platform: spec.RevCartPlatform, *, shop: names.Shop) -> str:
    """Where the shop is reached: its public address, else the one within the cluster."""
    gateway = catalogue.BY_NAME["gateway"]
    inside = f"http://{shop.called(gateway.name)}.{shop.namespace}.svc:{gateway.port}"
    return site.address(platform.spec.exposure) or inside


def _workloads(
    found: Rollout, kind: kinds.Kind, parts: Sequence[str], versions: dict[str, str | None]
) -> list[dict[str, Any]]:
    """The services, with the version that runs, or the stores."""
    told = {}
    for wave in found.progress:
        for it in wave.objects:
            if it.id.kind is kind and it.part in parts:
                one = wave.healths[it.id]
                current = one.is_ready and not wave.pending
                version = found.platform.spec.version if current else versions.get(it.part)
                told[it.part] = status.Part(
                    name=it.part,
                    ready=one.ready,
                    version=version if kind is kinds.DEPLOYMENT else None,
                    message=None if one.is_ready else one.message,
                ).model_dump(mode="json", by_alias=True, exclude_none=True)
    return [told[part] for part in parts if part in told]


def _migrations(found: Rollout) -> list[dict[str, Any]]:
    told = []
    for wave in found.progress:
        for it in wave.objects:
            if it.id.kind is kinds.JOB and wave.name == wanted.MIGRATIONS:
                one = wave.healths[it.id]
                state = "Complete" if one.is_ready else "Failed" if one.reason == "MigrationFailed" else "Waiting"
                made = status.Migration(
                    service=it.part.removeprefix("migrate-"),
                    version=found.platform.spec.version,
                    state=state,
                    message=None if one.is_ready else one.message,
                )
                told.append(made.model_dump(mode="json", by_alias=True, exclude_none=True))
    return told


def _summary(told: dict[str, Any]) -> dict[str, str]:
    up = {key: sum("message" not in part for part in told[key]) for key in ("services", "stores")}
    return {
        "services": f"{up['services']}/{len(catalogue.NAMES)}",
        "stores": f"{up['stores']}/{len(store.NAMES)}",
    }


def _tidy(told: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value not in (None, [], {}, "")}
