"""Takes secrets and personal data out of what leaves the process as a log line.

One function, `redact`, applied to every record whatever made it: a log call, a library, a traceback. What is recognised
is listed in contract/analytics-admin.md, "Central logs"; the tests feed each kind.
"""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
LONGEST = 16_384  # characters looked at of one text; what is longer is cut, so that the patterns stay cheap
_DEPTH = 8  # deeper values are cut, so that a cyclic or hostile structure ends

_SECRET_WORDS = "password|passwd|secret|token|authorization|cookie|otp|signature|vpa|card|cvv|keys"
_SECRET_KEY = re.compile(_SECRET_WORDS, re.IGNORECASE)
_PHONE_KEY = re.compile("phone|mobile", re.IGNORECASE)
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*){0,3}")
_CREDENTIALS = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE)
_URL_USER = re.compile(r"(?<=://)[^/\s@]{1,256}(?=@)")
_QUERY_VALUE = re.compile(r"([?&][\w.\-\[\]]+=)[^&\s\"']+")
_ASSIGNED = re.compile(
    rf"((?:{_SECRET_WORDS})[\w-]{{0,40}}[\"']?\s{{0,4}}[:=]\s{{0,4}})(\"[^\"]*\"|'[^']*'|[^\s,;&}}]+)", re.IGNORECASE
)
_EMAIL = re.compile(r"([A-Za-z0-9])[A-Za-z0-9._%+'-]{0,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+)")
_CARD = re.compile(r"(?<![\w.+-])\d(?:[ -]?\d){11,18}(?![\w-])")
# International form, or an Indian number written without its country code.
_PHONE = re.compile(r"(?<![\w.-])(?:\+\d(?:[ -]?\d){7,14}|(?:0|91[ -]?)?[6-9]\d{4}[ -]?\d{5})(?![\w-])")


def redact(value: Any, *, key: str = "", depth: int = 0) -> Any:
    """`value` with everything secret or personal replaced; `key` is the name it was logged under. Never raises."""
    if value is None or isinstance(value, bool | float):
        return value
    if is_secret(key):
        return HIDDEN
    if _PHONE_KEY.search(key) and isinstance(value, str | int):
        return _last_two(str(value))
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return HIDDEN if _is_card(str(value)) else value
    if depth >= _DEPTH:
        return HIDDEN
    if isinstance(value, Mapping):
        return {text(str(name)): redact(item, key=str(name), depth=depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, key=key, depth=depth + 1) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return text(str(value))


def is_secret(name: str) -> bool:
    """Whether a value of this name must not be written down."""
    return _SECRET_KEY.search(name) is not None


def text(value: str) -> str:
    """Free text with JWTs, credentials, card numbers, e-mail addresses, phone numbers and query values hidden."""
    value = value[:LONGEST]
    value = _JWT.sub(HIDDEN, value)
    value = _CREDENTIALS.sub(rf"\1 {HIDDEN}", value)
    value = _URL_USER.sub(HIDDEN, value)
    value = _QUERY_VALUE.sub(rf"\1{HIDDEN}", value)
    value = _ASSIGNED.sub(rf"\1{HIDDEN}", value)
    value = _EMAIL.sub(rf"\1{HIDDEN}@\2", value)
    value = _CARD.sub(lambda match: HIDDEN if _is_card(match.group()) else match.group(), value)
    return _PHONE.sub(lambda match: _last_two(match.group()), value)


def _last_two(value: str) -> str:
    digits = [character for character in value if character.isdigit()]
    return HIDDEN + "".join(digits[-2:]) if len(digits) > 4 else HIDDEN


def _is_card(value: str) -> bool:
    """12–19 digits passing the Luhn check (ISO/IEC 7812-1)."""
    digits = [int(character) for character in value if character.isascii() and character.isdigit()]
    if not 12 <= len(digits) <= 19:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
