"""At most one operator works at a time: a `coordination.k8s.io` Lease, by the rules of client-go's leader election.

Whoever wants it waits until the holder has not renewed for as long as it promised, by its own clock from when it saw
the last renewal: clocks of two nodes are never compared.
"""

import asyncio
import datetime as dt
from typing import Any

from revcart.kit import clock, telemetry
from revcart_operator.engine import errors, kinds
from revcart_operator.kube import connection

NAME = "revcart-operator"
DURATION_SECONDS = 20  # what a holder promises
DEADLINE_SECONDS = 12.0  # without a renewal for so long it stops working, well before another one may begin
TRY_SECONDS = 3.0
ANSWER_SECONDS = 4.0  # of one attempt; deadline, pause and a last attempt together are shorter than the promise

_KIND = kinds.Kind("coordination.k8s.io/v1", "Lease", "leases")

logger = telemetry.get_logger(__name__)


class Lease:
    """The Lease `name` of `namespace`, as seen by `identity`."""

    def __init__(
        self, to: connection.Connection, *, namespace: str, identity: str, clock: clock.Clock, name: str = NAME
    ) -> None:
        self._to = to
        self._namespace, self._name, self._identity = namespace, name, identity
        self._clock = clock
        self._seen: tuple[str, dt.datetime] | None = None  # the last version of another holder's, and when we saw it
        self._renewed = clock.now()
        self.answered = False  # whether the API server ever answered: sign-in and permissions are right

    async def acquire(self) -> None:
        """Wait until it is ours."""
        waiting = False
        while not await self._tried():
            if self.answered and not waiting:
                logger.info("lease.waiting", lease=f"{self._namespace}/{self._name}")
                waiting = True
            await asyncio.sleep(TRY_SECONDS)
        logger.info("lease.acquired", lease=f"{self._namespace}/{self._name}", holder=self._identity)

    async def keep(self) -> None:
        """Renew it. Returns when it is lost: the process must stop working at once."""
        while True:
            await asyncio.sleep(TRY_SECONDS)
            if await self._tried():
                continue
            overdue = (self._clock.now() - self._renewed).total_seconds()
            if self._seen or overdue > DEADLINE_SECONDS:
                logger.error("lease.lost", lease=f"{self._namespace}/{self._name}", seconds=overdue)
                return

    async def release(self) -> None:
        """Let another one begin without waiting. Failing is no harm: it runs out."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                held = await self._to.request("get", self._path)
                if held["spec"].get("holderIdentity") == self._identity:
                    held["spec"] = {**held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._to.request("update", self._path, body=held)
        except (errors.ClusterError, TimeoutError) as error:
            logger.warning("lease.not-released", error=repr(error))

    async def attempt(self) -> bool:
        """Take or renew it, once; whether it is ours now. Raises errors.ClusterError."""
        try:
            found = await self._to.request("get", self._path)
        except errors.NotFound:
            self.answered = True
            await self._to.request("create", connection.path(_KIND, self._namespace), body=self._made())
            return self._ours()
        self.answered = True
        spec = found["spec"]
        holder = spec.get("holderIdentity")
        if holder and holder != self._identity and not self._expired(found):
            return False
        await self._to.request("update", self._path, body={**found, "spec": self._spec(spec)})
        return self._ours()

    async def _tried(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self.attempt()
        except errors.Conflict:  # another one wrote between our two requests; the next attempt sees what
            return False
        except (errors.ClusterError, TimeoutError) as error:
            logger.warning("lease.attempt-failed", error=repr(error))
            return False

    @property
    def _path(self) -> str:
        return connection.path(_KIND, self._namespace, self._name)

    def _ours(self) -> bool:
        self._seen, self._renewed = None, self._clock.now()
        return True

    def _expired(self, found: connection.Object) -> bool:
        version, now = found["metadata"]["resourceVersion"], self._clock.now()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
        promised = found["spec"].get("leaseDurationSeconds") or DURATION_SECONDS
        return (now - self._seen[1]).total_seconds() > promised

    def _made(self) -> connection.Object:
        return {
            "apiVersion": _KIND.api_version,
            "kind": _KIND.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec({}),
        }

    def _spec(self, before: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z")
        ours = before.get("holderIdentity") == self._identity
        return {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": before["acquireTime"] if ours else now,
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (0 if ours or not before else 1),
        }
