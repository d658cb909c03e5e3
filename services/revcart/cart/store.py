"""Carts in Redis: read whole, written by the scripts of `scripts`. A read never prolongs a cart's life."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from revcart.cart import domain, scripts
from revcart.kit import cache, clock, events

_INBOX_SECONDS = 1_296_000  # 15 d, longer than any topic keeps the event
_PRODUCT = pydantic.TypeAdapter(domain.Product)
_COUPON = pydantic.TypeAdapter(domain.Coupon)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """Quantities before and after a write. `changes`: what a merge had to leave out."""

    before: int
    after: int
    changes: tuple[domain.Change, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal:
    """A write that changed nothing: `unknown`, `line-limit`, `quantity-limit`, `stock`, `merged` or `taken`."""

    why: str


class Store:
    """The carts. `seconds`: how long one lives after its last write. All methods raise DependencyUnavailable."""

    def __init__(self, cache: cache.Cache, *, clock: clock.Clock, seconds: int) -> None:
        self._cache = cache
        self._clock = clock
        self.seconds = seconds

    async def get(self, owner: domain.Owner) -> domain.Cart:
        """The cart, an empty one if there is none."""
        if owner.key is None:
            return domain.Cart()
        flat: Sequence[bytes] = await self._cache.eval(scripts.READ, keys=[owner.key])
        fields = {name.decode(): json.loads(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
        meta = fields.pop("meta", None)
        if meta is None:
            return domain.Cart()
        lines = [_line(int(number), fields[number]) for number in fields]
        return domain.Cart(
            lines=tuple(sorted(lines, key=lambda line: (line.added_at, line.product_id))),
            coupon=_COUPON.validate_json(meta["coupon"]) if meta.get("coupon") else None,
            version=meta["version"],
            updated_at=clock.from_text(meta["updatedAt"]),
        )

    async def add(
        self,
        owner: domain.Owner,
        *,
        product_id: int,
        quantity: int,
        substitution: domain.Substitution | None,
        product: domain.Product,
    ) -> Written | Refusal:
        """So many more of a product."""
        limits = (domain.MOST_LINES, product.most, product.available)
        return await self._write(
            owner, scripts.ADD, product_id, quantity, substitution or "", *_offer(product), *limits
        )

    async def set(
        self,
        owner: domain.Owner,
        *,
        product_id: int,
        quantity: int,
        substitution: domain.Substitution | None,
        product: domain.Product,
    ) -> Written | Refusal:
        """So many of a product that is there."""
        limits = (product.most, product.available)
        return await self._write(
            owner, scripts.SET, product_id, quantity, substitution or "", *_offer(product), *limits
        )

    async def remove(self, owner: domain.Owner, *, product_id: int) -> Written | Refusal:
        return await self._write(owner, scripts.REMOVE, product_id)

    async def clear(self, owner: domain.Owner) -> Written | Refusal:
        return await self._write(owner, scripts.CLEAR)

    async def set_coupon(self, owner: domain.Owner, coupon: domain.Coupon | None) -> Written | Refusal:
        return await self._write(owner, scripts.COUPON, _COUPON.dump_json(coupon) if coupon else "")

    async def merge(
        self,
        owner: domain.Owner,
        *,
        session: str,
        guest: domain.Cart,
        offered: Mapping[int, domain.Product],
    ) -> Written | Refusal:
        """Add a guest's lines to a user's, once per session. `offered`: the products of the guest's lines."""
        arguments: list[Any] = []
        for line in guest.lines:
            product = offered[line.product_id]
            most = min(product.most, max(product.available, 0)) if product.active else -1
            price = line.price_when_added_paise
            known = _PRODUCT.dump_json(product)
            arguments += [line.product_id, line.quantity, line.substitution, price, known, most]
        coupon = _COUPON.dump_json(guest.coupon) if guest.coupon else ""
        return await self._write(owner, scripts.MERGE, session, domain.MOST_LINES, coupon, *arguments)

    async def take(
        self,
        owner: domain.Owner,
        *,
        event_id: str,
        quantities: Mapping[int, int],
        coupon_code: str | None,
    ) -> Written | Refusal:
        """Take what was ordered out. Raises events.Repeated when this event did so before.

        The cart itself remembers the event in the same script, since a crash may come before the inbox is written; the
        inbox outlives the cart.
        """
        inbox = f"inbox:cart:{event_id}"
        if await self._cache.get(inbox) is not None:
            raise events.Repeated(event_id)
        arguments = [part for number, quantity in quantities.items() for part in (number, quantity)]
        written = await self._write(owner, scripts.TAKE, event_id, coupon_code or "", *arguments)
        await self._cache.set(inbox, "1", ttl=_INBOX_SECONDS)
        return written

    async def drop(self, owner: domain.Owner) -> None:
        """Forget a cart altogether."""
        if owner.key is not None:
            await self._cache.delete(owner.key)

    def expires_at(self, cart: domain.Cart) -> dt.datetime | None:
        """When the cart goes unless it is written."""
        return None if cart.updated_at is None else cart.updated_at + dt.timedelta(seconds=self.seconds)

    async def _write(self, owner: domain.Owner, script: str, *arguments: Any) -> Written | Refusal:
        assert owner.key is not None, "a guest who writes has a session"
        now = clock.to_text(self._clock.now())
        answer = json.loads(await self._cache.eval(script, keys=[owner.key], args=[now, self.seconds, *arguments]))
        if "refusal" in answer:
            return Refusal(why=answer["refusal"])
        changes = tuple(_change(change) for change in answer.get("changes", ()))
        return Written(before=answer["before"], after=answer["after"], changes=changes)


def _offer(product: domain.Product) -> tuple[int, bytes]:
    return product.price_paise, _PRODUCT.dump_json(product)


def _line(product_id: int, fields: Mapping[str, Any]) -> domain.Line:
    return domain.Line(
        product_id=product_id,
        quantity=fields["quantity"],
        substitution=fields["substitution"],
        price_when_added_paise=fields["priceWhenAddedPaise"],
        added_at=clock.from_text(fields["addedAt"]),
        known=_PRODUCT.validate_json(fields["known"]),
    )


def _change(fields: Mapping[str, Any]) -> domain.Change:
    number = fields.get("productId")
    return domain.Change(
        kind=fields["kind"],
        product_id=None if number is None else int(number),
        before=fields.get("before"),
        after=fields.get("after"),
    )
