"""Calls to other services, one class per callee."""

from collections.abc import Mapping
from typing import Any

from revcart.kit import clock, errors, http
from revcart.notification import domain

ORDER_SECONDS = 1.0  # somebody waits for a subscription


class Users:
    def __init__(self, client: http.Client, clock: clock.Clock) -> None:
        self._client = client
        self._clock = clock

    async def contact(self, user_id: int) -> domain.Contact | None:
        """How a user is reached; None when there is no such user. Raises DependencyUnavailable."""
        try:
            found: dict[str, Any] = (
                await self._client.call("user", "GET", f"/internal/users/{user_id}/contact")
            ).json()
        except errors.Refused as refusal:
            if refusal.answered == 404:
                return None
            raise
        return domain.Contact(
            user_id=user_id,
            email=found["email"],
            email_verified=found["emailVerified"],
            phone=found.get("phone"),
            name=found["name"],
            locale=found.get("locale"),
            role=found["role"],
            at=self._clock.now(),
        )


class Orders:
    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def order(self, order_id: int) -> Mapping[str, Any] | None:
        """`userId`, `orderNumber`, `status` of an order; None when there is none. Raises DependencyUnavailable."""
        try:
            answer = await self._client.call("order", "GET", f"/internal/orders/{order_id}", timeout=ORDER_SECONDS)
        except errors.Refused as refusal:
            if refusal.answered == 404:
                return None
            raise
        found: Mapping[str, Any] = answer.json()
        return found
