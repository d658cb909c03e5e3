"""The services that cart asks: product for prices and stock, order for coupons."""

from collections.abc import Sequence

from revcart.cart import domain
from revcart.kit import clock, http, money


class Products:
    """What is sold, at which price."""

    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def get(self, ids: Sequence[int]) -> dict[int, domain.Product]:
        """The products of these ids (at most 100), as many as are known. Raises DependencyUnavailable."""
        if not ids:
            return {}
        params = {"ids": ",".join(str(number) for number in ids)}
        answer = await self._client.call("product", "GET", "/internal/products", params=params)
        return {
            card["id"]: domain.Product(
                name=card["name"],
                category=card["category"],
                image_url=card["imageUrl"],
                unit=card["unit"],
                pack_size=card["packSize"],
                price_paise=money.from_rupees(card["price"]),
                available=card["stock"],
                max_per_order=card["maxPerOrder"],
                active=card["active"],
            )
            for card in answer.json()
        }


class Coupons:
    """Whether a coupon holds."""

    def __init__(self, client: http.Client) -> None:
        self._client = client

    async def check(self, *, code: str, user_id: int | None, subtotal_paise: int) -> domain.Coupon:
        """Its terms. Raises order's refusals (409, 422) as they are, DependencyUnavailable."""
        body = {"code": code, "userId": user_id, "subtotalPaise": subtotal_paise}
        answer = await self._client.call("order", "POST", "/internal/coupons/check", json=body, idempotent=True)
        terms = answer.json()
        return domain.Coupon(
            code=terms["code"],
            description=terms["description"],
            discount_type=terms["discountType"],
            discount_value=terms["discountValue"],
            min_order_paise=terms["minOrderPaise"],
            max_discount_paise=terms["maxDiscountPaise"],
            valid_until=clock.from_text(terms["validUntil"]),
        )
