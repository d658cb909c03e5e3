"""Razorpay's two signatures, hex HMAC-SHA256: of what Checkout hands over, and of a webhook's raw bytes. Pure."""

import hashlib
import hmac
from collections.abc import Iterable


def checkout_message(*, razorpay_order_id: str, razorpay_payment_id: str) -> bytes:
    """What Checkout signs with the key secret."""
    return f"{razorpay_order_id}|{razorpay_payment_id}".encode()


def is_signed(*, message: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """Whether `signature` is the hex HMAC-SHA256 of `message` under one of `secrets`. An empty secret signs nothing."""
    given = signature.encode()
    matches = [
        hmac.compare_digest(hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode(), given)
        for secret in secrets
        if secret
    ]
    return any(matches)
