"""Who rides, what may follow, and the customer's code."""

import datetime as dt
import itertools

import pytest

from revcart.delivery import domain

SHOP = domain.Shop(
    point=domain.Point(12.9716, 77.5946), address="Shop", radius_metres=12_000, postal_prefix="560", detour=1.3
)
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def candidate(number: int, **changes: object) -> domain.Candidate:
    values: dict[str, object] = {
        "id": number,
        "load": 0,
        "capacity": 3,
        "vehicle_type": "SCOOTER",
        "point": SHOP.point,
        "point_is_fresh": True,
        "idle_since": LONG_AGO,
        "shares_a_stop": False,
    }
    return domain.Candidate(**{**values, **changes})  # type: ignore[arg-type]


def order(*candidates: domain.Candidate, weight_grams: int = 1_000) -> list[int]:
    return [found.id for found in domain.rank(candidates, shop=SHOP, weight_grams=weight_grams)]


def test_the_nearest_rides() -> None:
    far = domain.Point(SHOP.point.lat + 0.02, SHOP.point.lng)
    assert order(candidate(1, point=far), candidate(2)) == [2, 1]


def test_a_load_counts_as_800_metres() -> None:
    near = domain.Point(SHOP.point.lat + 0.0050, SHOP.point.lng)  # 556 m, 723 m by road
    far = domain.Point(SHOP.point.lat + 0.0065, SHOP.point.lng)  # 723 m, 940 m by road
    assert order(candidate(1, load=1), candidate(2, point=near)) == [2, 1]
    assert order(candidate(1, load=1), candidate(2, point=far)) == [1, 2]


def test_a_stop_on_the_way_is_worth_600_metres() -> None:
    near = domain.Point(SHOP.point.lat + 0.004, SHOP.point.lng)  # 578 m by road
    assert order(candidate(1), candidate(2, point=near, shares_a_stop=True)) == [2, 1]


def test_an_old_position_counts_two_kilometres_more() -> None:
    away = domain.Point(SHOP.point.lat + 0.010, SHOP.point.lng)  # 1,446 m by road
    assert order(candidate(1, point_is_fresh=False), candidate(2, point=away)) == [2, 1]


def test_ties_go_to_the_longest_idle_then_the_lowest_id() -> None:
    later = LONG_AGO + dt.timedelta(hours=1)
    assert order(candidate(1, idle_since=later), candidate(3), candidate(2)) == [2, 3, 1]


def test_who_is_full_or_cannot_carry_it_is_not_asked() -> None:
    assert order(candidate(1, load=3)) == []
    assert order(candidate(1), candidate(2, vehicle_type="VAN"), weight_grams=30_000) == [2]


@pytest.mark.parametrize(("start", "to", "kind"), list(itertools.product(domain.Status, domain.Status, domain.Kind)))
def test_only_listed_transitions_are_possible(start: domain.Status, to: domain.Status, kind: domain.Kind) -> None:
    actor = domain.Actor(kind=kind)
    if kind in domain.TRANSITIONS.get((start, to), frozenset()):
        domain.check_transition(current=start, wanted=to, actor=actor)
        return
    with pytest.raises(domain.TransitionNotAllowed) as refused:
        domain.check_transition(current=start, wanted=to, actor=actor)
    allowed = refused.value.members["allowed"]
    assert to.value not in allowed
    assert start not in domain.ENDED or allowed == []


def test_nobody_leaves_an_end() -> None:
    assert not [start for start, _ in domain.TRANSITIONS if start in domain.ENDED]


@pytest.mark.parametrize(("version", "code"), list(enumerate(["755224", "287082", "359152", "969429", "338314"])))
def test_codes_are_those_of_rfc_4226(version: int, code: str) -> None:
    key = b"12345678901234567890"
    assert domain.one_time_code(key=key, delivery_id=0, attempt=0, version=version) == code


def test_another_delivery_or_attempt_has_another_code() -> None:
    def made(delivery_id: int, attempt: int) -> str:
        return domain.one_time_code(key=b"k" * 20, delivery_id=delivery_id, attempt=attempt, version=0)

    codes = {made(delivery_id, attempt) for delivery_id in range(1, 6) for attempt in (1, 2)}
    assert len(codes) == 10


def test_distance_is_the_great_circle() -> None:
    bengaluru, mysuru = domain.Point(12.9716, 77.5946), domain.Point(12.2958, 76.6394)
    assert bengaluru.metres_to(mysuru) == pytest.approx(128_000, rel=0.01)
