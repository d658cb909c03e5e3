"""kill -9 in the middle of checkout traffic: what was acknowledged is there, once, and everything adds up."""

import asyncio
import collections
import contextlib
import time
import uuid
from pathlib import Path
from typing import Any

import httpx2

from tests import shop as shops
from tests.shop import Person, Shop, eventually

CUSTOMERS = 6
WITHOUT_LIMITS = shops.PLATFORM + '    gateway: {env: [{name: REVCART_GATEWAY_RATE_LIMITS, value: "Off"}]}\n'
TRAFFIC_SECONDS = 4
QUANTITY = 2
LAPSE_SECONDS = 75  # until a key whose try was cut off may be used again on MySQL
SETTLED_SECONDS = 120  # for everything that follows an order, where a backlog is worked off first


async def orders(customer: Person, product: int, sent: dict[str, Any], acknowledged: dict[str, int]) -> None:
    """Order again and again until the shop is gone. `sent`: keys of all tries; `acknowledged`: key -> order id."""
    while True:
        key = str(uuid.uuid4())
        try:
            await customer.http.post("/api/cart/add", json={"productId": product, "quantity": QUANTITY})
            sent[key] = customer.id
            body = {"paymentMethod": "COD", "address": shops.ADDRESS}
            answer = await customer.http.post("/api/orders", json=body, headers={"Idempotency-Key": key})
            if answer.status_code == 201:
                acknowledged[key] = answer.json()["id"]
            else:
                del sent[key]  # refused, which is an answer too: the goods are sold out, or the cart is still empty
        except httpx2.HTTPError:
            return


async def test_no_acknowledged_order_is_lost_or_doubled(tmp_path: Path) -> None:
    with shops.running(tmp_path, WITHOUT_LIMITS) as shop:
        await survives_a_kill(shop)


async def survives_a_kill(shop: Shop) -> None:
    async with contextlib.AsyncExitStack() as stack:
        customers = [await stack.enter_async_context(shop.person()) for _ in range(CUSTOMERS)]
        admin = await stack.enter_async_context(shop.demo("ADMIN"))
        for customer in customers:
            await customer.sign_up()
        products = (await admin.get("/api/products", inStock=True, sort="price,asc", size=50))["content"]
        product = max(products, key=lambda card: card["stock"])
        before = await ledger(admin, product["id"])
        counted = (await admin.get("/api/analytics/dashboard"))["totalOrders"]
        sent: dict[str, Any] = {}
        acknowledged: dict[str, int] = {}
        traffic = [asyncio.create_task(orders(each, product["id"], sent, acknowledged)) for each in customers]
        await asyncio.sleep(TRAFFIC_SECONDS)
        shop.kill()
        await asyncio.gather(*traffic)
    cut_off = len(sent) - len(acknowledged)
    print(f"{len(acknowledged)} orders acknowledged in {TRAFFIC_SECONDS} s, {cut_off} tries cut off by the kill")
    assert len(acknowledged) >= CUSTOMERS, "there was traffic"
    assert cut_off > 0, "the kill came in the middle of it"
    assert len(set(acknowledged.values())) == len(acknowledged)

    shop.start()
    tokens = {customer.id: customer.token for customer in customers}
    await check(shop, tokens, {product["id"]: before}, counted=counted, sent=sent, acknowledged=acknowledged)


async def check(
    shop: shops.Outlet,
    tokens: dict[int, str],
    before: dict[int, collections.Counter[str]],
    *,
    counted: int,
    sent: dict[str, int],
    acknowledged: dict[str, int],
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        admin = await stack.enter_async_context(shop.demo("ADMIN"))
        people = {user_id: await stack.enter_async_context(shop.person(token)) for user_id, token in tokens.items()}
        found: dict[int, dict[str, Any]] = {}
        for person in people.values():
            found |= await orders_of(person)
        lost = set(acknowledged.values()) - set(found)
        assert not lost
        for key, order_id in list(acknowledged.items())[:: max(1, len(acknowledged) // 10)]:
            replay = await people[sent[key]].http.post(
                "/api/orders",
                json={"paymentMethod": "COD", "address": shops.ADDRESS},
                headers={"Idempotency-Key": key},
            )
            assert (replay.status_code, replay.json()["id"]) == (201, order_id), replay.text
            assert replay.headers["idempotency-replayed"] == "true"
        without_order = await send_again(people, sent, acknowledged)
        assert len(set(acknowledged.values())) == len(acknowledged)

        async def confirmed() -> bool:
            for person in people.values():
                found.update(await orders_of(person))
            return all(order["status"] == "CONFIRMED" for order in found.values())

        await eventually(confirmed, seconds=SETTLED_SECONDS, every=0.5, what="every order is confirmed")

        async def notified() -> bool:
            told: collections.Counter[int] = collections.Counter()
            for person in people.values():
                told.update(
                    note["data"]["orderId"]
                    for note in await everything(person, "/api/notifications")
                    if note["type"] == "ORDER_CONFIRMATION"
                )
            assert not [order_id for order_id, times in told.items() if times > 1], "announced twice"
            return set(found) <= set(told)

        await eventually(notified, seconds=SETTLED_SECONDS, every=0.5, what="every order is announced")

        async def adds_up() -> bool:
            sold: collections.Counter[int] = collections.Counter()
            for order in found.values():
                sold.update({item["productId"]: item["quantity"] for item in order["items"]})
            held = 0
            for product, levels in before.items():
                after = await ledger(admin, product)
                shown = await admin.get(f"/api/products/{product}/stock")
                wanted = levels["on_hand"] - sold[product]
                if (after["on_hand"], shown["stock"]) != (wanted, wanted - after["reserved"]):
                    return False
                held += after["reserved"]
            return held <= without_order * QUANTITY  # what a try held that was never heard of again lapses by itself

        await eventually(adds_up, seconds=SETTLED_SECONDS, every=1, what="stock adds up")

        async def analysed() -> bool:
            mine = await admin.get("/api/analytics/dashboard")
            return bool(mine["totalOrders"] == counted + len(found))

        await eventually(analysed, seconds=SETTLED_SECONDS, every=1, what="analytics has each order once")
        assert {order["id"] for order in found.values()} == set(acknowledged.values())


async def send_again(people: dict[int, Person], sent: dict[str, int], acknowledged: dict[str, int]) -> int:
    """The tries that were cut off, sent again as a client does: each becomes one order, old or new, or none.

    Returns how many became none.
    """
    none = 0
    left = [key for key in sent if key not in acknowledged]
    deadline = time.monotonic() + LAPSE_SECONDS
    while left:
        await asyncio.sleep(0.5)
        for key in list(left):
            body = {"paymentMethod": "COD", "address": shops.ADDRESS}
            answer = await people[sent[key]].http.post("/api/orders", json=body, headers={"Idempotency-Key": key})
            in_progress = answer.status_code == 409 and answer.json()["code"] == "idempotency.in-progress"
            if in_progress or answer.status_code == 503:
                assert int(answer.headers["retry-after"]) >= 1
                assert time.monotonic() < deadline, f"a key of a crashed try lapses after 60 s: {answer.text}"
                continue
            left.remove(key)
            if answer.status_code == 201:
                acknowledged[key] = answer.json()["id"]
            else:
                assert (answer.status_code, answer.json()["code"]) == (409, "cart.empty"), answer.text
                none += 1
    return none


async def ledger(admin: Person, product: int) -> collections.Counter[str]:
    """The sums of the stock ledger, which must equal what the product shows."""
    sums: collections.Counter[str] = collections.Counter()
    for row in await everything(admin, f"/api/products/{product}/stock/ledger"):
        sums["on_hand"] += row["onHandDelta"]
        sums["reserved"] += row["reservedDelta"]
    return sums


async def orders_of(person: Person) -> dict[int, dict[str, Any]]:
    return {order["id"]: order for order in await everything(person, "/api/orders/user")}


async def everything(person: Person, path: str) -> list[dict[str, Any]]:
    """All pages of a list, asked for again while a shop that catches up says 503."""
    found: list[dict[str, Any]] = []
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        answer = await person.http.get(path, params={"size": 100, "page": len(found) // 100})
        if answer.status_code == 503 and time.monotonic() < deadline:
            await asyncio.sleep(int(answer.headers["retry-after"]))
            continue
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["content"]
        if page["last"]:
            return found
