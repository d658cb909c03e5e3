"""What a report may be asked: a period of business days, cut into intervals. Pure."""

import dataclasses
import datetime as dt

from revcart.analytics import calendar
from revcart.kit import pages

ORDER_STATES = ("PENDING", "CONFIRMED", "PREPARING", "OUT_FOR_DELIVERY", "DELIVERED", "CANCELLED")
PENDING_DELIVERIES = ("CONFIRMED", "PREPARING", "OUT_FOR_DELIVERY")
EVENTS_KEPT = dt.timedelta(days=90)  # views, searches, cart changes; notifications too
HOURS_KEPT = dt.timedelta(days=100)  # rollups by the hour
LOW_STOCK_KEPT = dt.timedelta(days=30)  # there is no event for a refill, so an old report says little
DEFAULT_DAYS = 30
MAX_DAYS = 366
MAX_POINTS = 750


@dataclasses.dataclass(frozen=True, kw_only=True)
class Period:
    """Business days `first` to `last`, both included, in steps of `interval`."""

    first: dt.date
    last: dt.date
    interval: calendar.Interval

    @property
    def previous(self) -> "Period":
        """The equally long period right before this one."""
        length = self.last - self.first + calendar.DAY
        return dataclasses.replace(self, first=self.first - length, last=self.last - length)


def period(
    *,
    first: dt.date | None,
    last: dt.date | None,
    interval: calendar.Interval | None,
    today: dt.date,
) -> Period:
    """The period asked for. Default: the 30 days up to today; ≤ 2 days by hour, ≤ 92 by day, more by month.

    Raises InvalidRequest (400): first after last, more than 366 days or 750 points, hours that are no longer kept.
    """
    last = last or (max(today, first) if first else today)
    first = first or last - dt.timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise pages.invalid("from", "must not be after `to`")
    length = (last - first).days + 1
    if length > MAX_DAYS:
        raise pages.invalid("to", f"a report covers {MAX_DAYS} days at most")
    interval = interval or ("hour" if length <= 2 else "day" if length <= 92 else "month")
    if interval == "hour":
        _check_hours(first, length=length, today=today)
    return Period(first=first, last=last, interval=interval)


def _check_hours(first: dt.date, *, length: int, today: dt.date) -> None:
    if length * 24 > MAX_POINTS:
        raise pages.invalid("interval", f"more than {MAX_POINTS} points: take a longer interval")
    if today - first > HOURS_KEPT:
        raise pages.invalid("interval", f"hours are kept for {HOURS_KEPT.days} days: take a longer interval")
