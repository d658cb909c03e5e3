"""Razorpay's entities and rules: what an order, a payment and a refund look like and what is refused, in its words.

Amounts are integer paise and times Unix seconds, as in Razorpay's own API. Nothing here does I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from typing import Any

Entity = dict[str, Any]

MINIMUM_PAISE = 100
NOTES_LIMIT = 15
NOTE_CHARACTERS = 256
RECEIPT_CHARACTERS = 40
LIST_LIMIT = 100
LIST_DEFAULT = 10

_ALPHABET = string.digits + string.ascii_letters
_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{10,}")
_VPA = re.compile(r"[A-Za-z0-9.\-_]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}")


class Refused(Exception):
    """An answer in Razorpay's error shape. `status` is the HTTP status, `field` the request field at fault."""

    def __init__(
        self,
        description: str,
        *,
        status: int = 400,
        code: str = "BAD_REQUEST_ERROR",
        field: str | None = None,
        reason: str = "input_validation_failed",
        source: str = "business",
        step: str = "payment_initiation",
        metadata: Entity | None = None,
    ) -> None:
        super().__init__(description)
        self.status = status
        self.body: Entity = {
            "error": {
                "code": code,
                "description": description,
                "source": source,
                "step": step,
                "reason": reason,
                "metadata": metadata or {},
            }
        }
        if field is not None:
            self.body["error"]["field"] = field


def unknown_id() -> Refused:
    return Refused("The id provided does not exist", field="id")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an instrument does not pay, as Razorpay explains it on the payment."""

    reason: str
    description: str
    source: str = "customer"
    code: str = "BAD_REQUEST_ERROR"


_CARDS: dict[str, Failure | None] = {
    "4100280000001007": None,
    "4100280000080001": Failure(
        reason="insufficient_fund",
        description="Your payment could not be completed due to insufficient account balance. Try another method.",
    ),
    "4100280000070002": Failure(
        reason="payment_cancelled",
        description="The payment was cancelled by the customer.",
    ),
    "4100280000060003": Failure(
        reason="card_declined",
        description="Your payment was declined by the bank. Try another card or method.",
        source="issuer_bank",
        code="GATEWAY_ERROR",
    ),
    "4100280000090000": Failure(
        reason="payment_timed_out",
        description="The payment was not completed on time. Try again.",
        source="gateway",
        code="GATEWAY_ERROR",
    ),
}
_VPAS: dict[str, Failure | None] = {
    "success@razorpay": None,
    "failure@razorpay": Failure(
        reason="payment_failed",
        description="Payment was unsuccessful as the UPI app reported a failure. Try another method.",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """What a customer pays with; `failure` is None where it pays."""

    method: str
    vpa: str | None = None
    last4: str | None = None
    failure: Failure | None = None


def instrument(*, method: str, vpa: str | None = None, card: str | None = None) -> Instrument:
    """The test instrument named. Raises Refused (400) for one that Razorpay's test mode would not know."""
    if method == "upi":
        address = (vpa or "").strip().lower()
        if not _VPA.fullmatch(address) or address not in _VPAS:
            raise Refused("Invalid VPA. Please enter a valid Virtual Payment Address", field="vpa")
        return Instrument(method=method, vpa=address, failure=_VPAS[address])
    if method == "card":
        number = re.sub(r"[ -]", "", card or "")
        if number not in _CARDS:
            raise Refused("The card number is invalid. Use one of the test cards.", field="card")
        return Instrument(method=method, last4=number[-4:], failure=_CARDS[number])
    raise Refused("The selected method is invalid.", field="method")


def new_id(prefix: str) -> str:
    return f"{prefix}_{new_token()}"


def new_token() -> str:
    """Fourteen letters and digits, as in Razorpay's ids."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(14))


def sign(*, secret: str, message: bytes) -> str:
    """HMAC-SHA256 as lower-case hex: checkout signs `<order>|<payment>`, webhooks the raw body."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _amount(body: Entity, *, required: bool) -> int | None:
    amount = body.get("amount")
    if amount is None:
        if required:
            raise Refused("The amount field is required.", field="amount")
        return None
    if isinstance(amount, str) and amount.isdigit():
        amount = int(amount)
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise Refused("The amount must be an integer.", field="amount")
    if amount < MINIMUM_PAISE:
        raise Refused("The amount must be at least INR 1.00.", field="amount")
    return amount


def notes(value: Any) -> Entity | list[Any]:
    """Notes as kept; an empty set is `[]`, a trait of the original that clients must stand."""
    if not value:
        return []
    if not isinstance(value, dict):
        raise Refused("The notes must be an array.", field="notes")
    if len(value) > NOTES_LIMIT:
        raise Refused(
            f"Number of fields in notes should be less than or equal to {NOTES_LIMIT}.",
            field="notes",
        )
    for text in value.values():
        if len(str(text)) > NOTE_CHARACTERS:
            raise Refused(
                f"Notes value cannot exceed {NOTE_CHARACTERS} characters.",
                field="notes",
            )
    return {str(key): str(text) for key, text in value.items()}


def receipt(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused("The receipt must be a string.", field="receipt")
    if len(value) > RECEIPT_CHARACTERS:
        raise Refused(
            f"The receipt may not be greater than {RECEIPT_CHARACTERS} characters.",
            field="receipt",
        )
    return value


def new_order(body: Entity, *, now: int) -> Entity:
    """A Razorpay order from the body of POST /v1/orders. Raises Refused (400)."""
    amount = _amount(body, required=True)
    currency = body.get("currency", "INR")
    if currency != "INR":
        raise Refused("Currency is not supported", field="currency")
    return {
        "id": new_id("order"),
        "entity": "order",
        "amount": amount,
        "amount_paid": 0,
        "amount_due": amount,
        "currency": currency,
        "receipt": receipt(body.get("receipt")),
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": notes(body.get("notes")),
        "created_at": now,
    }


def captures_by_itself(body: Entity, *, default: bool) -> bool:
    """Whether payments of this order are captured at once: `payment_capture` or `payment.capture`, else the account."""
    if "payment_capture" in body:
        return body["payment_capture"] in (1, "1", True)
    options = body.get("payment")
    if isinstance(options, dict) and "capture" in options:
        return bool(options["capture"] == "automatic")
    return default


def new_payment(order: Entity, *, paid_with: Instrument, amount: int, now: int) -> Entity:
    return {
        "id": new_id("pay"),
        "entity": "payment",
        "amount": amount,
        "currency": order["currency"],
        "status": "created",
        "order_id": order["id"],
        "invoice_id": None,
        "international": False,
        "method": paid_with.method,
        "amount_refunded": 0,
        "refund_status": None,
        "captured": False,
        "description": None,
        "card_id": new_id("card") if paid_with.method == "card" else None,
        "bank": None,
        "wallet": None,
        "vpa": paid_with.vpa,
        "email": "customer@example.com",
        "contact": "+919999999999",
        "customer_id": None,
        "notes": order["notes"],
        "fee": None,
        "tax": None,
        "error_code": None,
        "error_description": None,
        "error_source": None,
        "error_step": None,
        "error_reason": None,
        "acquirer_data": {},
        "created_at": now,
    }


def failed(payment: Entity, *, failure: Failure) -> Entity:
    return payment | {
        "status": "failed",
        "error_code": failure.code,
        "error_description": failure.description,
        "error_source": failure.source,
        "error_step": "payment_authorization",
        "error_reason": failure.reason,
    }


def authorized(payment: Entity) -> Entity:
    digits = f"{secrets.randbelow(10**12):012d}"
    proof = {"rrn": digits} if payment["method"] == "upi" else {"auth_code": digits[:6]}
    cleared = {f"error_{name}": None for name in ("code", "description", "source", "step", "reason")}
    return payment | cleared | {"status": "authorized", "acquirer_data": proof}


def captured(payment: Entity) -> Entity:
    """The payment once captured: 2 % fee and 18 % tax on the fee, each rounded half up."""
    base = (payment["amount"] * 2 + 50) // 100
    tax = (base * 18 + 50) // 100
    return payment | {
        "status": "captured",
        "captured": True,
        "fee": base + tax,
        "tax": tax,
    }


def order_with_attempt(order: Entity) -> Entity:
    return order | {"status": "attempted", "attempts": order["attempts"] + 1}


def order_with_capture(order: Entity, *, payment: Entity) -> Entity:
    """`paid` is final: later captures and refunds leave the order as it is."""
    if order["status"] == "paid":
        return order
    paid = min(order["amount"], order["amount_paid"] + payment["amount"])
    due = order["amount"] - paid
    return order | {
        "amount_paid": paid,
        "amount_due": due,
        "status": order["status"] if due else "paid",
    }


def check_capture(payment: Entity, body: Entity) -> None:
    """Raises Refused (400) unless the payment is authorised and the amount is all of it."""
    if payment["captured"]:
        raise Refused("This payment has already been captured", reason="payment_already_captured")
    if payment["status"] != "authorized":
        raise Refused("Only payments which have been authorized and not yet captured can be captured")
    if _amount(body, required=True) != payment["amount"]:
        raise Refused("Capture amount must be equal to the amount authorized.", field="amount")
    if body.get("currency", payment["currency"]) != payment["currency"]:
        raise Refused("Capture currency must be equal to the payment currency.", field="currency")


def check_idempotency_key(key: str) -> None:
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Refused("The idempotency key must have at least 10 characters: letters, digits, hyphens, underscores.")


def new_refund(payment: Entity, body: Entity, *, status: str, now: int) -> Entity:
    """A refund of all that is left or of `amount`. Raises Refused (400)."""
    if not payment["captured"]:
        raise Refused("The payment status should be captured for action to be taken")
    left = payment["amount"] - payment["amount_refunded"]
    if left == 0:
        raise Refused("The payment has been fully refunded already.", field="amount")
    amount = _amount(body, required=False) or left
    if amount > left:
        raise Refused(
            "The refund amount provided is greater than amount captured.",
            field="amount",
        )
    speed = body.get("speed") or "normal"
    if speed not in ("normal", "optimum"):
        raise Refused("The selected speed is invalid.", field="speed")
    return {
        "id": new_id("rfnd"),
        "entity": "refund",
        "amount": amount,
        "currency": payment["currency"],
        "payment_id": payment["id"],
        "notes": notes(body.get("notes")),
        "receipt": receipt(body.get("receipt")),
        "acquirer_data": {"arn": f"{secrets.randbelow(10**23):023d}" if status == "processed" else None},
        "batch_id": None,
        "status": status,
        "speed_requested": speed,
        "speed_processed": "instant" if speed == "optimum" else "normal",
        "created_at": now,
    }


def payment_with_refund(payment: Entity, *, amount: int) -> Entity:
    """The payment after `amount` more went back (or, negative, after a refund failed)."""
    refunded = payment["amount_refunded"] + amount
    full = refunded == payment["amount"]
    return payment | {
        "amount_refunded": refunded,
        "refund_status": "full" if full else ("partial" if refunded else None),
        "status": "refunded" if full else "captured",
    }
