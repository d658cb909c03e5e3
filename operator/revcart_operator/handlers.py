"""What kopf tells us about platforms, and nothing else: each event only names a platform to look at. The only importer
of kopf.

kopf watches; the engine decides. No handler here writes, waits or fails, so kopf keeps no state on the objects: no
finalizer, no annotation, no Event.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

import kopf

from revcart_operator.engine import kinds
from revcart_operator.platform import spec

# A first short try, then for as long as an API server may take to come back.
_BACKOFFS = (1, 1, 2, 3, 5, 8, 13, 21, *(30,) * 20)

Told = Callable[[str, str, int], None]


@kopf.on.startup()
def configure(*, settings: kopf.OperatorSettings, **_: Any) -> None:
    """Nothing of kopf's in the cluster but two watches; each of its waits has an end."""
    settings.persistence.finalizer = f"{spec.GROUP}/kopf"  # never set; kopf's own name would be another operator's too
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{spec.GROUP}")
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=f"kopf.{spec.GROUP}")
    settings.posting.enabled = False
    settings.scanning.disabled = True  # neither CustomResourceDefinitions nor Namespaces are ours to read
    settings.peering.standalone = True
    settings.watching.server_timeout = 240
    settings.watching.client_timeout = 270
    settings.watching.connect_timeout = 5
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = _BACKOFFS
    settings.networking.trust_env = True
    settings.queueing.exit_timeout = 0.5
    settings.process.ultimate_exiting_timeout = None  # the kubelet's own deadline is enough


@kopf.on.event(spec.GROUP, spec.VERSION, kinds.PLATFORM.plural)
def changed(*, namespace: str | None, name: str, meta: kopf.Meta, memo: Any, **_: Any) -> None:
    """A platform was seen, changed or deleted."""
    memo.told(namespace, name, meta.get("generation", 0))


class Watch:
    """kopf in a thread and event loop of its own: at its end it cancels every task of its loop that it did not know."""

    def __init__(self, *, namespaces: Collection[str], told: Told) -> None:
        """`told` is called in the caller's loop with namespace, name and generation; no namespaces: all of them."""
        self._namespaces = namespaces
        self._told = told
        self._stop = threading.Event()

    async def run(self) -> None:
        """Watch until cancelled. Raises what made kopf stop; returns when it stopped without a word."""
        loop = asyncio.get_running_loop()
        memo = kopf.Memo(told=lambda *seen: loop.call_soon_threadsafe(self._told, *seen))
        _quiet()
        thread = asyncio.ensure_future(asyncio.to_thread(self._serve, memo))
        try:
            await asyncio.shield(thread)
        finally:
            self._stop.set()
            await asyncio.wait([thread], timeout=10)

    def _serve(self, memo: kopf.Memo) -> None:
        asyncio.run(
            kopf.operator(
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                memo=memo,
                stop_flag=self._stop,
            )
        )


def _quiet() -> None:
    """kopf tells each handled event, that a thread gets no signals, and each try of a request as an error of its own.

    The last of its tries ends `run` with the reason.
    """
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    logging.getLogger("kopf._cogs.clients").setLevel(logging.CRITICAL)
