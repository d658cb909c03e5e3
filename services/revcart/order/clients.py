"""The services that order calls: one small class each. Every call has a time limit; none runs inside a transaction."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from revcart.kit import clock, errors, http, money, telemetry
from revcart.order import domain, refusals

log = telemetry.get_logger(__name__)


@dataclasses.dataclass(frozen=True)
class CartLine:
    product_id: int
    quantity: int
    substitution: domain.Substitution


@dataclasses.dataclass(frozen=True)
class Cart:
    lines: tuple[CartLine, ...]
    coupon_code: str | None


class Carts:
    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def get(self, user_id: int) -> Cart:
        """What the user means to buy; empty when there is no cart."""
        answer = (await self._client.call("cart", "GET", f"/internal/carts/{user_id}")).json()
        lines = tuple(
            CartLine(line["productId"], line["quantity"], line.get("substitution") or "REFUND_ITEM")
            for line in answer["lines"]
        )
        return Cart(lines, answer.get("couponCode"))


@dataclasses.dataclass(frozen=True)
class Contact:
    name: str
    email: str
    phone: str | None


class Users:
    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def contact(self, user_id: int) -> Contact:
        answer = (await self._client.call("user", "GET", f"/internal/users/{user_id}/contact")).json()
        return Contact(answer["name"], answer["email"], answer.get("phone"))

    async def address(self, user_id: int, address_id: int) -> Mapping[str, Any]:
        """An address of the user's book, as its owner keeps it. Raises AddressUnknown (422)."""
        try:
            answer = await self._client.call("user", "GET", f"/internal/users/{user_id}/addresses/{address_id}")
        except errors.Refused as refused:
            if refused.answered == 404:
                raise refusals.AddressUnknown from refused
            raise
        found: Mapping[str, Any] = answer.json()
        return found


class Deliveries:
    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def serves(self, address: domain.Address) -> bool:
        """Whether the address is in the area; yes while delivery is away, whose agents will see."""
        if address.lat is not None and address.lng is not None:
            params: dict[str, object] = {"lat": address.lat, "lng": address.lng}
        else:
            params = {"postalCode": address.postal_code}
        try:
            answer = await self._client.call("delivery", "GET", "/internal/serviceability", params=params, timeout=1)
        except errors.DependencyUnavailable:
            log.warning("order.serviceability-unknown")
            return True
        return bool(answer.json()["serviceable"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reserved:
    """A line of a reservation: the price is that of the moment of reserving."""

    product_id: int
    name: str
    category: str | None
    price_paise: int
    weight_grams: int
    image_url: str | None
    quantity: int


@dataclasses.dataclass(frozen=True)
class Reservation:
    id: int
    expires_at: dt.datetime
    lines: tuple[Reserved, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Product:
    """A product as it is offered now."""

    id: int
    name: str
    price_paise: int
    available: int
    max_per_order: int
    active: bool


class Stock:
    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def products(self, ids: Sequence[int]) -> dict[int, Product]:
        """The products of these ids, as many as are known."""
        if not ids:
            return {}
        params = {"ids": ",".join(str(product_id) for product_id in ids)}
        answer = await self._client.call("product", "GET", "/internal/products", params=params)
        return {
            card["id"]: Product(
                id=card["id"],
                name=card["name"],
                price_paise=money.from_rupees(card["price"]),
                available=card["stock"],
                max_per_order=card["maxPerOrder"],
                active=card["active"],
            )
            for card in answer.json()
        }

    async def reserve(
        self,
        *,
        reference: str,
        user_id: int,
        seconds: int,
        lines: Sequence[CartLine],
    ) -> Reservation:
        """Hold all lines or none. May be repeated: the same `reference` is the same reservation.

        Raises product's refusals: 409 `stock.insufficient`, `product.unavailable`.
        """
        body = {
            "reference": reference,
            "userId": user_id,
            "ttlSeconds": seconds,
            "lines": [{"productId": line.product_id, "quantity": line.quantity} for line in lines],
        }
        path = "/internal/stock/reservations"
        answer = (await self._client.call("product", "POST", path, json=body, idempotent=True)).json()
        reserved = tuple(
            Reserved(
                product_id=line["productId"],
                name=line["name"],
                category=line.get("category"),
                price_paise=money.from_rupees(line["price"]),
                weight_grams=line["weightGrams"],
                image_url=line.get("imageUrl"),
                quantity=line["quantity"],
            )
            for line in answer["lines"]
        )
        return Reservation(answer["id"], clock.from_text(answer["expiresAt"]), reserved)

    async def commit(self, reservation_id: int) -> bool:
        """The goods are sold. False: the hold had lapsed, and they are gone."""
        try:
            await self._decide(reservation_id, "commit")
        except errors.Refused as refused:
            log.warning("order.reservation-lost", reservationId=reservation_id, code=refused.answered_code)
            return False
        return True

    async def release(self, reservation_id: int) -> None:
        """Give the goods back; if it fails, the event or product's sweeper does it."""
        try:
            await self._decide(reservation_id, "release")
        except (errors.DependencyUnavailable, errors.Refused) as error:
            log.warning("order.release-left-to-events", reservationId=reservation_id, reason=error.detail)

    async def _decide(self, reservation_id: int, verb: str) -> None:
        path = f"/internal/stock/reservations/{reservation_id}/{verb}"
        await self._client.call("product", "POST", path, json={}, idempotent=True)


class Payments:
    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def begin(self, order: domain.Order) -> Mapping[str, Any] | None:
        """Open the payment, or get the open one again; None while payment or Razorpay is away."""
        body = {
            "orderId": order.id,
            "orderNumber": order.order_number,
            "userId": order.user_id,
            "method": order.payment_method,
            "amountPaise": order.total_paise,
            "expiresAt": clock.to_text(order.expires_at),
        }
        try:
            answer = await self._client.call(
                "payment", "POST", "/internal/payments", json=body, idempotent=True, timeout=4
            )
        except (errors.DependencyUnavailable, errors.Refused) as error:
            log.warning("order.payment-not-begun", orderId=order.id, reason=error.detail)
            return None
        begun: Mapping[str, Any] = answer.json()
        return begun

    async def close(self, order_id: int) -> bool:
        """Take no more money for the order. True: it was paid, a moment before."""
        path = f"/internal/payments/{order_id}/close"
        try:
            answer = await self._client.call("payment", "POST", path, json={}, idempotent=True)
        except (errors.DependencyUnavailable, errors.Refused) as error:
            # Its order.expired reaches payment all the same, and money that comes later goes back.
            log.warning("order.payment-not-closed", orderId=order_id, reason=error.detail)
            return False
        return bool(answer.json()["result"] == "PAID")
