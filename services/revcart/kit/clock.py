"""Time comes through this port, so that a test can move it; it is always aware UTC.

On the wire an instant is RFC 3339 in UTC with milliseconds: `2026-01-31T09:05:00.000Z`.
"""

import asyncio
import datetime as dt
import zoneinfo
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now(self) -> dt.datetime:
        """The present instant: aware, UTC, cut to whole milliseconds as every store keeps it."""
        ...


class System:
    """The machine's clock."""

    def now(self) -> dt.datetime:
        return milliseconds(dt.datetime.now(dt.UTC))


class Manual:
    """A clock that stands still until somebody moves it (tests, demos of deadlines)."""

    def __init__(self, start: dt.datetime | None = None) -> None:
        self._now = milliseconds(start or dt.datetime.now(dt.UTC))

    def now(self) -> dt.datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self._now = milliseconds(self._now + dt.timedelta(seconds=seconds))


def milliseconds(instant: dt.datetime) -> dt.datetime:
    """`instant` cut to whole milliseconds: what DATETIME(3) keeps, so that a value read back equals the one written."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def to_text(instant: dt.datetime) -> str:
    """RFC 3339, UTC, milliseconds, `Z`. `instant` must be aware."""
    assert instant.tzinfo is not None, "an instant is aware"
    return instant.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> dt.datetime:
    """The instant of an RFC 3339 text with any offset. Raises ValueError when it has none or is no instant."""
    instant = dt.datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs an offset, e.g. 2026-01-31T09:05:00Z")
    try:
        return milliseconds(instant.astimezone(dt.UTC))
    except OverflowError as error:
        raise ValueError("that instant is outside the calendar") from error


def business_day(instant: dt.datetime, timezone: str) -> dt.date:
    """The calendar day of `instant` where the shop is (`REVCART_TIMEZONE`)."""
    return instant.astimezone(zoneinfo.ZoneInfo(timezone)).date()


def day_bounds(day: dt.date, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """Start (inclusive) and end (exclusive) of a business day as instants."""
    zone = zoneinfo.ZoneInfo(timezone)
    start = dt.datetime.combine(day, dt.time(), zone)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), zone)
    return start.astimezone(dt.UTC), end.astimezone(dt.UTC)


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event`, at most `seconds`; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
