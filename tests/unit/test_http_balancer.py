"""Balancing: the less busy of two, never one that cannot be reached while there is another."""

from collections import Counter

import pytest

from revcart.kit import balancer, clock, registry


@pytest.fixture
async def time() -> clock.Manual:
    return clock.Manual()


async def _balancer(time: clock.Manual, *names: str) -> tuple[balancer.Balancer, dict[str, registry.Instance]]:
    instances = {name: registry.Instance(service="order", id=name, address=f"http://{name}") for name in names}
    known = registry.Memory()
    for instance in instances.values():
        await known.register(instance)
    return balancer.Balancer(registry=known, clock=time), instances


def _picks(subject: balancer.Balancer, times: int = 200, exclude: tuple[str, ...] = ()) -> Counter[str]:
    picked = (subject.pick("order", exclude=exclude) for _ in range(times))
    return Counter(instance.id for instance in picked if instance is not None)


async def test_all_idle_instances_get_calls(time: clock.Manual) -> None:
    subject, _ = await _balancer(time, "a", "b", "c")
    assert set(_picks(subject)) == {"a", "b", "c"}
    assert subject.pick("nobody") is None


async def test_the_busiest_instance_gets_nothing(time: clock.Manual) -> None:
    subject, instances = await _balancer(time, "a", "b", "c")
    with subject.busy(instances["a"]):
        assert subject.in_flight(instances["a"]) == 1
        assert set(_picks(subject)) == {"b", "c"}
    assert subject.in_flight(instances["a"]) == 0
    assert set(_picks(subject)) == {"a", "b", "c"}


async def test_three_failed_connects_in_a_row_take_an_instance_out_for_ten_seconds(time: clock.Manual) -> None:
    subject, instances = await _balancer(time, "a", "b")
    for _ in range(2):
        subject.unreachable(instances["a"])
    subject.reached(instances["a"])
    for _ in range(2):
        subject.unreachable(instances["a"])
    assert set(_picks(subject)) == {"a", "b"}, "never three in a row"
    subject.unreachable(instances["a"])
    assert set(_picks(subject)) == {"b"}
    time.advance(10)
    assert set(_picks(subject)) == {"a", "b"}


async def test_the_last_instance_is_never_taken_out(time: clock.Manual) -> None:
    subject, instances = await _balancer(time, "a", "b")
    for instance in instances.values():
        for _ in range(3):
            subject.unreachable(instance)
    assert set(_picks(subject)) == {"a", "b"}


async def test_a_second_try_goes_elsewhere_if_there_is_an_elsewhere(time: clock.Manual) -> None:
    subject, _ = await _balancer(time, "a", "b")
    assert set(_picks(subject, exclude=("a",))) == {"b"}
    assert set(_picks(subject, exclude=("a", "b"))) == {"a", "b"}


def test_the_budget_is_a_tenth_and_ten_saved_up() -> None:
    budget = balancer.Budget()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(11):
        budget.earn()
    assert [budget.spend() for _ in range(2)] == [True, False]


def test_a_budget_of_none_allows_none_and_fills_again() -> None:
    budget = balancer.Budget()
    budget.tune(ratio=0)
    budget.earn()
    assert not budget.spend()
    budget.tune(ratio=0.5)
    for _ in range(2):
        budget.earn()
    assert [budget.spend() for _ in range(2)] == [True, False]
