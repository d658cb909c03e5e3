"""The one sentence about a platform: is it ready, if not why, what comes next, and when to look again."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from revcart_operator.engine import conditions, health, rollout, wanted
from revcart_operator.platform import spec

SOON, LATER, SELDOM = 3.0, 15.0, 30.0  # seconds until the next pass: under way, stalled, waits for a person
DEADLINE = "ProgressDeadlineExceeded"

_GATES = {
    "StoresReady": (wanted.STORES,),
    "Migrated": (wanted.MIGRATIONS,),
    "ServicesAvailable": (wanted.SERVICES, wanted.GATEWAY),
    "Exposed": (wanted.EXPOSURE,),
}
_SHOWN = 6  # parts that a message names


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`reconciling` and `stalled` as kstatus means them. `findings`: the other conditions that this pass knows."""

    ready: bool
    reason: str
    message: str
    reconciling: bool = False
    stalled: bool = False
    requeue_after: float | None = None
    findings: tuple[conditions.Finding, ...] = ()

    def all_findings(self) -> tuple[conditions.Finding, ...]:
        """With Ready, Reconciling and Stalled."""
        return (
            conditions.Finding(type="Ready", holds=self.ready, reason=self.reason, message=self.message),
            *(
                conditions.Finding(type=type_, holds=holds, reason=self.reason, message=self.message if holds else "")
                for type_, holds in (("Reconciling", self.reconciling), ("Stalled", self.stalled))
            ),
            *self.findings,
        )


@dataclass
class Patience:
    """Since when a rollout makes no progress. Progress: fewer objects unready than ever since its target was set."""

    target: tuple[int, str] = (0, "")
    fewest: int = 0
    since: dt.datetime = field(default=dt.datetime.min.replace(tzinfo=dt.UTC))

    def waited(self, *, target: tuple[int, str], left: int, now: dt.datetime) -> float:
        """Seconds without progress; `left`: objects that are not ready."""
        if target != self.target or left < self.fewest:
            self.target, self.fewest, self.since = target, left, now
        return (now - self.since).total_seconds()


def broken(finding: str, *, reason: str, message: str, stalled: bool) -> Verdict:
    """The platform got no further than `finding`, a condition that does not hold. A spec is tried again when edited."""
    return Verdict(
        ready=False,
        reason=reason,
        message=message,
        stalled=stalled,
        reconciling=not stalled,
        requeue_after=None if finding == "SpecValid" else SELDOM,
        findings=(conditions.Finding(type=finding, holds=False, reason=reason, message=message),),
    )


def of(progress: Sequence[rollout.Progress], *, platform: spec.RevCartPlatform, overdue: bool) -> Verdict:
    """From how far the waves are. `overdue`: no progress for longer than the deadline."""
    gates = tuple(_gate(type_, waves, progress, platform) for type_, waves in _GATES.items())
    asleep = platform.spec.run_state is spec.RunState.HIBERNATED
    stuck = next((wave for wave in progress if not wave.is_ready), None)
    if stuck is None:
        if asleep:
            message = "hibernated: nothing runs, volumes and secrets are kept; write runState: Running to go on"
            return Verdict(ready=False, reason="Hibernated", message=message, findings=gates)
        return Verdict(ready=True, reason="Ready", message="everything runs", findings=gates)
    reason, message = _why(stuck)
    stalled = overdue or any(wave.worst is health.State.FAILED for wave in progress)
    if overdue and reason == health.PROGRESSING:
        reason, seconds = DEADLINE, platform.spec.update_strategy.progress_deadline_seconds
        message = f"no progress for {seconds} s: {message}"
    return Verdict(
        ready=False,
        reason=reason,
        message=message,
        stalled=stalled,
        reconciling=not stalled,
        requeue_after=LATER if stalled else SOON,
        findings=gates,
    )


def _why(wave: rollout.Progress) -> tuple[str, str]:
    unready = wave.unready()
    if not unready:
        return health.PROGRESSING, f"{wave.name}: changes are waiting"
    first = unready[0]
    if first.reason == health.PROGRESSING:
        shown = ", ".join(sorted({found.message for found in unready})[:_SHOWN])
        more = f" and {len(unready) - _SHOWN} more" if len(unready) > _SHOWN else ""
        return health.PROGRESSING, f"waits for {wave.name}: {shown}{more}"
    alike = sum(found.reason == first.reason for found in unready) - 1
    return first.reason, first.message + (f" (and {alike} more like this)" if alike else "")


def _gate(
    type_: str, names: Sequence[str], progress: Sequence[rollout.Progress], platform: spec.RevCartPlatform
) -> conditions.Finding:
    if platform.spec.run_state is spec.RunState.HIBERNATED and type_ != "Migrated":
        return conditions.Finding(type=type_, holds=False, reason="Hibernated")
    if type_ == "Exposed" and platform.spec.exposure.type is spec.ExposureType.NONE:
        return conditions.Finding(type=type_, holds=True, reason="ClusterOnly", message="spec.exposure.type is None")
    for index, wave in enumerate(progress):
        if wave.name in names and not wave.is_ready:
            before = next((earlier.name for earlier in progress[:index] if not earlier.is_ready), None)
            if wave.pending and before:
                return conditions.Finding(type=type_, holds=False, reason="Waiting", message=f"waits for {before}")
            reason, message = _why(wave)
            return conditions.Finding(type=type_, holds=False, reason=reason, message=message)
    return conditions.Finding(type=type_, holds=True, reason="Ready")
