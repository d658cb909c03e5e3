"""Identifiers: time-ordered ids (UUIDv7, RFC 9562), bearer tokens, order numbers, digests."""

import hashlib
import secrets
import time
import uuid

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # base32 without I, L, O, U (Crockford)


def uuid7() -> str:
    """A UUIDv7 as text: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def token(prefix: str = "", *, bits: int = 256) -> str:
    """`prefix` followed by `bits` random bits in base64url without padding (256 bits: 43 characters)."""
    return prefix + secrets.token_urlsafe(bits // 8)


def crockford(length: int) -> str:
    """`length` random characters of Crockford's base32: fit to be read out over the telephone."""
    return "".join(secrets.choice(CROCKFORD) for _ in range(length))


def sha256(text: str) -> bytes:
    """The 32 bytes of SHA-256 over the UTF-8 of `text`: how bearer secrets are stored and looked up."""
    return hashlib.sha256(text.encode()).digest()
