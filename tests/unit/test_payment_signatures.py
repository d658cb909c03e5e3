"""Signatures: the contract's vectors hold, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcart.payment import signatures

CHECKOUT = "b2335e3b0801106b84a7faff035df56ecffde06918c9ddd1f0fafbb37a51cc89"
WEBHOOK = "6d6a4e1c25e740448e2f31d7a6a18b53244be96aeefc467f5302166ad760501d"
BODY = b'{"entity":"event","event":"payment.captured"}'


def test_the_vector_of_checkout() -> None:
    message = signatures.checkout_message(razorpay_order_id="fake_order_id", razorpay_payment_id="fake_payment_id")
    assert signatures.is_signed(message=message, signature=CHECKOUT, secrets=["key_secret"])
    swapped = signatures.checkout_message(razorpay_order_id="fake_payment_id", razorpay_payment_id="fake_order_id")
    assert not signatures.is_signed(message=swapped, signature=CHECKOUT, secrets=["key_secret"])


def test_the_vector_of_webhooks() -> None:
    assert signatures.is_signed(message=BODY, signature=WEBHOOK, secrets=["webhook_secret"])
    assert not signatures.is_signed(message=BODY + b"\n", signature=WEBHOOK, secrets=["webhook_secret"])


def test_each_secret_in_use_is_tried() -> None:
    assert signatures.is_signed(message=BODY, signature=WEBHOOK, secrets=["newer", "webhook_secret", "older"])
    assert not signatures.is_signed(message=BODY, signature=WEBHOOK, secrets=["newer", "older"])
    assert not signatures.is_signed(message=BODY, signature=WEBHOOK, secrets=[])


def test_an_empty_secret_signs_nothing() -> None:
    import hashlib
    import hmac

    forged = hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not signatures.is_signed(message=BODY, signature=forged, secrets=[""])


@given(st.text(max_size=80))
def test_no_other_text_is_a_signature(text: str) -> None:
    assert signatures.is_signed(message=BODY, signature=text, secrets=["webhook_secret"]) == (text == WEBHOOK)


@pytest.mark.parametrize("changed", [WEBHOOK.upper(), WEBHOOK[:-1], WEBHOOK + "0", f" {WEBHOOK}"])
def test_a_signature_is_lower_case_hex_and_whole(changed: str) -> None:
    assert not signatures.is_signed(message=BODY, signature=changed, secrets=["webhook_secret"])
