"""What order sends and gets about stock, as JSON."""

from typing import Self

import pydantic

from revcart.kit import schemas
from revcart.product import reservations


class ReservationLine(schemas.Body):
    """So many of a product."""

    product_id: schemas.Id
    quantity: int = pydantic.Field(ge=1, le=1_000)

    def to_wanted(self) -> reservations.Wanted:
        return reservations.Wanted(product_id=self.product_id, quantity=self.quantity)


class Reserve(schemas.Body):
    """What is to be held for an order."""

    reference: schemas.text(1, 128)
    user_id: schemas.Id
    ttl_seconds: int = pydantic.Field(default=900, ge=60, le=1_800)
    lines: list[ReservationLine] = pydantic.Field(min_length=1, max_length=50)


class Release(schemas.Body):
    """Empty: all of it. With lines: a part, once per `ref`."""

    ref: schemas.text(1, 64) | None = None
    lines: list[ReservationLine] = pydantic.Field(default=[], max_length=50)

    @pydantic.model_validator(mode="after")
    def _a_part_has_a_name(self) -> Self:
        if bool(self.lines) != (self.ref is not None):
            raise ValueError("a part needs both ref and lines")
        return self


class ExportedHold(schemas.Answer):
    """A hold, as its user gets to see it."""

    id: int
    order_id: int | None
    state: reservations.State
    expires_at: schemas.Instant


class Export(schemas.Answer):
    """What product keeps of a user."""

    reservations: list[ExportedHold]


class HeldLine(schemas.Answer):
    """What is held of a product, at the price of the moment it was held."""

    product_id: int
    name: str
    category: str
    price: schemas.Rupees
    weight_grams: int
    image_url: str | None
    quantity: int
    returned: int
    max_per_order: int


class Reservation(schemas.Answer):
    """A hold."""

    id: int
    state: reservations.State
    expires_at: schemas.Instant
    lines: list[HeldLine]

    @classmethod
    def of(cls, hold: reservations.Reservation) -> Self:
        return cls(
            id=hold.id,
            state=hold.state,
            expires_at=hold.expires_at,
            lines=[
                HeldLine(
                    product_id=line.product_id,
                    name=line.snapshot["name"],
                    category=line.snapshot["category"],
                    price=line.snapshot["pricePaise"],
                    weight_grams=line.snapshot["weightGrams"],
                    image_url=line.snapshot["imageUrl"],
                    quantity=line.quantity,
                    returned=line.returned,
                    max_per_order=line.snapshot["maxPerOrder"],
                )
                for line in hold.lines
            ],
        )
