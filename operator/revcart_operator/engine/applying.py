"""The writes: one server-side apply per object, all of a wave at the same time, none where nothing differs."""

import asyncio
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

from revcart_operator.engine import cluster, drift, errors, metrics, plan, wanted

_INVALID = 422


class Writer:
    """Writes for one platform. `live` follows what the server answers; `refused`: what it would not do, and why.

    Raises errors.Conflict and Unreachable, after all writes of the wave were tried.
    """

    def __init__(
        self,
        cluster: cluster.Cluster,
        *,
        namespace: str,
        children: plan.Children,
        accepted: MutableMapping[wanted.Id, tuple[str, dict[str, Any]]],
        metrics: metrics.Metrics,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._uid = children.uid
        self._accepted = accepted
        self._metrics = metrics
        self.live: dict[wanted.Id, dict[str, Any]] = dict(children.live)
        self.refused: dict[wanted.Id, str] = {}

    async def apply(self, entries: Iterable[plan.Entry]) -> None:
        """Create and update what these entries say."""
        await self._all([self._apply(entry) for entry in entries if entry.changes])

    async def delete(self, doomed: Sequence[wanted.Id]) -> None:
        """Delete exactly the objects that were seen, not others that took their names since."""
        await self._all([self._delete(it) for it in doomed])

    async def _all(self, writes: Sequence[Any]) -> None:
        for result in await asyncio.gather(*writes, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _apply(self, entry: plan.Entry) -> None:
        it = entry.wanted
        try:
            if entry.live is None:
                await self._check_name(it)
            live = await self._put(it, over=entry.live)
        except errors.Refused as error:
            self.refused[it.id] = _sentence(it.id, error)
            return
        self.live[it.id] = live
        # What the server wrote differently (a quantity in other words) is no drift, or every pass would apply it again.
        self._accepted[it.id] = (it.hash, drift.differences(it.manifest, live))
        self._metrics.writes.labels(str(it.id.kind), entry.action).inc()
        if entry.repair:
            self._metrics.drift_corrected.labels(str(it.id.kind)).inc()

    async def _put(self, it: wanted.Wanted, *, over: cluster.Object | None) -> cluster.Object:
        try:
            return await self._cluster.apply(it.manifest)
        except errors.Refused as error:
            if over is None or error.status != _INVALID:
                raise
        # An apply leaves what others put into a list, such as a second port with the name of ours, which is invalid.
        await self._cluster.overwrite(it.manifest)
        return await self._cluster.apply(it.manifest)

    async def _check_name(self, it: wanted.Wanted) -> None:
        """An object of somebody else that happens to have our name is not ours to overwrite."""
        there = await self._cluster.get(it.id.kind, self._namespace, it.id.name)
        if there is not None and not plan.owned(there, uid=self._uid):
            raise errors.Refused(
                status=409,
                message="an object of that name is there, and not RevCart's: remove it, or rename the platform",
            )

    async def _delete(self, it: wanted.Id) -> None:
        await self._cluster.delete(it.kind, self._namespace, it.name, uid=self.live[it]["metadata"]["uid"])
        del self.live[it]
        self._metrics.writes.labels(str(it.kind), plan.Action.DELETE).inc()


def _sentence(it: wanted.Id, error: errors.Refused) -> str:
    immutable = any(words in error.message for words in ("immutable", "updates to statefulset spec"))
    hint = ": this cannot change in place; take the change back, or move to a new platform" if immutable else ""
    return f"{it} was refused by the API server{hint} ({error.message[:400]})"
