"""Webhooks: each change is written in the change's transaction, signed, and sent until it is taken or a day is over."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import aiohttp
import aiosqlite

from revcart.kit import clock
from revcart.paysim import domain, faults, store

_ACCOUNT = "acc_RevCartPaysim1"
_ANSWER_SECONDS = 5.0
_GIVE_UP_SECONDS = 24 * 3600.0
_LONGEST_WAIT_SECONDS = 3600.0
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where webhooks go and what signs them; an empty `url` logs them only."""

    url: str
    secret: str
    first_wait_seconds: float


class Sender:
    """Writes webhooks to the store and delivers what is due."""

    def __init__(
        self,
        *,
        target: Target,
        store: store.Store,
        faults: faults.Faults,
        clock: clock.Clock,
    ) -> None:
        self._target = target
        self._store = store
        self._faults = faults
        self._clock = clock
        self._wake = asyncio.Event()
        self._written = 0

    def wake(self) -> None:
        self._wake.set()

    async def add(self, tx: store.Transaction, event: str, **entities: domain.Entity) -> None:
        """Put an event about `entities` (name to Razorpay entity) in the log, to be sent after the commit."""
        now = self._clock.now().timestamp()
        body = {
            "entity": "event",
            "account_id": _ACCOUNT,
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": entity} for name, entity in entities.items()},
            "created_at": int(now),
        }
        self._written += 1
        wait = float(self._faults.take("webhookDelayMs") or 0) / 1000
        if self._faults.take("webhookReorder") and self._written % 2:
            wait += 0.5  # every other event is overtaken by its successor
        state = "pending" if self._target.url else "unsent"
        if self._faults.take("webhookDrop"):
            state = "dropped"
        await tx.add_webhook(
            event_id=domain.new_token(),
            event=event,
            body=json.dumps(body),
            state=state,
            now=now,
            at=now + wait,
        )

    async def run(self) -> None:
        """Deliver for ever; up to eight at a time, so that one slow answer does not hold the others back."""
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                self._wake.clear()
                async with self._store.transaction() as tx:
                    due = await tx.due_webhooks(now=self._clock.now().timestamp(), limit=_AT_ONCE)
                    next_at = await tx.next_webhook_at()
                if due:
                    await asyncio.gather(*(self._deliver(session, webhook) for webhook in due))
                    continue
                wait = 1.0 if next_at is None else min(1.0, max(0.01, next_at - self._clock.now().timestamp()))
                await clock.wait(self._wake, wait)

    async def _deliver(self, session: aiohttp.ClientSession, webhook: aiosqlite.Row) -> None:
        status, error = await self._send(session, webhook)
        if self._faults.take("webhookDuplicate"):
            await self._send(session, webhook)
        now = self._clock.now().timestamp()
        taken = status is not None and 200 <= status < 300
        over = now - webhook["created_at"] > _GIVE_UP_SECONDS
        wait = min(
            self._target.first_wait_seconds * 2 ** webhook["tries"],
            _LONGEST_WAIT_SECONDS,
        )
        async with self._store.transaction() as tx:
            await tx.webhook_tried(
                webhook["id"],
                state="delivered" if taken else ("failed" if over else "pending"),
                next_at=None if taken or over else now + wait,
                status=status,
                error=error,
            )

    async def _send(self, session: aiohttp.ClientSession, webhook: aiosqlite.Row) -> tuple[int | None, str | None]:
        body = webhook["body"].encode()
        forged = self._faults.take("webhookBadSignature")
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Razorpay-Webhook/v1",
            "X-Razorpay-Signature": domain.sign(secret="forged" if forged else self._target.secret, message=body),
        }
        if not self._faults.take("webhookNoEventId"):
            headers["x-razorpay-event-id"] = webhook["id"]
        try:
            async with session.post(self._target.url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status, None
        except (aiohttp.ClientError, TimeoutError) as error:
            return None, type(error).__name__
