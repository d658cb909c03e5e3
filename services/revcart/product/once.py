"""Requests that may carry an Idempotency-Key: with one, a repeat gets the first answer; without, each acts."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from revcart.kit import auth, idempotency
from revcart.product import flow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Key:
    """An Idempotency-Key with the fingerprint of its request."""

    value: str
    fingerprint: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
    """An answer, JSON-ready. `is_replay`: it was made by an earlier request with the same key."""

    status: int
    body: Any
    is_replay: bool = False


def replay_of(claim: idempotency.Claim | None) -> Made | None:
    """The answer that is kept for the key, None where the work is still to be done."""
    if claim is None or claim.replay is None:
        return None
    status, body = claim.replay
    return Made(status=status, body=body, is_replay=True)


@contextlib.asynccontextmanager
async def claimed(
    key: Key | None,
    *,
    user: auth.User,
    route: str,
    ports: flow.Ports,
) -> AsyncIterator[idempotency.Claim | None]:
    """Hold the key for the block, None without one. Raises KeyReused (422), InProgress (409)."""
    if key is None:
        yield None
        return
    async with ports.store.idempotent(
        caller=f"user:{user.id}",
        route=route,
        key=key.value,
        fingerprint=key.fingerprint,
    ) as claim:
        yield claim
