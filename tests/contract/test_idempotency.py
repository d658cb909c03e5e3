"""One Idempotency-Key, one order, one answer: twice, at once, with another body, after a crash."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import databases
from tests.flow import orders

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.fixture(params=databases.KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return databases.url("order", tmp_path, kind=request.param)


@pytest.fixture
async def world(url: str) -> AsyncIterator[orders.World]:
    async with orders.world(url) as made:
        yield made


async def number_of_orders(world: orders.World) -> int:
    return int((await world.call("GET", "/api/orders/count", user=orders.ADMIN))["count"])


@pytest.mark.regression("R33")
async def test_r33_one_key_one_order(world: orders.World, url: str) -> None:
    # A double click: at once.
    answers = await asyncio.gather(*(world.try_place(key=KEY) for _ in range(10)))
    placed = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code != 201]
    assert placed
    assert {(one.status_code, one.json()["code"], one.headers["Retry-After"]) for one in waiting} <= {
        (409, "idempotency.in-progress", "1")
    }
    # And later: the same answer, marked.
    again = await world.try_place(key=KEY)
    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    # A second click may come between the commit and the payment's beginning: the same order, to be paid a moment later.
    assert {one.json()["id"] for one in placed} == {again.json()["id"]}
    assert again.content in {one.content for one in placed}
    assert again.json()["payment"]["razorpayOrderId"]
    assert await number_of_orders(world) == 1
    assert len(world.around.reservations) == 1

    # A crash after the commit: the payment never began, another process answers with the order.
    beginning, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        beginning.set()
        await never.wait()

    world.around.on_begin = hang
    crashed = asyncio.create_task(world.try_place(key="crash-after-the-commit"))
    await beginning.wait()
    async with orders.running(orders.settings(url), world.hub) as (_, other):
        body = {"paymentMethod": "RAZORPAY", "address": orders.ADDRESS}
        answer = await other.post("/api/orders", json=body, headers=world.headers(key="crash-after-the-commit"))
        assert (answer.status_code, answer.headers.get("Idempotency-Replayed")) == (201, "true")
        assert await number_of_orders(world) == 2
    never.set()
    assert (await crashed).json()["id"] == answer.json()["id"]
    assert await number_of_orders(world) == 2


async def test_a_try_that_hangs_loses_its_key_after_a_minute(world: orders.World) -> None:
    reserving, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        world.around.on_reserve = orders.nothing
        reserving.set()
        await never.wait()

    world.around.on_reserve = hang
    hanging = asyncio.create_task(world.try_place(key=KEY))
    await reserving.wait()
    assert (await world.try_place(key=KEY)).json()["code"] == "idempotency.in-progress"
    world.clock.advance(61)
    assert (await world.try_place(key=KEY)).status_code == 201
    never.set()
    late = await hanging
    assert (late.status_code, late.json()["code"]) == (409, "idempotency.in-progress")
    assert await number_of_orders(world) == 1


async def test_a_restart_frees_the_keys_that_a_crash_cut_off(world: orders.World, url: str) -> None:
    reserving, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        world.around.on_reserve = orders.nothing
        reserving.set()
        await never.wait()

    world.around.on_reserve = hang
    crashed = asyncio.create_task(world.try_place(key=KEY))
    await reserving.wait()
    if url.startswith("mysql"):
        world.clock.advance(61)  # a server has more than one client: nobody can tell a crash but by time
    body = {"paymentMethod": "RAZORPAY", "address": orders.ADDRESS}
    async with orders.running(orders.settings(url), world.hub) as (_, other):
        answer = await other.post("/api/orders", json=body, headers=world.headers(key=KEY))
        assert answer.status_code == 201, answer.text
        # The first try was only asleep; it finds its key in other hands and leaves no second order.
        never.set()
        late = await crashed
        assert late.status_code == 409
        assert late.json()["code"] == "idempotency.in-progress"
    assert await number_of_orders(world) == 1


async def test_another_payload_is_refused(world: orders.World) -> None:
    await world.place()
    first = await world.try_place(key=KEY)
    assert first.status_code == 201
    other = await world.try_place(key=KEY, instructions="Ring twice")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key-reused")
    same = await world.try_place(key=KEY, nonsense="unknown fields do not make another request")
    assert same.json()["id"] == first.json()["id"]


async def test_keys_belong_to_their_callers(world: orders.World) -> None:
    world.fill_cart((4, 1), user=orders.STRANGER)
    mine = await world.try_place(key=KEY)
    theirs = await world.try_place(key=KEY, user=orders.STRANGER)
    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_refused_try_frees_the_key_at_once(world: orders.World) -> None:
    world.fill_cart((3, 11))
    assert (await world.try_place(key=KEY)).status_code == 409
    world.fill_cart((3, 2))
    assert (await world.try_place(key=KEY)).status_code == 201


async def test_the_answer_is_kept_for_a_day(world: orders.World) -> None:
    first = await world.try_place(key=KEY)
    await world.pay(first.json()["id"])
    await world.becomes(first.json()["id"], status="CONFIRMED")
    again = await world.try_place(key=KEY)
    assert again.content == first.content  # the answer of then, not the state of now
    world.clock.advance(24 * 3_600 - 1)
    assert (await world.try_place(key=KEY)).json()["id"] == first.json()["id"]
    world.clock.advance(2)
    assert (await world.try_place(key=KEY)).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', 201),
        ('"with \\"quotes\\" "', 400),
        ('"with-\\"quotes\\"-inside"', 201),
        ("bare-key-of-somebody", 201),
        ("short", 400),
        ('"open-string-without-end', 400),
        ("x" * 129, 400),
        ("with a space", 400),
        ("", 400),
    ],
)
async def test_forms_of_the_key(world: orders.World, header: str, status: int) -> None:
    body = {"paymentMethod": "RAZORPAY", "address": orders.ADDRESS}
    answer = await world.client.post("/api/orders", json=body, headers=world.headers() | {"Idempotency-Key": header})
    assert answer.status_code == status, answer.text


async def test_bare_and_quoted_are_the_same_key(world: orders.World) -> None:
    first = await world.try_place(key=KEY)
    second = await world.try_place(key=f'"{KEY}"')
    assert first.json()["id"] == second.json()["id"]
