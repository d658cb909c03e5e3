"""What payment reads of Razorpay's JSON, by API and by webhook, and the facts it makes of it."""

import datetime as dt
import json
from typing import Any, Literal, TypeVar

import pydantic

from revcart.kit import errors
from revcart.payment import domain

_PERSONAL = ("email", "contact", "vpa", "card", "card_id", "token_id", "customer_id", "notes", "bank_account_id")


class Entity(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)


class Order(Entity):
    id: str = pydantic.Field(max_length=40)
    amount: int
    currency: str
    receipt: str | None = None


class Payment(Entity):
    id: str = pydantic.Field(max_length=40)
    order_id: str | None = pydantic.Field(default=None, max_length=40)
    amount: int
    currency: str
    status: Literal["created", "authorized", "captured", "refunded", "failed"]
    amount_refunded: int | None = 0
    method: str | None = None
    error_code: str | None = None
    error_description: str | None = None
    created_at: int = 0

    def fact(self, *, via: domain.Via, at: dt.datetime) -> domain.Fact | None:
        """None for `created`, which says nothing about money. A refunded payment was captured."""
        statuses = {
            "authorized": domain.AttemptStatus.AUTHORIZED,
            "captured": domain.AttemptStatus.CAPTURED,
            "refunded": domain.AttemptStatus.CAPTURED,
            "failed": domain.AttemptStatus.FAILED,
        }
        if self.status not in statuses:
            return None
        return domain.Fact(
            via=via,
            status=statuses[self.status],
            amount_paise=self.amount,
            currency=self.currency,
            instrument=self.method and self.method[:20],
            razorpay_payment_id=self.id,
            razorpay_order_id=self.order_id,
            error_code=self.error_code and self.error_code[:64],
            error_description=self.error_description and self.error_description[:255],
            at=at,
        )


class Refund(Entity):
    id: str = pydantic.Field(max_length=40)
    payment_id: str = pydantic.Field(max_length=40)
    amount: int
    status: Literal["pending", "processed", "failed"]
    receipt: str | None = None

    def fact(self) -> domain.RefundFact:
        return domain.RefundFact(
            razorpay_refund_id=self.id,
            razorpay_payment_id=self.payment_id,
            receipt=self.receipt,
            amount_paise=self.amount,
            status=domain.RefundStatus(self.status.upper()),
        )


E = TypeVar("E", bound=Entity)


class Webhook(Entity):
    """A webhook's body: `payload` maps names (`payment`, `refund`, `order`) to `{"entity": …}`."""

    event: str = pydantic.Field(min_length=1, max_length=64)
    payload: dict[str, dict[str, Any]] = {}

    @classmethod
    def parse(cls, raw: bytes) -> "Webhook":
        """Raises MalformedRequest (400)."""
        try:
            return cls.model_validate_json(raw)
        except pydantic.ValidationError as error:
            raise errors.MalformedRequest("The body is no Razorpay event.") from error

    @property
    def entity_id(self) -> str:
        """Id of the thing the event is named after, e.g. the refund of `refund.processed`."""
        entity = self.payload.get(self.event.split(".")[0], {}).get("entity", {})
        return str(entity.get("id", ""))[:64] if isinstance(entity, dict) else ""

    def payment(self) -> Payment:
        """Raises MalformedRequest (400)."""
        return self._read("payment", Payment)

    def refund(self) -> Refund:
        """Raises MalformedRequest (400)."""
        return self._read("refund", Refund)

    def _read(self, name: str, kind: type[E]) -> E:
        try:
            return kind.model_validate(self.payload.get(name, {}).get("entity"))
        except pydantic.ValidationError as error:
            raise errors.MalformedRequest(f"The event has no readable {name}.") from error

    def kept(self) -> str:
        """The body as it is stored: without what is personal."""
        payload = {name: _impersonal(part.get("entity")) for name, part in self.payload.items()}
        return json.dumps({"event": self.event, "payload": payload})


def _impersonal(entity: Any) -> Any:
    if not isinstance(entity, dict):
        return None
    return {name: value for name, value in entity.items() if name not in _PERSONAL}
