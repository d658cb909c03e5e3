"""The secrets of a local platform: made once, kept in a file that only its owner can read, never printed."""

import base64
import json
import os
import secrets
from dataclasses import asdict, fields
from pathlib import Path

from revcart_operator.local import refusals
from revcart_operator.render import settings


def load_or_make(file: Path) -> settings.Secrets:
    """What the file holds; what it lacks is made and added. Raises BrokenFolder when it cannot be read."""
    kept = _read(file) if file.exists() else {}
    made = asdict(make())
    names = [field.name for field in fields(settings.Secrets)]
    whole = {name: kept.get(name) or made[name] for name in names}
    if whole != kept:
        _write(file, whole)
    return settings.Secrets(**whole)


def make() -> settings.Secrets:
    """New secrets. Keys are 32 random bytes in base64url, which is also the form of a Fernet key."""
    return settings.Secrets(
        service_token=_key(),
        events_key=_key(),
        auth_otp_key=_key(),
        auth_key_encryption_key=_key(),
        delivery_otp_key=_key(),
        razorpay_key_id=f"rzp_test_{secrets.token_hex(7)}",
        razorpay_key_secret=secrets.token_urlsafe(18),
        razorpay_webhook_secret=secrets.token_urlsafe(24),
    )


def _key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _read(file: Path) -> dict[str, str]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise refusals.BrokenFolder(path=str(file), why="it is not readable JSON; restore it from a backup") from error
    if not isinstance(kept, dict):
        raise refusals.BrokenFolder(path=str(file), why="it does not hold an object; restore it from a backup")
    return kept


def _write(file: Path, values: dict[str, str]) -> None:
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(values, out, indent=2)
    draft.replace(file)
