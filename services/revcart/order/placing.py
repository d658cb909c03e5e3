"""Placing an order, top to bottom: prepare, reserve, price, one transaction, begin the payment.

Any failure before the commit gives the goods back and keeps nothing; none after it takes the order away.
"""

import contextlib
import dataclasses
import datetime as dt
import hashlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic import alias_generators

from revcart.kit import auth, clock, errors, idempotency, money, pricing, telemetry
from revcart.order import clients, coupons, domain, events, refusals, schemas, slots, store
from revcart.order.ports import Ports

ROUTE = "POST /api/orders"

log = telemetry.get_logger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """The JSON answer of a checkout; `replayed`: it is that of an earlier try."""

    body: dict[str, Any]
    replayed: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """Everything about an order that is known before goods are held."""

    user_id: int
    cart: clients.Cart
    contact: clients.Contact
    address: domain.Address
    slot: slots.Slot | None
    coupon: coupons.Coupon | None


async def place_order(*, command: domain.PlaceOrder, user: auth.User, key: str, ports: Ports) -> Answer:
    """Place what is in the user's cart; once per `key`. Raises refusals.PLACING, DependencyUnavailable."""
    async with ports.store.idempotent(
        caller=f"user:{user.id}", route=ROUTE, key=key, fingerprint=command.fingerprint
    ) as claim:
        if claim.replay is not None:
            return Answer(body=claim.replay[1], replayed=True)
        draft = await prepare(command=command, user=user, ports=ports)
        reference = hashlib.sha256(f"user:{user.id}\n{key}".encode()).hexdigest()
        async with _reserved(draft, reference=reference, ports=ports) as reservation:
            quote = _price(draft, reservation, command=command, ports=ports)
            order = await _commit(draft, reservation, quote=quote, command=command, claim=claim, ports=ports)
        return await _begun(order, claim=claim, ports=ports)


async def prepare(*, command: domain.PlaceOrder, user: auth.User, ports: Ports) -> Draft:
    """Read what is needed, and refuse early what cannot become an order. Raises refusals.PLACING."""
    cart = await ports.carts.get(user.id)
    if not cart.lines:
        raise refusals.CartEmpty
    address, contact = await whereto(command=command, user=user, ports=ports)
    if not await ports.deliveries.serves(address):
        raise refusals.AddressNotServed(f"We do not deliver to {address.postal_code} yet.")
    async with ports.store.read() as tx:
        slot = None if command.slot_id is None else await open_slot(tx, command.slot_id, now=ports.clock.now())
        coupon = await wanted_coupon(tx, command.coupon_code or cart.coupon_code)
    wishes = tuple(
        dataclasses.replace(line, substitution=command.substitutions.get(line.product_id, line.substitution))
        for line in cart.lines
    )
    return Draft(
        user_id=user.id,
        cart=dataclasses.replace(cart, lines=wishes),
        contact=contact,
        address=address,
        slot=slot,
        coupon=coupon,
    )


async def whereto(
    *, command: domain.PlaceOrder, user: auth.User, ports: Ports
) -> tuple[domain.Address, clients.Contact]:
    """The address, typed or from the book, and who lives there. Raises AddressUnknown (422)."""
    if command.address_id is not None:
        given = await ports.users.address(user.id, command.address_id)
        names = {field.name for field in dataclasses.fields(domain.Address)}
        values: dict[str, Any] = {name: given.get(alias_generators.to_camel(name)) for name in names}
        values["country"] = values["country"] or "IN"
    else:
        assert command.address is not None
        values = dict(command.address)
    try:
        contact = await ports.users.contact(user.id)
    except errors.DependencyUnavailable:
        if not (values["name"] and values["phone"]):
            raise
        contact = clients.Contact(str(values["name"]), user.email, str(values["phone"]))
    values["name"] = values["name"] or contact.name
    values["phone"] = values["phone"] or contact.phone or ""
    if not values["phone"]:
        raise errors.InvalidRequest(
            "The address needs a telephone number.", items=[errors.Item("#/address/phone", "is needed")]
        )
    return domain.Address(**values), contact


async def wanted_coupon(tx: store.Transaction, code: str | None) -> coupons.Coupon | None:
    """Raises CouponUnknown (422)."""
    if code is None:
        return None
    coupon = await tx.coupon_by_code(code)
    if coupon is None:
        raise refusals.CouponUnknown(f"There is no coupon {code}.")
    return coupon


async def open_slot(tx: store.Transaction, slot_id: int, *, now: dt.datetime) -> slots.Slot:
    """Raises SlotFull, SlotClosed (409)."""
    slot = await tx.slot(slot_id)
    if slot is None:
        raise refusals.SlotClosed("There is no such delivery slot.")
    slot.check(now)
    return slot


@contextlib.asynccontextmanager
async def _reserved(draft: Draft, *, reference: str, ports: Ports) -> AsyncIterator[clients.Reservation]:
    """The goods, held for the block; given back when an error leaves it."""
    reservation = await ports.stock.reserve(
        reference=reference,
        user_id=draft.user_id,
        seconds=ports.config.order_unpaid_seconds,
        lines=draft.cart.lines,
    )
    try:
        yield reservation
    except idempotency.InProgress:
        raise  # another try of this key took over, and with the same reference the same goods
    except errors.DependencyUnavailable:
        raise  # the database left before it said whether it committed: an order keeps its goods, without one they lapse
    except BaseException:
        await ports.stock.release(reservation.id)
        raise


def _price(
    draft: Draft,
    reservation: clients.Reservation,
    *,
    command: domain.PlaceOrder,
    ports: Ports,
) -> pricing.Quote:
    lines = [pricing.Line(unit_price_paise=line.price_paise, quantity=line.quantity) for line in reservation.lines]
    discount = draft.coupon.discount if draft.coupon else None
    quote = pricing.price(lines=lines, discount=discount, rules=ports.rules)
    check_limits(quote, payment_method=command.payment_method, ports=ports)
    if command.expected_total_paise not in (None, quote.total_paise):
        raise refusals.PriceChanged(f"It costs {money.text(quote.total_paise)} now.", quote=in_rupees(quote))
    return quote


def check_limits(quote: pricing.Quote, *, payment_method: domain.PaymentMethod, ports: Ports) -> None:
    """Raises BelowMinimum, CodLimit (422)."""
    if quote.subtotal_paise < ports.rules.minimum_order_paise:
        raise refusals.BelowMinimum(f"An order starts at {money.text(ports.rules.minimum_order_paise)}.")
    limit = ports.config.order_cod_limit_paise
    if payment_method == "COD" and quote.total_paise > limit:
        raise refusals.CodLimit(f"Cash on delivery goes up to {money.text(limit)}; please pay online.")


def in_rupees(quote: pricing.Quote) -> dict[str, Any]:
    """The quote as the API shows it."""
    return {
        "subtotal": money.to_rupees(quote.subtotal_paise),
        "discount": money.to_rupees(quote.discount_paise),
        "tax": money.to_rupees(quote.tax_paise),
        "deliveryFee": money.to_rupees(quote.delivery_fee_paise),
        "total": money.to_rupees(quote.total_paise),
    }


async def _commit(
    draft: Draft,
    reservation: clients.Reservation,
    *,
    quote: pricing.Quote,
    command: domain.PlaceOrder,
    claim: idempotency.Claim,
    ports: Ports,
) -> domain.Order:
    """Order, items, history, seat, coupon use, event and the key's answer: all or none."""
    async with ports.store.transaction() as tx:
        await tx.idempotency.hold(claim)
        values = await _values(tx, draft, reservation, quote=quote, command=command, ports=ports)
        order = await tx.add_order(values, _items(draft.cart, reservation.lines))
        if draft.slot is not None:
            await tx.take_seat(draft.slot.id)
        if draft.coupon is not None:
            await tx.use_coupon(
                draft.coupon, order_id=order.id, user_id=order.user_id, subtotal_paise=quote.subtotal_paise
            )
        placed = domain.Step(
            from_=None,
            to=order.status,
            action=domain.Action.PLACE,
            actor=domain.Actor(domain.Kind.USER, draft.user_id),
            reason=None,
            at=order.created_at,
        )
        await tx.add_step(order.id, placed)
        await tx.outbox.add(events.OrderCreated.of(order))
        await tx.idempotency.keep(claim, status=201, body=_answer(order, None, ports))
    log.info("order.placed", orderId=order.id, totalPaise=order.total_paise, method=order.payment_method)
    return order


async def _begun(order: domain.Order, *, claim: idempotency.Claim, ports: Ports) -> Answer:
    """The order is placed; its payment may fail to begin and is begun later then, by the customer or by us (COD)."""
    payment = await ports.payments.begin(order)
    body = _answer(order, payment, ports)
    if payment is not None:
        async with ports.store.transaction() as tx:
            await tx.idempotency.amend(claim, body=body)
    return Answer(body=body, replayed=False)


async def _values(
    tx: store.Transaction,
    draft: Draft,
    reservation: clients.Reservation,
    *,
    quote: pricing.Quote,
    command: domain.PlaceOrder,
    ports: Ports,
) -> dict[str, Any]:
    now = ports.clock.now()
    express = now, now + dt.timedelta(minutes=ports.config.order_express_minutes)
    start, end = (draft.slot.starts_at, draft.slot.ends_at) if draft.slot else express
    return {
        "order_number": await tx.free_number(clock.business_day(now, ports.config.timezone)),
        "user_id": draft.user_id,
        "status": domain.Status.PENDING,
        "payment_method": command.payment_method,
        "payment_status": "PENDING",
        **dataclasses.asdict(quote),
        "coupon_id": draft.coupon.id if draft.coupon else None,
        "coupon_code": draft.coupon.code if draft.coupon else None,
        "reservation_id": reservation.id,
        "slot_id": draft.slot.id if draft.slot else None,
        "window_start": start,
        "window_end": end,
        "address": dataclasses.asdict(draft.address),
        "customer_name": draft.contact.name,
        "customer_email": draft.contact.email,
        "customer_phone": draft.contact.phone or draft.address.phone,
        "instructions": command.instructions,
        "expires_at": reservation.expires_at,
    }


def _items(cart: clients.Cart, reserved: Sequence[clients.Reserved]) -> list[dict[str, Any]]:
    wishes = {line.product_id: line.substitution for line in cart.lines}
    return [
        {
            "product_id": line.product_id,
            "product_name": line.name,
            "category": line.category,
            "image_url": line.image_url,
            "weight_grams": line.weight_grams,
            "price_paise": line.price_paise,
            "quantity": line.quantity,
            "line_paise": line.price_paise * line.quantity,
            "substitution": wishes.get(line.product_id, "REFUND_ITEM"),
        }
        for line in reserved
    ]


def _answer(order: domain.Order, payment: Any, ports: Ports) -> dict[str, Any]:
    minutes = ports.config.order_cancel_cutoff_minutes
    return schemas.placed(order, payment=payment, now=ports.clock.now(), cut_off_minutes=minutes)
