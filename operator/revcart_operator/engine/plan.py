"""What a pass would do to each object: the rollout works it off, and a dry run shows it."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from revcart_operator.engine import cluster, drift, kinds, wanted
from revcart_operator.platform import spec, status

_LONGEST = 200  # changes that status.plan holds


class Action(enum.StrEnum):
    KEEP = "keep"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    WAIT = "wait"  # it is being deleted, or belongs to a platform of the same name that is


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One wanted object. `repair`: it was rolled out like this before, so it need not wait for its wave."""

    wanted: wanted.Wanted
    live: cluster.Object | None
    action: Action
    repair: bool = False

    @property
    def changes(self) -> bool:
        return self.action in (Action.CREATE, Action.UPDATE)

    @property
    def restarts(self) -> bool:
        """Whether pods are replaced by it."""
        if self.action is not Action.UPDATE or self.wanted.id.kind not in (kinds.DEPLOYMENT, kinds.STATEFUL_SET):
            return False
        assert self.live is not None, "an update has something to update"
        template, running = self.wanted.manifest["spec"]["template"], self.live["spec"].get("template", {})
        return bool(drift.differences(template, running))


@dataclass(frozen=True, kw_only=True)
class Children:
    """What is there of one platform. `accepted`: differences that the server itself made out of our last apply."""

    uid: str
    live: Mapping[wanted.Id, cluster.Object]
    accepted: Mapping[wanted.Id, tuple[str, dict[str, Any]]]


def entry(it: wanted.Wanted, *, children: Children, finished: bool) -> Entry:
    """`finished`: exactly this was rolled out completely before, so that an absent object was deleted since."""
    live = children.live.get(it.id)
    if live is None:
        return Entry(wanted=it, live=None, action=Action.CREATE, repair=finished)
    if leaving(live, uid=children.uid):
        return Entry(wanted=it, live=live, action=Action.WAIT)
    found = drift.differences(it.manifest, live)
    if not found or children.accepted.get(it.id) == (it.hash, found):
        return Entry(wanted=it, live=live, action=Action.KEEP)
    return Entry(wanted=it, live=live, action=Action.UPDATE, repair=wanted.hash_of(live) == it.hash)


def leaving(live: cluster.Object, *, uid: str) -> bool:
    """Whether it will be gone soon: deleted, or the garbage collector's since its platform was deleted."""
    owners = live["metadata"].get("ownerReferences", [])
    of_another = any(owner["kind"] == spec.KIND and owner["uid"] != uid for owner in owners)
    return of_another or "deletionTimestamp" in live["metadata"]


def doomed(children: Children, waves: Iterable[wanted.Wave], *, keep: str) -> list[wanted.Id]:
    """Live objects that nobody wants any more: this platform's own by uid, never the Secret named `keep`."""
    still = {it.id for wave in waves for it in wave.objects} | {wanted.Id(kinds.SECRET, keep)}
    return sorted(
        it
        for it, live in children.live.items()
        if it not in still and owned(live, uid=children.uid) and "deletionTimestamp" not in live["metadata"]
    )


def owned(live: cluster.Object, *, uid: str) -> bool:
    return any(owner["uid"] == uid for owner in live["metadata"].get("ownerReferences", []))


def shown(entries: Sequence[Entry], doomed: Sequence[wanted.Id]) -> status.Plan:
    """For people: what would be created, updated, deleted, and which of it restarts pods."""
    changes = [
        status.Change(
            action=it.action, kind=str(it.wanted.id.kind), name=it.wanted.id.name, restarts=it.restarts or None
        )
        for it in entries
        if it.changes
    ]
    changes += [status.Change(action=Action.DELETE, kind=str(it.kind), name=it.name) for it in doomed]
    counts = {action: sum(change.action == action for change in changes) for action in ("create", "update", "delete")}
    restarts = sum(bool(change.restarts) for change in changes)
    summary = ", ".join(f"{count} to {action}" for action, count in counts.items())
    return status.Plan(changes=tuple(changes[:_LONGEST]), summary=f"{summary}; {restarts} of them restart pods")
