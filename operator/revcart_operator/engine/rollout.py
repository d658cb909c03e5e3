"""A pass over the waves: what was rolled out before is repaired at once, what is new waits for the waves before it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from revcart_operator.engine import applying, cluster, health, kinds, plan, pods, wanted
from revcart_operator.platform import spec

_MAY_CONTINUE = (wanted.SERVICES, wanted.GATEWAY)  # what fails here leaves the data as it is


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one wave is. `pending`: it holds changes that were not made yet."""

    name: str
    healths: dict[wanted.Id, health.Health]
    objects: tuple[wanted.Wanted, ...]
    pending: bool

    @property
    def worst(self) -> health.State:
        states = [found.state for found in self.healths.values()]
        return max([*states, health.State.PROGRESSING] if self.pending else states, default=health.State.READY)

    @property
    def is_ready(self) -> bool:
        return self.worst is health.State.READY

    def unready(self) -> list[health.Health]:
        """The worst first, then those with a reason that somebody can act on."""
        found = [it for it in self.healths.values() if not it.is_ready]
        return sorted(found, key=lambda it: (-it.state, it.reason == health.PROGRESSING))


async def roll(
    waves: Sequence[Sequence[plan.Entry]], names: Sequence[str], *, writer: applying.Writer, on_failure: spec.OnFailure
) -> list[Progress]:
    """Write what may be written now. Raises errors.Conflict and Unreachable."""
    await writer.apply(entry for entries in waves for entry in entries if entry.repair)
    progress, open_ = [], True
    for name, entries in zip(names, waves, strict=True):
        new = [entry for entry in entries if entry.changes and not entry.repair]
        if open_:
            await writer.apply(new)
        reached = _progress(name, entries, live=writer.live, refused=writer.refused, pending=bool(new) and not open_)
        progress.append(reached)
        goes_on = on_failure is spec.OnFailure.CONTINUE and name in _MAY_CONTINUE
        open_ = open_ and (reached.is_ready or (goes_on and reached.worst is health.State.FAILED))
    return progress


def look(
    waves: Sequence[Sequence[plan.Entry]], names: Sequence[str], *, live: dict[wanted.Id, cluster.Object]
) -> list[Progress]:
    """The health of what there is, for a platform that must not be written.

    A Job that is not there would run if it were: that is a change to come, and takes nothing from what runs.
    """
    there = [
        [entry for entry in entries if entry.live is not None or entry.wanted.id.kind is not kinds.JOB]
        for entries in waves
    ]
    return [
        _progress(name, entries, live=live, refused={}, pending=False)
        for name, entries in zip(names, there, strict=True)
    ]


def explained(progress: Sequence[Progress], found: Sequence[cluster.Object]) -> list[Progress]:
    """The same with what the pods tell."""
    return [
        dataclasses.replace(
            wave, healths={it.id: pods.explain(it, wave.healths[it.id], pods=found) for it in wave.objects}
        )
        for wave in progress
    ]


def _progress(
    name: str,
    entries: Sequence[plan.Entry],
    *,
    live: dict[wanted.Id, cluster.Object],
    refused: dict[wanted.Id, str],
    pending: bool,
) -> Progress:
    healths = {}
    for entry in entries:
        it = entry.wanted
        if it.id in refused:
            healths[it.id] = health.Health(state=health.State.FAILED, reason="Refused", message=refused[it.id])
        elif entry.action is plan.Action.WAIT:
            healths[it.id] = health.Health(state=health.State.PROGRESSING, message=f"{it.id} is still being deleted")
        else:
            healths[it.id] = health.of(it, live.get(it.id))
    return Progress(name=name, healths=healths, objects=tuple(entry.wanted for entry in entries), pending=pending)
