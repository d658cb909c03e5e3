"""The secrets of a local platform: made once, kept in a file that only its owner can read, never printed."""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path

from revcart_operator.engine import credentials
from revcart_operator.local import refusals
from revcart_operator.render import credentials as rendered
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
    """New secrets, of the same kind as on a cluster."""
    return rendered.secrets(credentials.completed({}))


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
