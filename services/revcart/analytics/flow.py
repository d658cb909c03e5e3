"""The use cases: count what is out of date, answer the four reports, rebuild, export and erase a person's data."""

import dataclasses
import datetime as dt
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from revcart.analytics import calendar, counting, domain, reports, schemas, store
from revcart.kit import bus, clock, documents, errors, telemetry

log = telemetry.get_logger(__name__)
_PERFORMANCE_DAYS = 30


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What analytics needs."""

    clock: clock.Clock
    calendar: calendar.Calendar
    store: store.Store
    bus: bus.Bus


# Counting


async def count(*, ports: Ports) -> None:
    """One round: count every bucket that is out of date, then say up to when the numbers are complete.

    A whole day to be rebuilt marks its hours; an hour that was counted marks its day. While the bus is away the
    numbers stay as they are and `asOf` stands still.
    """
    began = ports.clock.now()
    try:
        await ports.bus.ping()
        complete = True
    except errors.DependencyUnavailable:
        complete = False
    for interval, recount in (("rebuild", _mark_hours), ("hour", _count_hour), ("day", _count_day)):
        while buckets := await ports.store.lease(interval, now=ports.clock.now()):
            for bucket in buckets:
                await recount(bucket["family"], bucket["start"], ports=ports)
                await ports.store.done(bucket)
    if complete:
        await ports.store.set_as_of(began)


async def _mark_hours(family: str, start: str, *, ports: Ports) -> None:
    """Only the hours in which something happened, or in which something was counted: most of a year is empty."""
    began = clock.from_text(start)
    ended = ports.calendar.day_start(ports.calendar.day(began) + calendar.DAY)
    if family == "traffic" and began < ports.clock.now() - domain.EVENTS_KEPT:
        return  # its events are gone, what was counted stays
    for instant in await ports.store.instants_between(family, start, clock.to_text(ended)):
        await ports.store.mark(family, "hour", clock.to_text(ports.calendar.hour_start(clock.from_text(instant))))
    await ports.store.mark(family, "day", start)


async def _count_hour(family: str, start: str, *, ports: Ports) -> None:
    began = clock.from_text(start)
    for kind, tree in (await _trees(family, began, began + calendar.HOUR, ports=ports)).items():
        await ports.store.put_rollup(kind, "hour", start=start, tree=tree, at=ports.clock.now())
    day = ports.calendar.day_start(ports.calendar.day(began))
    await ports.store.mark(family, "day", clock.to_text(day))


async def _count_day(family: str, start: str, *, ports: Ports) -> None:
    began = clock.from_text(start)
    ended = ports.calendar.day_start(ports.calendar.day(began) + calendar.DAY)
    if family == "shop" and began < ports.clock.now() - domain.HOURS_KEPT:  # its hours are gone
        trees = await _trees(family, began, ended, ports=ports)
    else:
        kinds = counting.SHOP if family == "shop" else ("traffic",)
        trees = {kind: await _merged(kind, "hour", since=began, until=ended, ports=ports) for kind in kinds}
    for kind, tree in trees.items():
        await ports.store.put_rollup(kind, "day", start=start, tree=tree, at=ports.clock.now())


async def _trees(family: str, began: dt.datetime, ended: dt.datetime, *, ports: Ports) -> dict[str, counting.Tree]:
    since, until = clock.to_text(began), clock.to_text(ended)
    if family == "traffic":
        return {"traffic": counting.traffic(await ports.store.events(since, until))}
    return counting.shop(await ports.store.facts(since, until), start=began, end=ended)


async def rebuild(*, first: dt.date, last: dt.date, ports: Ports) -> None:
    """Have every bucket of these days counted again from the facts. Raises InvalidRequest (400)."""
    period = domain.period(first=first, last=last, interval="day", today=ports.calendar.day(ports.clock.now()))
    for day in calendar.days(period.first, period.last):
        for family in ("shop", "traffic"):
            await ports.store.mark(family, "rebuild", clock.to_text(ports.calendar.day_start(day)))


async def forget(*, ports: Ports) -> None:
    """Drop what is past its time."""
    await ports.store.forget(ports.clock.now())


# Reports


async def sales(
    *, period: domain.Period, compare: bool, method: str | None, category: str | None, ports: Ports
) -> schemas.Sales:
    """Orders and money of a period, in paise, and what today, this week and this month brought in."""

    def totals(tree: counting.Tree) -> schemas.Totals:
        return reports.totals(tree, method=method, category=category)

    series = await _series("sales", period, ports=ports)
    tree = counting.merge(series.values())
    products = await _total("products", period, ports=ports)
    today = ports.calendar.day(ports.clock.now())
    running = {
        name: totals(await _since("sales", calendar.first_day(today, name), today, ports=ports)).net
        for name in ("day", "week", "month")
    }
    return schemas.Sales(
        **await _head(period, ports=ports),
        interval=period.interval,
        timezone=ports.calendar.timezone,
        currency="INR",
        totals=totals(tree),
        previous=totals(await _total("sales", period.previous, ports=ports)) if compare else None,
        today=running["day"],
        week=running["week"],
        month=running["month"],
        series=[schemas.SalesPoint(start=start, **dict(totals(part))) for start, part in series.items()],
        by_method=reports.by_method(tree, method=method, category=category),
        by_category=reports.by_category(products, method=method, category=category),
    )


async def products(
    *, period: domain.Period, category: str | None, sort: schemas.ProductSort, limit: int, ports: Ports
) -> schemas.Products:
    """What sold best (by units of paid orders, unless sorted otherwise), what was looked at and looked for."""
    tree = await _total("products", period, ports=ports)
    traffic = await _total("traffic", period, ports=ports)
    sold = reports.sold(tree)
    names = await ports.store.names_of({*sold, *traffic.get("views", {}), *traffic.get("cartAdds", {})})
    ranked = reports.ranked(sold, traffic=traffic, names=names, category=category, sort=sort)
    low = await ports.store.low_stock_since(clock.to_text(ports.clock.now() - domain.LOW_STOCK_KEPT))
    return schemas.Products(
        **await _head(period, ports=ports),
        totals=reports.product_totals(ranked),
        top=ranked[:limit],
        categories=reports.categories(tree, category=category),
        low_stock=[reports.low_stock(fact) for fact in low],
        searches=reports.searches(traffic, limit=limit),
    )


async def users(*, period: domain.Period, compare: bool, limit: int, ports: Ports) -> schemas.Users:
    """Who came, bought, and came back."""
    people = await _series("people", period, ports=ports)
    traffic = await _series("traffic", period, ports=ports)
    people_total, traffic_total = counting.merge(people.values()), counting.merge(traffic.values())
    previous = await _user_totals(period.previous, ports=ports) if compare else None
    return schemas.Users(
        **await _head(period, ports=ports),
        interval=period.interval,
        totals=await _user_totals(period, ports=ports),
        previous=previous,
        series=[reports.user_point(start, people[start], traffic[start]) for start in people],
        funnel=reports.funnel(people_total, traffic_total),
        top_customers=reports.top_customers(people_total, limit=limit),
    )


async def _user_totals(period: domain.Period, *, ports: Ports) -> schemas.UserTotals:
    people = await _total("people", period, ports=ports)
    traffic = await _total("traffic", period, ports=ports)
    paid = await ports.store.paid_orders_of(reports.buyers(people))
    since = clock.to_text(ports.calendar.day_start(period.first))
    return reports.user_totals(people, traffic, paid=paid, since=since)


async def dashboard(*, day: dt.date | None, ports: Ports) -> schemas.Dashboard:
    """The state of the shop as of `day` (default today)."""
    day = day or ports.calendar.day(ports.clock.now())
    orders, registered, by_status = await ports.store.totals()
    everything = counting.merge((await ports.store.rollups("sales", "day")).values())
    performance_since = day - dt.timedelta(days=_PERFORMANCE_DAYS - 1)
    low = await ports.store.low_stock_since(clock.to_text(ports.clock.now() - domain.LOW_STOCK_KEPT))
    return schemas.Dashboard(
        as_of=await ports.store.as_of(),
        total_orders=orders,
        total_users=registered,
        total_revenue=reports.totals(everything).net,
        today=await _window(day, day, ports=ports),
        week=await _window(calendar.first_day(day, "week"), day, ports=ports),
        month=await _window(calendar.first_day(day, "month"), day, ports=ports),
        orders_by_status=by_status,
        pending_deliveries=sum(by_status[status] for status in domain.PENDING_DELIVERIES),
        low_stock_count=len(low),
        performance=reports.performance(await _since("service", performance_since, day, ports=ports)),
    )


async def _window(first: dt.date, last: dt.date, *, ports: Ports) -> schemas.Window:
    totals = reports.totals(await _since("sales", first, last, ports=ports))
    people = await _since("people", first, last, ports=ports)
    return schemas.Window(
        orders=totals.placed,
        revenue=totals.net,
        new_users=people.get("registered", 0),
        average_order_value=totals.average_order_value,
    )


async def _head(period: domain.Period, *, ports: Ports) -> dict[str, Any]:
    return {"from_": period.first, "to": period.last, "as_of": await ports.store.as_of()}


async def _series(kind: str, period: domain.Period, *, ports: Ports) -> dict[dt.datetime, counting.Tree]:
    """Start -> tree of every point of the period, empty ones too."""
    days = calendar.days(period.first, period.last)
    since, until = ports.calendar.day_start(days[0]), ports.calendar.day_start(days[-1] + calendar.DAY)
    interval = "hour" if period.interval == "hour" else "day"
    known = await ports.store.rollups(kind, interval, since=clock.to_text(since), until=clock.to_text(until))
    if interval == "hour":
        hours = [hour for day in days for hour in ports.calendar.hours(day)]
        return {hour: known.get(clock.to_text(hour), {}) for hour in hours}
    points: dict[dt.datetime, list[Mapping[str, Any]]] = {}
    for day in days:
        start = ports.calendar.day_start(calendar.first_day(day, period.interval))
        points.setdefault(start, []).append(known.get(clock.to_text(ports.calendar.day_start(day)), {}))
    return {start: counting.merge(trees) for start, trees in points.items()}


async def _total(kind: str, period: domain.Period, *, ports: Ports) -> counting.Tree:
    return await _since(kind, period.first, period.last, ports=ports)


async def _since(kind: str, first: dt.date, last: dt.date, *, ports: Ports) -> counting.Tree:
    since, until = ports.calendar.day_start(first), ports.calendar.day_start(last + calendar.DAY)
    return await _merged(kind, "day", since=since, until=until, ports=ports)


async def _merged(kind: str, interval: str, *, since: dt.datetime, until: dt.datetime, ports: Ports) -> counting.Tree:
    found = await ports.store.rollups(kind, interval, since=clock.to_text(since), until=clock.to_text(until))
    return counting.merge(found.values())


# A person's data


async def export(*, user_id: int, ports: Ports) -> dict[str, Iterable[documents.Document]]:
    """All that is kept under a user's id."""
    return {**await ports.store.export(str(user_id))}


async def erase(*, user_id: int, ports: Ports) -> None:
    """Put a random id in place of a user's, so that the numbers stay and nobody can be told from them."""
    other = f"x{secrets.token_hex(12)}"
    changed = await ports.store.replace_user(str(user_id), other)
    for family, instant in changed:
        await ports.store.mark(family, "hour", clock.to_text(ports.calendar.hour_start(clock.from_text(instant))))
    if changed:
        log.info("personal-data.erased", facts=len(changed))
