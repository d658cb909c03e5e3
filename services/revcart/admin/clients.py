"""Calls to the owners of the data, always with the ADMIN's own token: the owner checks the role again."""

from collections.abc import Mapping
from typing import Any

from revcart.admin import domain
from revcart.kit import errors, http, idempotency

_SECONDS = 2.0
_PASSED_BACK = ("etag", "location", "content-type", "idempotency-replayed")


class Owners:
    """The services that own what admin shows."""

    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def get(self, actor: domain.Actor, service: str, path: str, **params: Any) -> http.Answer:
        """Raises Refused (4xx of the owner), DependencyUnavailable."""
        return await self._client.call(service, "GET", path, params=params, bearer=actor.token, timeout=_SECONDS)

    async def read(self, actor: domain.Actor, service: str, path: str, **params: Any) -> Any:
        """The JSON of `get`."""
        return (await self.get(actor, service, path, **params)).json()

    async def read_or_none(self, actor: domain.Actor, service: str, path: str, **params: Any) -> Any:
        """As `read`, but None where the owner knows no such thing."""
        try:
            return await self.read(actor, service, path, **params)
        except errors.Refused as refusal:
            if refusal.answered == 404:
                return None
            raise

    async def perform(self, actor: domain.Actor, change: domain.Change) -> http.Answer:
        """Make the change. Raises Refused, DependencyUnavailable; a change with a key may be sent twice."""
        return await self._client.call(
            change.service,
            change.method,
            change.path,
            json=change.body,
            params=change.params,
            headers=change.headers,
            bearer=actor.token,
            timeout=_SECONDS,
            idempotent=True if idempotency.HEADER in change.headers else None,
        )


def passed_back(answer: http.Answer) -> Mapping[str, str]:
    """The headers of an owner's answer that the caller sees."""
    return {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
