"""The shop's calendar: which hour, day, week and month of `REVCART_TIMEZONE` an instant belongs to. Pure.

Hours are counted from the local midnight (in Asia/Kolkata they begin at half past, UTC), so that a day is a whole
number of them also where clocks are changed. Weeks start on Monday.
"""

import dataclasses
import datetime as dt
import functools
import zoneinfo
from typing import Literal

Interval = Literal["hour", "day", "week", "month"]
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calendar:
    """Days are `date`s of the shop; starts are aware UTC instants."""

    timezone: str

    def day(self, instant: dt.datetime) -> dt.date:
        """The business day of `instant`."""
        return instant.astimezone(_zone(self.timezone)).date()

    def day_start(self, day: dt.date) -> dt.datetime:
        """When `day` begins."""
        return dt.datetime.combine(day, dt.time(), _zone(self.timezone)).astimezone(dt.UTC)

    def hour_start(self, instant: dt.datetime) -> dt.datetime:
        """When the hour of `instant` began."""
        midnight = self.day_start(self.day(instant))
        return midnight + (instant - midnight) // HOUR * HOUR

    def hours(self, day: dt.date) -> list[dt.datetime]:
        """The starts of the hours of `day`: 24, or 23 and 25 when clocks are changed."""
        start, end = self.day_start(day), self.day_start(day + DAY)
        return [start + number * HOUR for number in range((end - start) // HOUR)]


def first_day(day: dt.date, interval: Interval) -> dt.date:
    """The first day of the week or month that `day` is in; for shorter intervals the day itself."""
    if interval == "week":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if interval == "month" else day


def days(first: dt.date, last: dt.date) -> list[dt.date]:
    """All days from `first` to `last`, both included."""
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


@functools.cache
def _zone(name: str) -> zoneinfo.ZoneInfo:
    return zoneinfo.ZoneInfo(name)
