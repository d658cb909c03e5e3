"""Calls to other services."""

from collections.abc import Sequence

import pydantic
from pydantic import alias_generators

from revcart.kit import errors, http, schemas


class Order(pydantic.BaseModel):
    """What payment reads of an order."""

    model_config = pydantic.ConfigDict(alias_generator=alias_generators.to_camel, populate_by_name=True, extra="ignore")

    id: int
    order_number: str
    user_id: int
    status: str
    payment_method: str
    total_paise: int
    cod_due_paise: int | None = None
    expires_at: schemas.Instant | None = None


class RefundLine(schemas.Body):
    """Units of an order's item that go back."""

    item_id: schemas.Id
    quantity: int = pydantic.Field(ge=1, le=1000)


class Orders:
    """The service order."""

    def __init__(self, http: http.Client) -> None:
        self._http = http

    async def get(self, order_id: int) -> Order:
        """Raises NotFound (404), DependencyUnavailable (503)."""
        try:
            answer = await self._http.call("order", "GET", f"/internal/orders/{order_id}")
        except errors.Refused as refused:
            if refused.answered == 404:
                raise errors.NotFound from refused
            raise
        return Order.model_validate(answer.json())

    async def refund_quote(self, order_id: int, lines: Sequence[RefundLine]) -> int:
        """What these lines are worth, in paise, with their share of discount and tax. Passes order's refusals on."""
        answer = await self._http.call(
            "order",
            "POST",
            f"/internal/orders/{order_id}/refund-quote",
            json={"lines": [line.model_dump(by_alias=True) for line in lines]},
            idempotent=True,
        )
        return int(answer.json()["amountPaise"])
