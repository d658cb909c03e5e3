"""Delivery slots: which windows a day has, and whether one still takes orders."""

import dataclasses
import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator
from typing import Literal

from revcart.order import refusals

_TEMPLATE = re.compile(r"(?P<windows>[0-9:,\- ]+);capacity=(?P<capacity>\d+);cutoff=(?P<cutoff>\d+)")

Reason = Literal["FULL", "CUT_OFF", "BLACKOUT"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Terms:
    """What the shop decides about a slot."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    capacity: int
    cutoff_minutes: int
    blackout: bool = False
    reason: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slot(Terms):
    """A slot as it is stored."""

    id: int
    booked: int
    version: int

    @property
    def cutoff_at(self) -> dt.datetime:
        return self.starts_at - dt.timedelta(minutes=self.cutoff_minutes)

    @property
    def remaining(self) -> int:
        return max(self.capacity - self.booked, 0)

    def closed(self, now: dt.datetime) -> Reason | None:
        """Why it takes no orders; None when it does."""
        if self.blackout:
            return "BLACKOUT"
        if now >= self.cutoff_at:
            return "CUT_OFF"
        return "FULL" if self.remaining == 0 else None

    def check(self, now: dt.datetime) -> None:
        """Raises SlotFull, SlotClosed (409)."""
        reason = self.closed(now)
        if reason == "FULL":
            raise refusals.SlotFull
        if reason is not None:
            raise refusals.SlotClosed


@dataclasses.dataclass(frozen=True)
class Template:
    """The windows of every day, in the shop's time: `07:00-09:00,17:00-19:00;capacity=20;cutoff=60`."""

    windows: tuple[tuple[dt.time, dt.time], ...]
    capacity: int
    cutoff_minutes: int

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Raises ValueError for another form."""
        match = _TEMPLATE.fullmatch(text.strip())
        if match is None:
            raise ValueError("a slot template reads 07:00-09:00,17:00-19:00;capacity=20;cutoff=60")
        windows = []
        for window in match["windows"].split(","):
            start, _, end = window.strip().partition("-")
            windows.append((dt.time.fromisoformat(start), dt.time.fromisoformat(end)))
            if windows[-1][0] >= windows[-1][1]:
                raise ValueError(f"the slot {window} ends before it starts")
        return cls(tuple(windows), int(match["capacity"]), int(match["cutoff"]))

    def slots(self, *, first: dt.date, days: int, timezone: str) -> Iterator[Terms]:
        """The slots of `days` days from `first` on."""
        zone = zoneinfo.ZoneInfo(timezone)
        for day in (first + dt.timedelta(days=number) for number in range(days)):
            for start, end in self.windows:
                yield Terms(
                    starts_at=dt.datetime.combine(day, start, zone).astimezone(dt.UTC),
                    ends_at=dt.datetime.combine(day, end, zone).astimezone(dt.UTC),
                    capacity=self.capacity,
                    cutoff_minutes=self.cutoff_minutes,
                )
