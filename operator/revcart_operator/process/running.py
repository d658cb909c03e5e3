"""Composition of the operator, top to bottom, and its life: sign in, take the Lease, work, leave.

It leaves on SIGTERM, when the Lease is lost, and when any of its parts ends by itself; Kubernetes starts it again.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import prometheus_client as prometheus

import revcart
from revcart.kit import clock, telemetry
from revcart_operator import handlers
from revcart_operator.engine import cluster, errors, kinds, metrics, queue, reconcile
from revcart_operator.kube import client, connection, lease, watching
from revcart_operator.process import pages, vigil

WORKERS = 4
GRACE_SECONDS = 5.0  # for the passes in work; each is level-based, so the next process takes up what is cut off

logger = telemetry.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """`namespaces`: those to serve, none: all. Port 0: a free one."""

    namespaces: tuple[str, ...]
    lease_namespace: str
    host: str
    health_port: int
    metrics_port: int


async def run(options: Options) -> bool:
    """Run until told to stop; whether it ended because it was told so. Raises connection.NoCluster, OSError."""
    registry = prometheus.CollectorRegistry()
    prometheus.ProcessCollector(registry=registry)
    counted = metrics.Metrics(registry)
    to = connection.Connection(await connection.sign_in(), metrics=counted)
    identity = os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"
    held = lease.Lease(to, namespace=options.lease_namespace, identity=identity, clock=clock.System())
    watch = vigil.Vigil()
    shown = pages.Pages(registry=registry, vigil=watch, ready=lambda: held.answered)
    stopped = _stopped_by_signals()
    try:
        await shown.open(host=options.host, health_port=options.health_port, metrics_port=options.metrics_port)
        if not await _until(stopped, held.acquire()):
            return True
        try:
            work = _Work(options, to=to, counted=counted, identity=identity, watch=watch)
            if not await _until(stopped, work.prepare()):
                return True
            return await work.until(stopped, lost=held.keep())
        finally:
            await held.release()
    finally:
        await shown.close()
        await to.close()
        logger.info("operator.stopped")


class _Work:
    """What only the holder of the Lease has: queue, engine and watches."""

    def __init__(
        self,
        options: Options,
        *,
        to: connection.Connection,
        counted: metrics.Metrics,
        identity: str,
        watch: vigil.Vigil,
    ) -> None:
        self._scopes: tuple[str | None, ...] = options.namespaces or (None,)
        self._vigil = watch
        self._client = client.Client(to, clock=clock.System(), instance=identity)
        self._reconciler = reconcile.Reconciler(
            cluster=self._client, clock=clock.System(), metrics=counted, version=revcart.__version__
        )
        self._queue = queue.Queue(self._pass, workers=WORKERS, metrics=counted)
        self._platforms = handlers.Watch(namespaces=options.namespaces, told=self._told)
        self._watchers = [
            watching.Watcher(to, kind=kind, namespace=scope, changed=self._queue.add, metrics=counted)
            for kind in kinds.KINDS
            for scope in self._scopes
        ]

    async def prepare(self) -> None:
        """Wait until the API server serves platforms: kopf looks for the kind only once."""
        while True:
            try:
                await self._list()
                return
            except errors.NotFound:
                logger.warning("crd.missing", hint="kubectl apply --server-side -f crds/revcartplatforms.yaml")
            except errors.ClusterError as error:
                logger.warning("platforms.unreadable", error=repr(error))
            await asyncio.sleep(5)

    async def until(self, stopped: asyncio.Event, *, lost: Coroutine[Any, Any, None]) -> bool:
        """Work. Returns True when told to stop, False when a part ended by itself."""
        self._vigil.over(self._watchers)
        working = asyncio.create_task(self._queue.run(), name="queue")
        parts = {
            working,
            asyncio.create_task(lost, name="lease"),
            asyncio.create_task(self._platforms.run(), name="platforms"),
            asyncio.create_task(queue.resync(self._queue, platforms=self._list), name="resync"),
            *(asyncio.create_task(it.run(), name=f"watch of {it.kind}") for it in self._watchers),
        }
        signalled = asyncio.create_task(stopped.wait(), name="signal")
        done, _ = await asyncio.wait({*parts, signalled}, return_when=asyncio.FIRST_COMPLETED)
        told = signalled in done
        for part in done - {signalled}:
            logger.error("operator.part-ended", part=part.get_name(), exc_info=part.exception())
        self._queue.close()
        for part in parts - {working}:
            part.cancel()
        if told:
            await asyncio.wait({working}, timeout=GRACE_SECONDS)
        working.cancel()
        await asyncio.gather(*parts, signalled if told else _cancelled(signalled), return_exceptions=True)
        return told

    async def _pass(self, key: queue.Key) -> queue.Outcome:
        try:
            return await self._reconciler.reconcile(key)
        finally:
            self._vigil.passed(key)

    def _told(self, namespace: str, name: str, generation: int) -> None:
        self._vigil.told(queue.Key(namespace, name), generation)
        self._queue.add((namespace, name))

    async def _list(self) -> list[tuple[str, str]]:
        found: list[cluster.Object] = []
        for scope in self._scopes:
            found += await self._client.platforms(scope)
        self._vigil.listed(found)
        return [(it["metadata"]["namespace"], it["metadata"]["name"]) for it in found]


def _stopped_by_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _until(stopped: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do `work`; False when told to stop before it was done."""
    task, signalled = asyncio.create_task(work), asyncio.create_task(stopped.wait())
    await asyncio.wait({task, signalled}, return_when=asyncio.FIRST_COMPLETED)
    await _cancelled(signalled)
    if not task.done():
        await _cancelled(task)
        return False
    task.result()
    return True


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
