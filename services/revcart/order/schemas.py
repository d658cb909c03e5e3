"""What clients send and get about orders. Amounts are rupees here, paise everywhere else."""

import dataclasses
import datetime as dt
from typing import Annotated, Any, Literal

import pydantic

from revcart.kit import idempotency, schemas
from revcart.order import domain, invoice

_Text120 = schemas.text(1, 120)
_Optional120 = schemas.text(0, 120)
_City = schemas.text(1, 60)
_Note = schemas.text(0, 200, multiline=True)


class AddressIn(schemas.Body):
    """An address typed at the checkout. `street` and `zipCode` are read as `line1` and `postalCode`."""

    label: Literal["HOME", "WORK", "OTHER"] = "OTHER"
    name: schemas.text(1, 120) | None = None
    phone: schemas.Phone | None = None
    line1: _Text120 = pydantic.Field(validation_alias=pydantic.AliasChoices("line1", "street"))
    line2: _Optional120 | None = None
    landmark: _Optional120 | None = None
    city: _City
    state: _City
    postal_code: schemas.text(4, 12) = pydantic.Field(validation_alias=pydantic.AliasChoices("postalCode", "zipCode"))
    country: schemas.text(2, 2) = "IN"
    lat: Annotated[float, pydantic.Field(ge=-90, le=90)] | None = None
    lng: Annotated[float, pydantic.Field(ge=-180, le=180)] | None = None
    instructions: _Note | None = None

    @pydantic.model_validator(mode="after")
    def _indian_code(self) -> "AddressIn":
        code = self.postal_code
        if self.country == "IN" and not (len(code) == 6 and code.isascii() and code.isdecimal() and code[0] != "0"):
            raise ValueError("postalCode must be six digits, the first not 0")
        if (self.lat is None) != (self.lng is None):
            raise ValueError("lat and lng go together")
        return self


class SubstitutionIn(schemas.Body):
    product_id: schemas.Id
    substitution: domain.Substitution


class QuoteRequest(schemas.Body):
    """What a checkout would be; all optional."""

    address_id: schemas.Id | None = None
    address: AddressIn | None = None
    payment_method: domain.PaymentMethod | None = None
    slot_id: schemas.Id | None = None
    coupon_code: schemas.text(1, 20) | None = None
    substitutions: Annotated[list[SubstitutionIn], pydantic.Field(max_length=50)] = []
    instructions: schemas.text(0, 300, multiline=True) | None = None
    expected_total: schemas.RupeesIn | None = None

    def to_command(self) -> domain.PlaceOrder:
        return domain.PlaceOrder(
            payment_method=self.payment_method or "RAZORPAY",
            address_id=self.address_id,
            address=None if self.address is None else self.address.model_dump(),
            slot_id=self.slot_id,
            coupon_code=self.coupon_code,
            substitutions={wish.product_id: wish.substitution for wish in self.substitutions},
            instructions=self.instructions or None,
            expected_total_paise=self.expected_total,
        )


class PlaceOrder(QuoteRequest):
    """A checkout of the caller's cart. Prices, names and user ids are not read from it."""

    payment_method: domain.PaymentMethod

    def to_command(self) -> domain.PlaceOrder:
        fingerprint = idempotency.fingerprint("/api/orders", self.model_dump(mode="json"))
        return dataclasses.replace(super().to_command(), fingerprint=fingerprint)

    @pydantic.model_validator(mode="after")
    def _one_address(self) -> "PlaceOrder":
        if (self.address_id is None) == (self.address is None):
            raise ValueError("send addressId or address")
        return self


class StatusChange(schemas.Body):
    status: domain.Status = pydantic.Field(strict=False)
    reason: schemas.text(1, 200) | None = None


CancelReason = Literal["CHANGED_MIND", "WRONG_ITEMS", "TOO_LATE", "OTHER"]


class Cancel(schemas.Body):
    reason: CancelReason
    comment: schemas.text(0, 300, multiline=True) | None = None


class Item(schemas.Answer):
    id: int
    product_id: int
    product_name: str
    image_url: str | None
    price: schemas.Rupees = pydantic.Field(validation_alias="price_paise")
    quantity: int
    line_total: schemas.Rupees = pydantic.Field(validation_alias="line_paise")
    substitution: domain.Substitution


class Address(schemas.Answer):
    label: str | None
    name: str
    phone: str
    line1: str
    line2: str | None
    landmark: str | None
    city: str
    state: str
    postal_code: str
    country: str
    lat: float | None
    lng: float | None
    instructions: str | None


class Slot(schemas.Answer):
    id: int
    start_at: schemas.Instant
    end_at: schemas.Instant


class Order(schemas.Answer):
    id: int
    order_number: str
    user_id: int
    status: domain.Status
    payment_method: domain.PaymentMethod
    payment_status: domain.PaymentStatus
    payment_failure: str | None
    items: list[Item]
    item_count: int
    subtotal: schemas.Rupees
    coupon_code: str | None
    discount_amount: schemas.Rupees
    tax_amount: schemas.Rupees
    delivery_fee: schemas.Rupees
    total_amount: schemas.Rupees
    refunded_amount: schemas.Rupees
    refund_amount: schemas.Rupees | None
    cod_due: schemas.Rupees | None
    currency: Literal["INR"]
    address: Address
    shipping_address: str
    customer_name: str
    customer_email: str
    customer_phone: str
    instructions: str | None
    slot: Slot | None
    window_start: schemas.Instant
    window_end: schemas.Instant
    estimated_delivery_at: schemas.Instant | None
    agent_name: str | None
    order_date: schemas.Instant
    delivery_date: schemas.Instant | None
    expires_at: schemas.Instant | None
    cancel_reason: str | None
    cancellable: bool
    cancellable_until: schemas.Instant | None
    invoice_number: str | None
    created_at: schemas.Instant
    updated_at: schemas.Instant
    version: int

    @classmethod
    def of(cls, order: domain.Order, *, now: dt.datetime, cut_off_minutes: int) -> "Order":
        """The order as its owner and the shop see it at `now`."""
        return cls.model_validate(_order(order, now=now, cut_off_minutes=cut_off_minutes))


class PaymentBegun(schemas.Answer):
    """As `POST /api/payments/create` answers."""

    payment_id: int
    order_id: int
    method: domain.PaymentMethod
    status: str
    amount: float
    amount_in_paise: int
    currency: str
    razorpay_order_id: str | None = None
    razorpay_key_id: str | None = None
    checkout_script: str | None = None
    expires_at: str | None = None


class Placed(Order):
    """`payment` is null while payment is away: call `POST /api/payments/create` then."""

    payment: PaymentBegun | None


def placed(order: domain.Order, *, payment: Any, now: dt.datetime, cut_off_minutes: int) -> dict[str, Any]:
    """The JSON answer to a checkout."""
    shown = _order(order, now=now, cut_off_minutes=cut_off_minutes)
    answer = Placed.model_validate({**shown, "payment": payment})
    return answer.model_dump(mode="json", by_alias=True)


class ActorOut(schemas.Answer):
    kind: domain.Kind
    id: int | None


class Step(schemas.Answer):
    from_: domain.Status | None = pydantic.Field(serialization_alias="from")
    to: domain.Status
    action: domain.Action
    actor: ActorOut
    reason: str | None
    at: schemas.Instant


class QuoteLine(schemas.Answer):
    product_id: int
    product_name: str
    price: schemas.Rupees
    quantity: int
    line_total: schemas.Rupees
    available: int


class Seller(schemas.Answer):
    name: str
    gstin: str


class Buyer(schemas.Answer):
    name: str
    address: str


class InvoiceLine(schemas.Answer):
    product_name: str
    quantity: int
    price: schemas.Rupees
    line_total: schemas.Rupees


class Invoice(schemas.Answer):
    number: str
    date: dt.date
    order_number: str
    seller: Seller
    buyer: Buyer
    lines: list[InvoiceLine]
    subtotal: schemas.Rupees
    discount: schemas.Rupees
    taxable: schemas.Rupees
    cgst: schemas.Rupees
    sgst: schemas.Rupees
    delivery_fee: schemas.Rupees
    total: schemas.Rupees
    refunded: schemas.Rupees
    payment_method: domain.PaymentMethod
    paid: bool

    @classmethod
    def of(cls, found: invoice.Invoice) -> "Invoice":
        buyer = Buyer(name=found.buyer_name, address=found.buyer_address)
        return cls.model_validate({**vars(found), "buyer": buyer})


class QuoteProblem(schemas.Answer):
    code: str
    detail: str


class Quote(schemas.Answer):
    lines: list[QuoteLine]
    subtotal: schemas.Rupees
    discount: schemas.Rupees
    tax: schemas.Rupees
    delivery_fee: schemas.Rupees
    total: schemas.Rupees
    problems: list[QuoteProblem]

    @classmethod
    def of(cls, quote: domain.Quote) -> "Quote":
        return cls(
            lines=[QuoteLine.model_validate(line) for line in quote.lines],
            subtotal=quote.price.subtotal_paise,
            discount=quote.price.discount_paise,
            tax=quote.price.tax_paise,
            delivery_fee=quote.price.delivery_fee_paise,
            total=quote.price.total_paise,
            problems=[QuoteProblem.model_validate(problem) for problem in quote.problems],
        )


class Count(schemas.Answer):
    count: int
    by_status: dict[domain.Status, int]


def _order(order: domain.Order, *, now: dt.datetime, cut_off_minutes: int) -> dict[str, Any]:
    pending = order.status is domain.Status.PENDING
    open_ = pending or order.status is domain.Status.CONFIRMED
    done = order.status in (domain.Status.DELIVERED, domain.Status.CANCELLED)
    slot = {"id": order.slot_id, "start_at": order.window_start, "end_at": order.window_end}
    return {
        "id": order.id,
        "order_number": order.order_number,
        "user_id": order.user_id,
        "status": order.status,
        "payment_method": order.payment_method,
        "payment_status": order.payment_status,
        "payment_failure": order.payment_failure,
        "items": [Item.model_validate(item) for item in order.items],
        "item_count": order.item_count,
        "subtotal": order.subtotal_paise,
        "coupon_code": order.coupon_code,
        "discount_amount": order.discount_paise,
        "tax_amount": order.tax_paise,
        "delivery_fee": order.delivery_fee_paise,
        "total_amount": order.total_paise,
        "refunded_amount": order.refunded_paise,
        "refund_amount": order.refund_paise,
        "cod_due": order.cod_due_paise if order.payment_method == "COD" else None,
        "currency": "INR",
        "address": Address.model_validate(order.address),
        "shipping_address": order.address.one_line,
        "customer_name": order.customer_name,
        "customer_email": order.customer_email,
        "customer_phone": order.customer_phone,
        "instructions": order.instructions,
        "slot": None if order.slot_id is None else slot,
        "window_start": order.window_start,
        "window_end": order.window_end,
        "estimated_delivery_at": None if done else order.eta_at or order.window_end,
        "agent_name": order.agent_name,
        "order_date": order.created_at,
        "delivery_date": order.delivered_at,
        "expires_at": order.expires_at if pending and order.payment_method == "RAZORPAY" else None,
        "cancel_reason": order.cancel_reason,
        "cancellable": order.cancellable(now=now, cut_off_minutes=cut_off_minutes),
        "cancellable_until": order.cut_off(cut_off_minutes) if open_ else None,
        "invoice_number": order.invoice_number,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "version": order.version,
    }
