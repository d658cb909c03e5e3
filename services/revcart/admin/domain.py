"""What an ADMIN may have done, and the chain of hashes over it. Pure."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from revcart.kit import clock, redaction

SERVICES = (
    "gateway", "auth", "user", "product", "cart", "order", "payment", "notification", "delivery", "analytics", "admin",
)  # fmt: skip

Outcome = Literal["PENDING", "OK", "REFUSED", "FAILED"]
FIRST_HASH = "0" * 64  # what the first row follows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts. `token`: their own, so that the owner of the data checks them again."""

    id: int
    email: str
    ip: str
    token: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """A call that changes something. `seen_at`, `seen_with`: path and query where its owner shows the thing."""

    action: str  # product.update
    entity_type: str
    entity_id: str | None
    service: str
    method: str
    path: str
    body: Any = None
    params: Mapping[str, object] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    seen_at: str | None = None
    seen_with: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the audit log. `before`, `after`: JSON texts. The row of a finished call has the id of its request."""

    id: int
    at: dt.datetime
    actor_id: int
    actor_email: str
    actor_ip: str
    action: str
    entity_type: str
    entity_id: str | None
    before: str | None
    after: str | None
    outcome: Outcome
    status: int | None
    request_id: str
    previous_hash: str
    hash: str

    @property
    def true_hash(self) -> str:
        """SHA-256 over every other column, canonical JSON (sorted keys, no spaces, UTF-8)."""
        row = {name: value for name, value in dataclasses.asdict(self).items() if name != "hash"}
        row["at"] = clock.to_text(self.at)
        return hashlib.sha256(text(row).encode()).hexdigest()


def text(value: Any) -> str:
    """Canonical JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def difference(before: Any, after: Any) -> tuple[Any, Any]:
    """The fields of two states that differ; the whole values where they are no objects."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return before, after
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def hidden(value: Any) -> Any:
    """`value` with every secret in it replaced by `***`."""
    if isinstance(value, dict):
        return {
            name: redaction.HIDDEN if redaction.is_secret(name) and item is not None else hidden(item)
            for name, item in value.items()
        }
    return [hidden(item) for item in value] if isinstance(value, list) else value
