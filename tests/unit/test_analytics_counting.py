"""The pure parts of analytics: splitting amounts, adding trees, the shop's calendar, percentiles."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revcart.analytics import calendar, counting, domain, reports, table
from revcart.kit import errors


@given(
    amount=st.integers(0, 10**9),
    weights=st.dictionaries(st.text(max_size=3), st.integers(0, 10**6), min_size=1, max_size=6),
)
def test_the_parts_of_an_amount_add_up(amount: int, weights: dict[str, int]) -> None:
    parts = counting.split(amount, weights)
    if not sum(weights.values()):
        assert parts == {}
        return
    assert sum(parts.values()) == amount
    for name, part in parts.items():
        assert abs(part - amount * weights[name] / sum(weights.values())) < 1.001


@given(st.lists(st.fixed_dictionaries({"n": st.integers(), "users": st.dictionaries(st.text(), st.integers(1, 3))})))
def test_adding_trees_in_any_grouping_gives_the_same(parts: list[counting.Tree]) -> None:
    half = len(parts) // 2
    whole = counting.merge(parts)
    assert counting.merge([counting.merge(parts[:half]), counting.merge(parts[half:])]) == whole
    assert counting.merge(reversed(parts)) == whole


def test_merging_leaves_its_parts_alone() -> None:
    first = {"a": {"b": 1}}
    counting.merge([first, {"a": {"b": 2}}])
    assert first == {"a": {"b": 1}}


def test_hours_begin_at_the_local_midnight() -> None:
    kolkata = calendar.Calendar(timezone="Asia/Kolkata")
    assert kolkata.hour_start(dt.datetime(2026, 1, 31, 6, 45, tzinfo=dt.UTC)).minute == 30
    assert kolkata.day(dt.datetime(2026, 1, 30, 18, 30, tzinfo=dt.UTC)) == dt.date(2026, 1, 31)
    assert kolkata.day(dt.datetime(2026, 1, 30, 18, 29, tzinfo=dt.UTC)) == dt.date(2026, 1, 30)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_days_of_clock_changes_are_whole(day: str, hours: int) -> None:
    berlin = calendar.Calendar(timezone="Europe/Berlin")
    starts = berlin.hours(dt.date.fromisoformat(day))
    assert len(starts) == len(set(starts)) == hours
    for start in starts:
        assert berlin.day(start) == dt.date.fromisoformat(day)
        assert berlin.hour_start(start + dt.timedelta(minutes=59)) == start


def test_weeks_start_on_monday() -> None:
    assert calendar.first_day(dt.date(2026, 2, 1), "week") == dt.date(2026, 1, 26)
    assert calendar.first_day(dt.date(2026, 1, 26), "week") == dt.date(2026, 1, 26)
    assert calendar.first_day(dt.date(2026, 2, 17), "month") == dt.date(2026, 2, 1)


TODAY = dt.date(2026, 1, 31)


@pytest.mark.parametrize(("days", "interval"), [(1, "hour"), (2, "hour"), (3, "day"), (92, "day"), (93, "month")])
def test_the_interval_follows_from_the_length(days: int, interval: str) -> None:
    first = TODAY - dt.timedelta(days=days - 1)
    assert domain.period(first=first, last=TODAY, interval=None, today=TODAY).interval == interval


def test_the_default_is_the_last_thirty_days() -> None:
    period = domain.period(first=None, last=None, interval=None, today=TODAY)
    assert (period.first, period.last, period.interval) == (dt.date(2026, 1, 2), TODAY, "day")
    assert period.previous.last == dt.date(2026, 1, 1)
    assert period.previous.last - period.previous.first == period.last - period.first


def test_hours_are_not_kept_for_ever() -> None:
    long_ago = TODAY - dt.timedelta(days=101)
    with pytest.raises(errors.InvalidRequest):
        domain.period(first=long_ago, last=long_ago, interval="hour", today=TODAY)


def test_percentiles_are_by_nearest_rank() -> None:
    assert reports.percentile({}, 95) is None
    assert reports.percentile({"9": 1}, 50) == 9
    assert reports.percentile({"1": 50, "2": 45, "100": 5}, 95) == 2
    assert reports.percentile({"1": 50, "2": 44, "100": 6}, 95) == 100


def test_a_formula_in_a_cell_is_text() -> None:
    content = table.render([{"a": "=SUM(A1)", "b": -1.5}, {"a": 'say "hi", all', "b": None}], columns=["a", "b"])
    assert content.decode("utf-8-sig") == 'a,b\r\n\'=SUM(A1),-1.5\r\n"say ""hi"", all",\r\n'
    assert content.startswith(b"\xef\xbb\xbf")
