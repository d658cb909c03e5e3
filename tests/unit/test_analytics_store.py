"""The facts and the waiting buckets: any order of arrival ends alike, and no mark is lost to a count that runs."""

import datetime as dt
import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from revcart.analytics import store
from revcart.kit import documents

pytestmark = pytest.mark.asyncio
NOW = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(seconds=61)


@pytest_asyncio.fixture
async def facts() -> AsyncIterator[store.Store]:
    kept = documents.Documents("sqlite-documents://")
    made = store.Store(kept)
    await kept.open()
    yield made
    await kept.close()


async def test_a_mark_during_a_count_is_not_lost(facts: store.Store) -> None:
    await facts.mark("shop", "hour", "2026")
    [bucket] = await facts.lease("hour", now=NOW)
    await facts.mark("shop", "hour", "2026")
    await facts.done(bucket)
    [again] = await facts.lease("hour", now=NOW)
    await facts.done(again)
    assert await facts.lease("hour", now=NOW) == []


async def test_a_bucket_has_one_counter_until_its_lease_is_over(facts: store.Store) -> None:
    await facts.mark("shop", "hour", "2026")
    assert len(await facts.lease("hour", now=NOW)) == 1
    assert await facts.lease("hour", now=NOW) == []
    assert len(await facts.lease("hour", now=LATER)) == 1


async def test_intervals_and_families_wait_apart(facts: store.Store) -> None:
    await facts.mark("shop", "hour", "2026")
    await facts.mark("traffic", "hour", "2026")
    await facts.mark("shop", "day", "2026")
    assert len(await facts.lease("hour", now=NOW)) == 2
    assert len(await facts.lease("day", now=NOW)) == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_status_is_the_latest_whatever_comes_last(facts: store.Store, order: tuple[int, ...]) -> None:
    told = [("PENDING", "2026-01-01"), ("CONFIRMED", "2026-01-01"), ("CANCELLED", "2026-01-02")]
    for index in order:
        status, at = told[index]
        await facts.order_status("1", status, at=at)
    _, _, by_status = await facts.totals()
    assert {status for status, count in by_status.items() if count} == {"CANCELLED"}


async def test_of_two_states_at_one_instant_the_further_counts(facts: store.Store) -> None:
    for order_id, told in (("1", ["CONFIRMED", "PENDING"]), ("2", ["PENDING", "CONFIRMED"])):
        for status in told:
            await facts.order_status(order_id, status, at="2026-01-01")
    _, _, by_status = await facts.totals()
    assert by_status["CONFIRMED"] == 2


async def test_what_is_past_its_time_goes(facts: store.Store) -> None:
    for number, days in enumerate((89, 91)):
        at = (NOW - dt.timedelta(days=days)).isoformat().replace("+00:00", "Z")
        await facts.event({"_id": str(number), "type": "product.viewed", "at": at, "userId": "7"})
        await facts.low_stock(str(number), {"name": "Milk"}, since=at)
    await facts.forget(NOW)
    assert [event["_id"] for event in await facts.events("2025", "2027")] == ["0"]
    assert await facts.low_stock_since("2025") == []
