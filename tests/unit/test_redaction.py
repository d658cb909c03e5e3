"""What leaves the process holds no secret and no personal data: one case per kind of analytics-admin.md."""

import time

import pytest

from revcart.kit import redaction

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJlLWJ5dGVz"


@pytest.mark.parametrize(
    "key",
    ["password", "passwd", "clientSecret", "accessToken", "Authorization", "Set-Cookie", "otp", "razorpay_signature",
     "vpa", "cardNumber", "cvv", "jwt_keys", "OTP_CODE"],
)  # fmt: skip
def test_values_under_secret_names_are_hidden(key: str) -> None:
    assert redaction.redact({key: "plain-value", "nested": [{key: {"deep": "plain-value"}}]}) == {
        key: "***",
        "nested": [{key: "***"}],
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"sent {JWT} on", "sent *** on"),
        ("Authorization: Bearer abc.def-123", "Authorization: *** ***"),
        ("got Bearer abc.def-123", "got Bearer ***"),
        ("card 4111 1111 1111 1111 refused", "card *** refused"),
        ("card 4111-1111-1111-1111", "card ***"),
        ("5500005555555559", "***"),
        ("mail to ravi.kumar@example.com failed", "mail to r***@example.com failed"),
        ("call +91 98765 43210 now", "call ***10 now"),
        ("call +919876543210", "call ***10"),
        ("call 9876543210", "call ***10"),
        ("mysql://revcart:hunter2@db:3306/x", "mysql://***@db:3306/x"),
        ("GET /api/users?q=ravi&page=2", "GET /api/users?q=***&page=***"),
        ('{"otp": "123456", "n": 1}', '{"otp": ***, "n": 1}'),
        ("password=hunter2 was wrong", "password=*** was wrong"),
    ],
)
def test_free_text(before: str, after: str) -> None:
    assert redaction.redact(before) == after


@pytest.mark.parametrize(
    "harmless",
    ["order 1234567890123 placed", "RC-20260131-000042", "2026-01-31T09:05:00.000Z", "4111111111111112", "total 221.16",
     "019ac5d2-7c1e-7d11-8f00-9876543210ab", "127.0.0.1:8085"],
)  # fmt: skip
def test_what_is_no_secret_stays_readable(harmless: str) -> None:
    assert redaction.redact(harmless) == harmless


def test_other_types() -> None:
    assert redaction.redact({"n": 4111111111111111, "id": 42, "ok": True, "none": None}) == {
        "n": "***",
        "id": 42,
        "ok": True,
        "none": None,
    }
    assert redaction.redact({"phone": 9876543210, "raw": b"12345"}) == {"phone": "***10", "raw": "<5 bytes>"}
    assert redaction.redact({"ravi@example.com": ("a@b.example",)}) == {"r***@example.com": ["a***@b.example"]}


def test_endless_structures_end() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "***" in str(redaction.redact(loop))


@pytest.mark.parametrize("long", ["x", "-eyJaaaa", "a.", "9", "token", "://a", "?a", "a@b."])
def test_hostile_texts_cost_little(long: str) -> None:
    started = time.process_time()
    redaction.redact(long * (1_000_000 // len(long)))
    assert time.process_time() - started < 1
