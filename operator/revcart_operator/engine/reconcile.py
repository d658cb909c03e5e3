"""One level-based pass over one platform: a flat list of steps, each able to end it.

Nothing here depends on what happened before: the spec says what is wanted, the cluster says what is there. What is
remembered between passes only saves work or restores what a person deleted.
"""

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from revcart.kit import clock, telemetry
from revcart_operator.engine import (
    applying,
    cluster,
    conditions,
    credentials,
    errors,
    kinds,
    metrics,
    plan,
    queue,
    report,
    rollout,
    verdict,
    wanted,
)
from revcart_operator.platform import effective, loading, spec, status
from revcart_operator.render import credentials as rendered_credentials
from revcart_operator.render import manifests, names, patches, references

_TRIES = 3  # of a pass that met a write conflict, before it waits its turn again

logger = telemetry.get_logger(__name__)


class Renderer(Protocol):
    """`render.manifests`, or a test's stand-in."""

    def steps(self, platform: spec.RevCartPlatform, *, facts: manifests.Facts) -> tuple[wanted.Step, ...]: ...
    def needs(self, platform: spec.RevCartPlatform) -> tuple[str, ...]: ...


@dataclass
class _Memory:
    """What is kept of one platform from pass to pass; a new operator does without."""

    uid: str
    credentials: dict[str, str] = field(default_factory=dict, repr=False)
    accepted: dict[wanted.Id, tuple[str, dict[str, Any]]] = field(default_factory=dict, repr=False)
    patience: verdict.Patience | None = None


@dataclass
class _Pass:
    """What the steps find out, each from what those before it did."""

    object: cluster.Object
    shop: names.Shop
    memory: _Memory
    platform: spec.RevCartPlatform
    facts: manifests.Facts
    waves: tuple[wanted.Wave, ...] = ()
    entries: tuple[tuple[plan.Entry, ...], ...] = ()
    doomed: list[wanted.Id] = field(default_factory=list)
    writer: applying.Writer | None = None
    progress: list[rollout.Progress] = field(default_factory=list)
    rollout: report.Rollout | None = None

    @property
    def status(self) -> Mapping[str, Any]:
        return self.object.get("status") or {}

    @property
    def policy(self) -> spec.ReconcilePolicy:
        return self.platform.spec.reconcile_policy

    @property
    def may_write(self) -> bool:
        return self.policy is spec.ReconcilePolicy.APPLY

    @property
    def changes(self) -> bool:
        """Whether the cluster was found other than it should be."""
        return bool(self.doomed) or any(entry.changes for wave in self.entries for entry in wave)


class Reconciler:
    """`reconcile` is called by the queue, never twice at a time for the same platform."""

    def __init__(
        self,
        *,
        cluster: cluster.Cluster,
        clock: clock.Clock,
        metrics: metrics.Metrics,
        version: str,
        renderer: Renderer = manifests,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._metrics = metrics
        self._version = version
        self._renderer = renderer
        self._memories: dict[queue.Key, _Memory] = {}

    async def reconcile(self, key: queue.Key) -> queue.Outcome:
        """One pass. Raises errors.Unreachable, and Conflict when others write all the time; the queue tries again."""
        for _ in range(_TRIES - 1):
            try:
                return await self._reconcile(key)
            except errors.Conflict:
                logger.info("reconcile.conflict", platform=key.name, namespace=key.namespace)
        return await self._reconcile(key)

    async def _reconcile(self, key: queue.Key) -> queue.Outcome:
        found = await self._cluster.get(kinds.PLATFORM, *key)
        if found is None:
            self._memories.pop(key, None)
            return queue.Outcome()
        if "deletionTimestamp" in found["metadata"]:
            return queue.Outcome()  # owner references do the rest
        shop = names.Shop(name=key.name, namespace=key.namespace, uid=found["metadata"]["uid"])
        memory = self._memories.get(key)
        if memory is None or memory.uid != shop.uid:
            memory = self._memories[key] = _Memory(uid=shop.uid)
        said, seen = await self._steps(found, shop=shop, memory=memory)
        await self._tell(found, said, seen)
        return queue.Outcome(said.requeue_after)

    async def _steps(
        self, found: cluster.Object, *, shop: names.Shop, memory: _Memory
    ) -> tuple[verdict.Verdict, _Pass | None]:
        try:
            platform = _read(found)
        except loading.InvalidPlatform as error:
            sentence = "; ".join(str(dataclasses.replace(problem, line=0)) for problem in error.problems)
            return verdict.broken("SpecValid", reason="InvalidSpec", message=sentence, stalled=True), None
        nothing = manifests.Facts(namespace=shop.namespace, uid=shop.uid, credentials={})
        one = _Pass(object=found, shop=shop, memory=memory, platform=platform, facts=nothing)
        try:
            for step in (self._read_secrets, self._render, self._compare, self._roll_out, self._prune, self._explain):
                ended = await step(one)
                if ended is not None:
                    return ended, one
            return self._judge(one), one
        except errors.Refused as error:
            return verdict.broken("UpToDate", reason="Refused", message=f"{error.message}", stalled=True), one

    async def _read_secrets(self, one: _Pass) -> verdict.Verdict | None:
        conditions_before = one.status.get("conditions", [])
        had = conditions.holds(conditions_before, "CredentialsReady") or (
            conditions.reason(conditions_before, "CredentialsReady") == "CredentialsLost"
        )
        try:
            if one.may_write:
                keep = one.platform.spec.deletion_policy.secrets
                remembered = one.memory.credentials
                made = await credentials.ensure(self._cluster, shop=one.shop, keep=keep, remembered=remembered, had=had)
                one.memory.credentials = made
            else:
                made = await credentials.peek(self._cluster, shop=one.shop, remembered=one.memory.credentials)
        except credentials.Lost as error:
            return verdict.broken("CredentialsReady", reason="CredentialsLost", message=str(error), stalled=True)
        referred = await self._referred(one)
        one.facts = dataclasses.replace(one.facts, credentials=made, referred=references.References(values=referred))
        return None

    async def _referred(self, one: _Pass) -> dict[str, dict[str, str]]:
        """The Secrets that the platform names; one that is not there is missed by whoever reads it."""
        needed = self._renderer.needs(one.platform)
        found = await asyncio.gather(*(self._cluster.get(kinds.SECRET, one.shop.namespace, name) for name in needed))
        return {name: credentials.decoded(live) for name, live in zip(needed, found, strict=True) if live}

    async def _render(self, one: _Pass) -> verdict.Verdict | None:
        try:
            steps = self._renderer.steps(one.platform, facts=one.facts)
        except references.MissingSecret as error:
            there = error.name in one.facts.referred.values
            what = "" if there else f" (there is no such Secret in namespace {one.shop.namespace})"
            sentence = f"{error}{what}; make it, and it is picked up within {verdict.SELDOM:.0f} s"
            return verdict.broken("CredentialsReady", reason="SecretMissing", message=sentence, stalled=False)
        except patches.DoesNotApply as error:
            return verdict.broken("SpecValid", reason="InvalidSpec", message=str(error), stalled=True)
        one.waves = wanted.waves(steps)
        return None

    async def _compare(self, one: _Pass) -> verdict.Verdict | None:
        live = await self._children(one.shop)
        children = plan.Children(uid=one.shop.uid, live=live, accepted=one.memory.accepted)
        finished = one.status.get("renderHash") == wanted.total_hash(one.waves)
        one.entries = tuple(
            tuple(plan.entry(it, children=children, finished=finished) for it in wave.objects) for wave in one.waves
        )
        one.doomed = plan.doomed(children, one.waves, keep=one.shop.called(rendered_credentials.PART))
        one.writer = applying.Writer(
            self._cluster,
            namespace=one.shop.namespace,
            children=children,
            accepted=one.memory.accepted,
            metrics=self._metrics,
        )
        return None

    async def _children(self, shop: names.Shop) -> dict[wanted.Id, cluster.Object]:
        async def listed(kind: kinds.Kind) -> cluster.Objects:
            try:
                return await self._cluster.list(kind, shop.namespace, selector=_selector(shop))
            except errors.NotFound:
                if kind.optional:
                    return []
                raise

        found = await asyncio.gather(*(listed(kind) for kind in kinds.KINDS))
        return {
            wanted.Id(kind, live["metadata"]["name"]): live
            for kind, objects in zip(kinds.KINDS, found, strict=True)
            for live in objects
        }

    async def _roll_out(self, one: _Pass) -> verdict.Verdict | None:
        assert one.writer is not None, "_compare ran before"
        order = [wave.name for wave in one.waves]
        if one.may_write:
            on_failure = one.platform.spec.update_strategy.on_failure
            one.progress = await rollout.roll(one.entries, order, writer=one.writer, on_failure=on_failure)
        else:
            one.progress = rollout.look(one.entries, order, live=one.writer.live)
        return None

    async def _prune(self, one: _Pass) -> verdict.Verdict | None:
        """What pods may still use goes last, when none of the old ones is left."""
        assert one.writer is not None, "_compare ran before"
        if one.may_write:
            done = all(wave.is_ready for wave in one.progress)
            await one.writer.delete([it for it in one.doomed if done or not it.kind.used_by_pods])
        return None

    async def _explain(self, one: _Pass) -> verdict.Verdict | None:
        if not all(wave.is_ready for wave in one.progress):
            pods = await self._cluster.list(kinds.POD, one.shop.namespace, selector=_selector(one.shop))
            one.progress = rollout.explained(one.progress, pods)
        return None

    def _judge(self, one: _Pass) -> verdict.Verdict:
        assert one.writer is not None, "_compare ran before"
        render_hash = wanted.total_hash(one.waves)
        said = verdict.of(one.progress, platform=one.platform, overdue=self._is_overdue(one, render_hash))
        entries = [entry for wave in one.entries for entry in wave]
        shown = plan.shown(entries, one.doomed)
        dry = one.policy is spec.ReconcilePolicy.DRY_RUN
        one.rollout = report.Rollout(
            platform=one.platform,
            shop=one.shop,
            progress=one.progress,
            render_hash=render_hash,
            complete=one.may_write and all(wave.is_ready for wave in one.progress),
            plan=shown if dry else None,
        )
        return dataclasses.replace(self._under_policy(one, said, shown), findings=self._findings(one, said, shown))

    def _is_overdue(self, one: _Pass, render_hash: str) -> bool:
        left = sum(len(wave.unready()) + wave.pending for wave in one.progress)
        if not left or not one.may_write:
            one.memory.patience = None
            return False
        generation = one.object["metadata"].get("generation", 1)
        if one.memory.patience is None:
            before = one.status.get("conditions", [])
            stuck = conditions.holds(before, "Stalled") and one.status.get("observedGeneration") == generation
            known = (generation, render_hash) if stuck else (0, "")  # an operator that starts does not hope anew
            one.memory.patience = verdict.Patience(target=known, fewest=left if stuck else 0)
        waited = one.memory.patience.waited(target=(generation, render_hash), left=left, now=self._clock.now())
        return waited > one.platform.spec.update_strategy.progress_deadline_seconds

    def _under_policy(self, one: _Pass, said: verdict.Verdict, shown: status.Plan) -> verdict.Verdict:
        """Who is told not to write reconciles nothing, and says what it would do."""
        if one.may_write:
            return said
        waits = f"{one.policy}: {shown.summary}" if one.changes else ""
        message = "; ".join(part for part in ("" if waits and not said.ready else said.message, waits) if part)
        reason = str(one.policy) if waits and not said.ready else said.reason
        return dataclasses.replace(
            said, reason=reason, message=message, reconciling=False, stalled=False, requeue_after=verdict.SELDOM
        )

    def _findings(self, one: _Pass, said: verdict.Verdict, shown: status.Plan) -> tuple[conditions.Finding, ...]:
        paused = one.policy is spec.ReconcilePolicy.PAUSED
        asleep = one.platform.spec.run_state is spec.RunState.HIBERNATED
        complete = one.rollout is not None and one.rollout.complete
        current = complete or not one.changes if one.may_write else not one.changes
        why = "RollingOut" if one.may_write else str(one.policy)
        up_to_date = conditions.Finding(
            type="UpToDate",
            holds=current,
            reason="UpToDate" if current else why,
            message="" if current else str(shown.summary),
        )
        ready = conditions.Finding(type="CredentialsReady", holds=True, reason="Complete")
        return (
            conditions.Finding(type="SpecValid", holds=True, reason="Valid"),
            *([ready] if one.may_write else []),
            up_to_date,
            conditions.Finding(type="Paused", holds=paused, reason="Paused" if paused else "No"),
            conditions.Finding(type="Hibernated", holds=asleep, reason="Hibernated" if asleep else "No"),
            *(finding for finding in said.findings if one.may_write or finding.type != "Migrated"),
        )

    async def _tell(self, found: cluster.Object, said: verdict.Verdict, one: _Pass | None) -> None:
        """Status when it says something new, and an Event when Ready gets another reason."""
        before = found.get("status") or {}
        rolled = one.rollout if one else None
        new = report.build(found, said, rollout=rolled, version=self._version, now=self._clock.now())
        if new == before:
            return
        try:
            await self._cluster.put_status(found, new)
        except errors.NotFound:
            return  # deleted meanwhile
        self._metrics.writes.labels(spec.KIND, "status").inc()
        if conditions.reason(before.get("conditions", []), "Ready") != said.reason:
            logger.info("platform.ready" if said.ready else "platform.not-ready", platform=found["metadata"]["name"],
                        namespace=found["metadata"]["namespace"], reason=said.reason, why=said.message)  # fmt: skip
            await self._announce(found, said)

    async def _announce(self, found: cluster.Object, said: verdict.Verdict) -> None:
        calm = said.ready or (said.reconciling and said.reason == "Progressing") or said.reason in _CALM
        try:
            await self._cluster.event(
                found, type="Normal" if calm else "Warning", reason=said.reason, message=said.message
            )
        except errors.ClusterError as error:
            logger.info("platform.event-lost", platform=found["metadata"]["name"], error=repr(error))


_CALM = ("Hibernated", *spec.ReconcilePolicy)


def _selector(shop: names.Shop) -> str:
    return f"{names.PLATFORM}={shop.name}"


def _read(found: cluster.Object) -> spec.RevCartPlatform:
    """The effective platform of a live object. Raises loading.InvalidPlatform: newer rules, or none in the cluster."""
    document = {key: found.get(key) for key in ("apiVersion", "kind", "metadata", "spec")}
    document["metadata"] = {key: found["metadata"][key] for key in ("name", "namespace")}
    return effective.resolve(loading.parse(json.dumps(document, ensure_ascii=False), source="the platform"))
