"""Payment's settings: no secret by default, none missing in production."""

from typing import Any

import pydantic
import pytest

from revcart.kit import testing
from revcart.payment import app

PRODUCTION: dict[str, Any] = {"environment": "production", "payment_key_secret": "s", "payment_webhook_secrets": ["w"]}


def test_defaults_hold_no_secret() -> None:
    settings = testing.settings(app.Settings)
    assert (settings.payment_key_secret, settings.payment_webhook_secrets) == ("", [])


@pytest.mark.parametrize(
    "missing",
    [{"payment_key_secret": ""}, {"payment_webhook_secrets": []}, {"payment_webhook_secrets": ["w", ""]}],
)
def test_production_needs_its_secrets(missing: dict[str, Any]) -> None:
    assert testing.settings(app.Settings, **PRODUCTION).environment == "production"
    with pytest.raises(pydantic.ValidationError, match="REVCART_PAYMENT_KEY_SECRET"):
        testing.settings(app.Settings, **PRODUCTION | missing)


@pytest.mark.parametrize(
    ("given", "script"),
    [
        ({}, "http://localhost:8091/v1/checkout.js"),
        ({"payment_razorpay_url": "https://api.razorpay.com"}, "https://checkout.razorpay.com/v1/checkout.js"),
        ({"payment_checkout_script": "https://pay.example/c.js"}, "https://pay.example/c.js"),
    ],
)
def test_the_checkout_script_is_beside_razorpay(given: dict[str, str], script: str) -> None:
    assert testing.settings(app.Settings, **given).checkout_script == script
