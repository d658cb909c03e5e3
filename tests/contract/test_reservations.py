"""Reservations: all lines or none, one hold per reference, never more than there is, whatever comes at once."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from tests import databases
from tests.flow import groceries


@pytest.fixture(params=databases.KINDS)
def url(request: pytest.FixtureRequest) -> str:
    return databases.url("product", kind=request.param)


@pytest.fixture
async def shop(url: str) -> AsyncIterator[groceries.Groceries]:
    async with groceries.opened(product_sweep_seconds=3600, database_url=url) as opened:
        yield opened


@pytest.mark.regression("R19")
async def test_r19_last_unit_is_sold_once(shop: groceries.Groceries) -> None:
    number = (await shop.add("Last Cake", stock=1))["id"]
    answers = await asyncio.gather(*(shop.reserve((number, 1), reference=f"checkout-{n}") for n in range(50)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
    refusals = [answer.json() for answer in answers if answer.status_code == 409]
    assert {refusal["code"] for refusal in refusals} == {"stock.insufficient"}
    assert refusals[0]["lines"] == [{"productId": number, "available": 0}]
    assert await shop.stock(number) == 0
    (winner,) = (answer.json() for answer in answers if answer.status_code == 201)
    assert (await shop.decide(winner["id"], "commit")).status_code == 200
    assert await shop.counted(number) == (0, 0)
    await shop.check_ledger(number)


async def test_all_lines_or_none(shop: groceries.Groceries) -> None:
    milk, ghee = (await shop.add("Milk", stock=5))["id"], (await shop.add("Ghee", stock=1))["id"]
    answer = await shop.reserve((ghee, 2), (milk, 1))
    assert (answer.status_code, answer.json()["code"]) == (409, "stock.insufficient")
    assert answer.json()["detail"] == "1 of Ghee are left."
    assert answer.json()["lines"] == [{"productId": ghee, "available": 1}]
    assert await shop.counted(milk) == (5, 0)
    answer = await shop.reserve((milk, 1), (999, 1))
    assert (answer.status_code, answer.json()["code"]) == (409, "product.unavailable")
    assert answer.json()["lines"] == [{"productId": 999, "available": 0}]
    assert await shop.counted(milk) == (5, 0)


async def test_what_is_no_longer_sold_cannot_be_held(shop: groceries.Groceries) -> None:
    number = (await shop.add("Old Milk", active=False))["id"]
    assert (await shop.reserve((number, 1))).json()["code"] == "product.unavailable"


async def test_the_same_reference_gets_the_first_answer(shop: groceries.Groceries) -> None:
    made = await shop.add("Milk", stock=5, price=40)
    number = made["id"]
    first = await shop.reserve((number, 2))
    assert first.status_code == 201
    line = first.json()["lines"][0]
    assert (line["price"], line["name"], line["quantity"]) == (40, "Milk", 2)
    body = {"sku": made["sku"], "name": "Milk", "category": "dairy", "price": 99}
    changed = await shop.client.put(f"/api/products/{number}", json=body, headers={**shop.admin, "If-Match": '"1"'})
    assert changed.status_code == 200
    again = await shop.reserve((number, 2))
    assert (again.status_code, again.json()) == (200, first.json())
    assert await shop.counted(number) == (5, 2)


async def test_the_same_reference_at_once_holds_once(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=50))["id"]
    answers = await asyncio.gather(*(shop.reserve((number, 2)) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await shop.counted(number) == (50, 2)


async def test_other_lines_replace_an_older_hold_of_the_reference(shop: groceries.Groceries) -> None:
    milk, ghee = (await shop.add("Milk", stock=5))["id"], (await shop.add("Ghee", stock=5))["id"]
    await shop.reserve((milk, 5))
    answer = await shop.reserve((ghee, 1))
    assert answer.status_code == 201
    assert (await shop.counted(milk), await shop.counted(ghee)) == ((5, 0), (5, 1))
    await shop.decide(answer.json()["id"], "commit")
    answer = await shop.reserve((milk, 1))
    assert (answer.status_code, answer.json()["code"]) == (409, "reservation.committed")
    for number in (milk, ghee):
        await shop.check_ledger(number)


async def test_decisions_may_be_repeated(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=5))["id"]
    hold = (await shop.reserve((number, 2))).json()["id"]
    for _ in range(2):
        assert (await shop.decide(hold, "commit")).json()["state"] == "COMMITTED"
        assert await shop.counted(number) == (3, 0)
    for _ in range(2):
        assert (await shop.decide(hold, "release")).json()["state"] == "RETURNED"
        assert await shop.counted(number) == (5, 0)
    answer = await shop.decide(hold, "commit")
    assert (answer.status_code, answer.json()["code"]) == (409, "reservation.not-held")
    assert (await shop.decide(999, "commit")).status_code == 404


async def test_a_part_comes_back_once_per_ref(shop: groceries.Groceries) -> None:
    number = (await shop.add("Milk", stock=5))["id"]
    hold = (await shop.reserve((number, 4))).json()["id"]
    part = {"lines": [{"productId": number, "quantity": 1}]}
    for _ in range(2):
        assert (await shop.decide(hold, "release", ref="held", **part)).json()["state"] == "HELD"
        assert await shop.counted(number) == (5, 3)
    await shop.decide(hold, "commit")
    for _ in range(2):
        assert (await shop.decide(hold, "release", ref="short", **part)).json()["state"] == "COMMITTED"
        assert await shop.counted(number) == (3, 0)
    too_much = {"lines": [{"productId": number, "quantity": 3}]}
    answer = await shop.decide(hold, "release", ref="more", **too_much)
    assert (answer.status_code, answer.json()["code"]) == (409, "reservation.exceeded")
    await shop.decide(hold, "release")
    assert await shop.counted(number) == (5, 0)
    await shop.check_ledger(number)


async def test_a_lapsed_hold_is_taken_anew_when_it_is_paid(url: str) -> None:
    async with groceries.opened(database_url=url) as shop:
        number = (await shop.add("Milk", stock=3))["id"]
        lapsed = [(await shop.reserve((number, 1), reference=f"lapsed-{n}")).json()["id"] for n in range(2)]
        shop.clock.advance(1_000)

        async def have_lapsed() -> bool:
            return {await shop.state(hold) for hold in lapsed} == {"EXPIRED"}

        await groceries.until(have_lapsed)
        assert (await shop.decide(lapsed[0], "commit")).json()["state"] == "COMMITTED"
        assert await shop.counted(number) == (2, 0)
        await shop.reserve((number, 2), reference="others")
        answer = await shop.decide(lapsed[1], "commit")
        assert (answer.status_code, answer.json()["code"]) == (409, "stock.insufficient")
        assert await shop.counted(number) == (2, 2)
        await shop.check_ledger(number)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"ttlSeconds": 59}, "#/ttlSeconds"),
        ({"lines": []}, "#/lines"),
        ({"userId": "7"}, "#/userId"),
        ({"lines": [{"productId": 1, "quantity": 0}]}, "#/lines/0/quantity"),
    ],
)
async def test_what_cannot_be_held_is_named(shop: groceries.Groceries, change: dict[str, object], pointer: str) -> None:
    body = {"reference": "r", "userId": 7, "lines": [{"productId": 1, "quantity": 1}], **change}
    answer = await shop.client.post("/internal/stock/reservations", json=body, headers=shop.order)
    assert answer.status_code == 400
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]


async def test_replicas_on_mysql_sweep_under_orders_and_refuse_nobody() -> None:
    """Whoever locks products or holds in an order of its own makes MySQL end one of two transactions: a 503."""
    url = databases.url("product", kind="mysql")
    async with (
        groceries.opened(product_sweep_seconds=0.02, database_url=url) as first,
        groceries.opened(product_sweep_seconds=0.02, database_url=url) as second,
    ):
        numbers = [(await first.add(f"Milk {n}", stock=1_000))["id"] for n in range(6)]
        refused: list[int] = []

        async def customer(place: int) -> None:
            shop = (first, second)[place % 2]
            chance = random.Random(place)
            for turn in range(5):
                lines = [(number, 1) for number in chance.sample(numbers, 4)]
                held = await shop.reserve(*lines, reference=f"c{place}-{turn}", ttlSeconds=60)
                answers = [held]
                await asyncio.sleep(chance.uniform(0.2, 0.4))  # of 0.3 s that a hold has until it is swept
                if (verb := chance.choice(("commit", "release", ""))) and held.status_code == 201:
                    answers.append(await shop.decide(held.json()["id"], verb))
                refused.extend(answer.status_code for answer in answers if answer.status_code == 503)

        async def time() -> None:
            while True:
                for shop in (first, second):
                    shop.clock.advance(4)
                await asyncio.sleep(0.01)

        passing = asyncio.create_task(time())
        await asyncio.gather(*(customer(place) for place in range(20)))
        passing.cancel()
        assert refused == []
        for number in numbers:
            on_hand, reserved = await first.counted(number)
            assert 0 <= reserved <= on_hand
