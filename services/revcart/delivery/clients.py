"""What delivery asks other services."""

import dataclasses

from revcart.kit import errors, http


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """An order at the moment of pick-up. `dispatchable` is false while a short-picked item is undecided."""

    status: str
    cod_due_paise: int
    dispatchable: bool


class Orders:
    """The order service."""

    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def get(self, order_id: int) -> Order | None:
        """The order as it is now; None when the order service is away, so that a rider at the counter is not stuck."""
        try:
            answer = await self._client.call("order", "GET", f"/internal/orders/{order_id}", timeout=1)
        except errors.DependencyUnavailable:
            return None
        body = answer.json()
        return Order(
            status=body["status"],
            cod_due_paise=body["codDuePaise"],
            dispatchable=body.get("dispatchable", True),
        )
