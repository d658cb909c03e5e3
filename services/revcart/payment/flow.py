"""The use cases of payment: begin, verify, look, close, settle cash, and what order and delivery tell."""

import asyncio
import dataclasses
import datetime as dt
from typing import Any

from revcart.kit import auth, errors, events, idempotency, pages, telemetry
from revcart.payment import clients, domain, learning, razorpay, reconciler, refunds, signatures, store
from revcart.payment import events as published
from revcart.payment import ports as all_ports

Ports = all_ports.Ports
log = telemetry.get_logger(__name__)

_OPENING = dt.timedelta(seconds=15)  # longer than two calls to Razorpay take
_LOOKS, _LOOK_SECONDS = 20, 0.2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """A payment with its attempts and refunds."""

    payment: domain.Payment
    attempts: list[domain.Attempt]
    refunds: list[domain.Refund]


async def create(
    *, order_id: int, method: domain.Method | None, user: auth.User, ports: Ports
) -> tuple[domain.Payment, bool]:
    """Begin the payment of the caller's order, or give the one under way; whether it is new.

    Raises NotFound (404), NotPayable, AlreadyPaid, OtherMethod (409), DependencyUnavailable (503).
    """
    order = await ports.orders.get(order_id)
    if order.user_id != user.id:
        raise errors.NotFound
    if method is not None and method != order.payment_method:
        raise domain.OtherMethod(f"This order is paid by {order.payment_method}.")
    async with ports.store.read() as tx:
        payment = await tx.payment(order_id=order_id)
    if payment is not None and payment.is_paid:
        raise domain.AlreadyPaid("This order is paid.")
    if payment is not None and payment.method == domain.Method.COD and order.status != "CANCELLED":
        return payment, False  # cash is due at the door, whatever the order's state on its way there
    is_over = order.expires_at is not None and order.expires_at <= ports.clock.now()
    if order.status != "PENDING" or is_over:
        raise domain.NotPayable("This order is not waiting for a payment.")
    return await begin(order=order, ports=ports)


async def keep(*, claim: idempotency.Claim, status: int, body: Any, ports: Ports) -> None:
    """Keep the answer of a create for its key. A crash before costs nothing: beginning again finds what was begun."""
    async with ports.store.transaction() as tx:
        await tx.idempotency.keep(claim, status=status, body=body)


async def begin(*, order: clients.Order, ports: Ports) -> tuple[domain.Payment, bool]:
    """Begin the payment of an order that order itself vouches for; whether it is new.

    Raises NotPayable, AlreadyPaid (409), DependencyUnavailable (503).
    """
    if order.payment_method == domain.Method.RAZORPAY and order.total_paise < domain.LEAST_ONLINE_PAISE:
        raise domain.NotPayable("Less than ₹1.00 cannot be paid online.")
    new = domain.Payment(
        id=0,
        order_id=order.id,
        order_number=order.order_number,
        user_id=order.user_id,
        method=domain.Method(order.payment_method),
        status=domain.Status.PENDING,
        amount_paise=order.total_paise,
        expires_at=order.expires_at,
        created_at=ports.clock.now(),
    )
    async with ports.store.transaction() as tx:
        is_new = await tx.add_payment(new)
        payment = await tx.payment_for_update(order_id=order.id)
        assert payment is not None, "it was just written"
        if await tx.closed(order.id) is not None:
            raise domain.NotPayable("This order is not waiting for a payment.")
        if payment.is_paid:
            raise domain.AlreadyPaid("This order is paid.")
        if is_new and payment.method == domain.Method.COD:
            await tx.outbox.add(_created(payment))
    if payment.method == domain.Method.COD or payment.razorpay_order_id is not None:
        return payment, is_new
    return await _open(payment, is_new=is_new, ports=ports)


async def _open(payment: domain.Payment, *, is_new: bool, ports: Ports) -> tuple[domain.Payment, bool]:
    """Make the Razorpay order, exactly one; who comes while another does it waits for that one."""
    async with ports.store.transaction() as tx:
        is_mine = await tx.claim_opening(payment.id, until=ports.clock.now() + _OPENING)
    if not is_mine:
        return await _opened_by_another(payment, ports=ports), False
    try:
        made = await _razorpay_order(payment, is_new=is_new, ports=ports)
    except BaseException:
        async with ports.store.transaction() as tx:
            await tx.release_opening(payment.id)
        raise
    async with ports.store.transaction() as tx:
        present = await tx.payment_for_update(id=payment.id)
        assert present is not None, "payments are never deleted"
        opened = dataclasses.replace(
            present,
            razorpay_order_id=made,
            next_check_at=domain.next_check(created_at=payment.created_at, checks=0),
        )
        opened = await tx.save(opened)
        await tx.outbox.add(_created(opened))
    return opened, True


async def _razorpay_order(payment: domain.Payment, *, is_new: bool, ports: Ports) -> str:
    receipt = f"order_{payment.order_id}"
    if not is_new:  # an earlier try may have reached Razorpay though we saw no answer
        known = await ports.razorpay.order_of_receipt(receipt, amount_paise=payment.amount_paise)
        if known is not None:
            return known.id
    try:
        made = await ports.razorpay.create_order(
            receipt=receipt,
            amount_paise=payment.amount_paise,
            notes={"orderNumber": payment.order_number},
        )
    except errors.DependencyUnavailable:
        known = await ports.razorpay.order_of_receipt(receipt, amount_paise=payment.amount_paise)
        if known is None:
            raise
        return known.id
    except razorpay.Rejected as rejected:
        ports.watch.alert("order-refused", orderId=payment.order_id, detail=str(rejected)[:200])
        raise errors.DependencyUnavailable("razorpay") from rejected
    return made.id


async def _opened_by_another(payment: domain.Payment, *, ports: Ports) -> domain.Payment:
    for _ in range(_LOOKS):
        async with ports.store.read() as tx:
            present = await tx.payment(id=payment.id)
        if present is not None and present.razorpay_order_id is not None:
            return present
        await asyncio.sleep(_LOOK_SECONDS)
    raise errors.DependencyUnavailable("razorpay")


def _created(payment: domain.Payment) -> published.PaymentCreated:
    return published.PaymentCreated(
        payment_id=payment.id,
        order_id=payment.order_id,
        user_id=payment.user_id,
        method=payment.method,
        amount_paise=payment.amount_paise,
        currency=domain.CURRENCY,
        razorpay_order_id=payment.razorpay_order_id,
        created_at=payment.created_at,
    )


async def verify(
    *, order_id: int, razorpay_order_id: str, razorpay_payment_id: str, signature: str, user: auth.User, ports: Ports
) -> domain.Payment:
    """Take what Checkout handed to the browser; the payment as it then is. HMAC-SHA256 over `<order>|<payment>`.

    Raises NotFound (404), SignatureMismatch (400), DependencyUnavailable (503).
    """
    async with ports.store.read() as tx:
        payment = await tx.payment(order_id=order_id)
        if payment is None or payment.user_id != user.id:
            raise errors.NotFound
    message = signatures.checkout_message(razorpay_order_id=razorpay_order_id, razorpay_payment_id=razorpay_payment_id)
    is_signed = signatures.is_signed(message=message, signature=signature, secrets=[ports.key_secret])
    if not is_signed or razorpay_order_id != payment.razorpay_order_id:
        raise domain.SignatureMismatch("The payment could not be confirmed.")
    if payment.is_paid and payment.razorpay_payment_id == razorpay_payment_id:
        return payment
    try:
        entity = await ports.razorpay.payment(razorpay_payment_id)
    except razorpay.Rejected as rejected:  # signed, and yet unknown: Razorpay is behind itself
        raise errors.DependencyUnavailable("razorpay") from rejected
    fact = entity.fact(via=domain.Via.VERIFY, at=ports.clock.now())
    learnt = None if fact is None else await learning.learn(fact=fact, ports=ports)
    if learnt is not None and learnt.capture:  # authorised, and the capture did not get through
        raise errors.DependencyUnavailable("razorpay")
    return payment if learnt is None else learnt.payment


async def view(*, order_id: int, user: auth.User, ports: Ports) -> Seen:
    """The payment of the caller's order, of any for an ADMIN. Raises NotFound (404)."""
    async with ports.store.read() as tx:
        payment = await tx.payment(order_id=order_id)
        if payment is None or (payment.user_id != user.id and user.role != "ADMIN"):
            raise errors.NotFound
        return (await _seen(tx, [payment]))[0]


async def page(*, wanted: store.Filter, query: pages.PageQuery, ports: Ports) -> tuple[list[Seen], int]:
    """One page of all payments and their number."""
    async with ports.store.read() as tx:
        found, total = await tx.page(wanted, query=query)
        return await _seen(tx, found), total


async def export(*, user_id: int, ports: Ports) -> list[Seen]:
    """Everything kept about a user's payments."""
    async with ports.store.read() as tx:
        return await _seen(tx, await tx.payments_of_user(user_id))


async def _seen(tx: store.Transaction, payments: list[domain.Payment]) -> list[Seen]:
    ids = [payment.id for payment in payments]
    attempts, known = await tx.attempts(*ids), await tx.refunds(*ids)
    return [Seen(payment=p, attempts=attempts[p.id], refunds=known[p.id]) for p in payments]


async def close(*, order_id: int, ports: Ports) -> bool:
    """Close an order to money unless it turns out to be paid, after asking Razorpay; whether it is paid.

    Raises DependencyUnavailable (503): then nothing is closed.
    """
    async with ports.store.read() as tx:
        payment = await tx.payment(order_id=order_id)
    if payment is not None and payment.razorpay_order_id is not None and not payment.is_paid:
        await reconciler.check(payment=payment, via=domain.Via.RECONCILE, ports=ports)
    async with ports.store.transaction() as tx:
        payment = await tx.payment_for_update(order_id=order_id)
        if payment is not None and payment.is_paid:
            return True
        await tx.close(order_id, reason=domain.Closed.ASKED, at=ports.clock.now())
    return False


async def settle_cash(*, order_id: int, amount_paise: int, note: str | None, user: auth.User, ports: Ports) -> Seen:
    """Note that an order's cash is here after all; again has no effect.

    Raises NotFound (404), NotCod, NotPayable (409), AmountMismatch (422).
    """
    async with ports.store.read() as tx:
        payment = await tx.payment(order_id=order_id)
        closed = await tx.closed(order_id)
    if payment is None:
        raise errors.NotFound
    if payment.method != domain.Method.COD:
        raise domain.NotCod("This order is paid online.")
    if closed is not None and not payment.is_paid:
        raise domain.NotPayable("This order is cancelled.")
    fact = _cash(amount_paise, at=ports.clock.now())
    learnt = await learning.learn(fact=fact, ports=ports, order_id=order_id)
    if learnt is None or learnt.mismatch:
        raise domain.AmountMismatch("That is not the amount due.")
    log.info("payment.cash-settled", orderId=order_id, adminId=user.id, note=note)
    return await view(order_id=order_id, user=user, ports=ports)


def _cash(amount_paise: int, *, at: dt.datetime) -> domain.Fact:
    return domain.Fact(
        via=domain.Via.DELIVERY,
        status=domain.AttemptStatus.CAPTURED,
        amount_paise=amount_paise,
        instrument="cash",
        at=at,
    )


async def order_cancelled(*, event: events.Received[published.OrderCancelled], ports: Ports) -> events.Ignored | None:
    """Close the order to money, and give back what was captured: once, whatever is redelivered."""
    return await _order_over(
        event=event,
        order_id=event.data.order_id,
        reason=domain.Closed.CANCELLED,
        at=event.data.cancelled_at,
        ports=ports,
    )


async def order_expired(*, event: events.Received[published.OrderExpired], ports: Ports) -> events.Ignored | None:
    """The same for an order that was not paid in time, as far as order knew."""
    return await _order_over(
        event=event,
        order_id=event.data.order_id,
        reason=domain.Closed.EXPIRED,
        at=event.data.expired_at,
        ports=ports,
    )


async def _order_over(
    *,
    event: events.Received[published.OrderCancelled] | events.Received[published.OrderExpired],
    order_id: int,
    reason: domain.Closed,
    at: dt.datetime,
    ports: Ports,
) -> events.Ignored | None:
    refund = None
    async with ports.store.transaction(received=event) as tx:
        await tx.close(order_id, reason=reason, at=at)
        payment = await tx.payment_for_update(order_id=order_id)
        if payment is not None and payment.is_paid:
            why = "LATE_AUTHORISATION" if payment.late else f"ORDER_{reason}"
            refund = await refunds.add_rest(tx, payment=payment, reason=why, requested_by="order")
    if refund is not None:
        await refunds.send(refund=refund, ports=ports)
    return None


async def delivery_moved(
    *, event: events.Received[published.DeliveryStatusUpdated], ports: Ports
) -> events.Ignored | None:
    """Cash is here when a delivery reports DELIVERED with exactly the amount due."""
    data = event.data
    if data.to != "DELIVERED":
        return events.Ignored("not-delivered")
    if data.cod_collected_paise is None:
        return events.Ignored("no-cash")
    learnt = await learning.learn(
        fact=_cash(data.cod_collected_paise, at=data.changed_at),
        ports=ports,
        order_id=data.order_id,
        received=event,
    )
    if learnt is None:
        return events.Ignored("unknown-payment")
    return None if learnt.completed else events.Ignored(learnt.result)
