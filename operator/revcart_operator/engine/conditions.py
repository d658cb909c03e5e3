"""Conditions as in metav1.Condition, readable by kstatus: Ready, Reconciling and Stalled, and one per promise."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from revcart_operator.platform import status

_LONGEST = 1024  # characters of a message


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a pass says about one condition; `holds` None: Unknown."""

    type: str
    holds: bool | None
    reason: str
    message: str = ""


def merged(
    previous: Sequence[dict[str, Any]], findings: Iterable[Finding], *, generation: int, now: dt.datetime
) -> list[dict[str, Any]]:
    """All conditions; what no finding is about stays as it was, and the time moves only when a status changes."""
    before = {condition["type"]: condition for condition in previous}
    found = {finding.type: _condition(finding, before.get(finding.type), generation, now) for finding in findings}
    whole = {**before, **found}
    return [whole[type_] for type_ in status.CONDITIONS if type_ in whole]


def holds(previous: Sequence[dict[str, Any]], type_: str) -> bool:
    """Whether a condition of a live status is True."""
    return any(condition["type"] == type_ and condition["status"] == "True" for condition in previous)


def reason(previous: Sequence[dict[str, Any]], type_: str) -> str:
    """The reason of a condition of a live status; empty when it is not there."""
    return next((str(condition["reason"]) for condition in previous if condition["type"] == type_), "")


def instant(now: dt.datetime) -> str:
    """As metav1.Time is written: whole seconds."""
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _condition(finding: Finding, before: dict[str, Any] | None, generation: int, now: dt.datetime) -> dict[str, Any]:
    word = {True: "True", False: "False", None: "Unknown"}[finding.holds]
    since = before["lastTransitionTime"] if before and before["status"] == word else instant(now)
    made = status.Condition(
        type=finding.type,
        status=word,
        reason=finding.reason,
        message=finding.message[:_LONGEST],
        last_transition_time=since,
        observed_generation=generation,
    )
    return made.model_dump(mode="json", by_alias=True)
