"""Watches the children of platforms, one kind at a time, and says which platform has a changed child.

Own code instead of kopf's: the server filters by label here, and sends the objects' metadata alone. So the operator
neither loads the cluster's other objects nor reads the contents of Secrets in order to notice that they changed.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

from revcart.kit import telemetry
from revcart_operator.engine import errors, kinds, metrics
from revcart_operator.kube import connection
from revcart_operator.kube.connection import Object
from revcart_operator.render import names

ASKED_SECONDS = 240  # how long the server may keep a watch open; up to half as long again, so that not all end at once
SILENCE_SECONDS = 100.0  # the server sends a bookmark each minute; nothing at all means that nobody is there
ABSENT_SECONDS = 120.0  # between two looks whether the API of an optional kind has been installed
LONGEST_BACKOFF = 30.0
_PATIENCE = 4  # failures in a row, some five seconds
# No watcher is quiet for longer, however the server behaves: a whole watch, its margin, and a wait after it.
DEAD_SECONDS = ASKED_SECONDS * 1.5 + 120

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

logger = telemetry.get_logger(__name__)


class Watcher:
    """Watches one kind in one namespace, or in all (None). `changed` gets (namespace, name) of a platform."""

    def __init__(
        self,
        to: connection.Connection,
        *,
        kind: kinds.Kind,
        namespace: str | None,
        changed: Callable[[tuple[str, str]], None],
        metrics: metrics.Metrics,
        asked_seconds: float = ASKED_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.kind, self.namespace = kind, namespace
        self.last_sign = time.monotonic()  # when it last heard from the server, or failed to
        self._to = to
        self._changed = changed
        self._metrics = metrics
        self._asked, self._silence = asked_seconds, silence_seconds
        self._jitter = jitter
        self._platforms: set[tuple[str, str]] = set()
        self._failures = 0

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                version = await self._list()
                while True:
                    version = await self._watch(version)
            except connection.Gone:
                await self._rest(self._backoff(None))
            except errors.ClusterError as error:
                if self.kind.optional and isinstance(error, errors.NotFound):
                    await self._rest(ABSENT_SECONDS)
                else:
                    await self._rest(self._failed(error))

    async def _list(self) -> str:
        """What is there, and from which resourceVersion to watch. Platforms that lost their last child count too."""
        before, self._platforms = self._platforms, set()
        query = {"labelSelector": names.PLATFORM}
        listed = await self._to.request(
            "list", connection.path(self.kind, self.namespace), query=query, accept=_METADATA_LIST
        )
        for item in listed.get("items") or ():
            self._note(item)
        for platform in before | self._platforms:
            self._changed(platform)
        self._heard()
        return str(listed["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        """One watch. The resourceVersion to go on from."""
        asked = self._asked * (1 + self._jitter() / 2)
        query = {
            "labelSelector": names.PLATFORM,
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(round(asked)),
        }
        events = self._to.watch(
            connection.path(self.kind, self.namespace),
            query=query,
            accept=_METADATA,
            seconds=asked + self._silence / 4,
            silence=self._silence,
        )
        begun = time.monotonic()
        async with contextlib.aclosing(events):
            async for event in events:
                self._heard()
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK" and (platform := self._note(event["object"])):
                    self._changed(platform)
        self._heard()
        if time.monotonic() - begun < 1:  # a server that ends watches at once is not asked in a tight loop
            await self._rest(self._backoff(None))
        return version

    def _failed(self, error: errors.ClusterError) -> float:
        """How long to wait. Said aloud once it lasts: when an API server restarts, every watch fails for seconds."""
        seconds = self._backoff(error.retry_after if isinstance(error, errors.Unreachable) else None)
        if self._failures >= _PATIENCE:
            logger.warning("watch.failed", kind=str(self.kind), namespace=self.namespace, error=repr(error),
                           retry_in=round(seconds, 1))  # fmt: skip
        return seconds

    def _note(self, item: Object) -> tuple[str, str] | None:
        meta = item["metadata"]
        platform = (meta.get("labels") or {}).get(names.PLATFORM)
        if not platform:
            return None
        key = (meta["namespace"], platform)
        self._platforms.add(key)
        return key

    def _heard(self) -> None:
        self._failures = 0
        self.last_sign = time.monotonic()
        self._metrics.watch_last_event.labels(str(self.kind)).set(time.time())

    def _backoff(self, asked: float | None) -> float:
        self._failures += 1
        longest = min(LONGEST_BACKOFF, 0.25 * 2.0 ** min(self._failures, 10))
        return max(longest * (0.5 + self._jitter() / 2), min(asked or 0.0, ABSENT_SECONDS))

    async def _rest(self, seconds: float) -> None:
        self.last_sign = time.monotonic()
        await asyncio.sleep(seconds)
