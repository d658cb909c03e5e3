"""The whole platform on five real stores: the order story, a kill -9, and each store seen in use by its own client."""

import sqlite3
from collections.abc import Iterator

import pytest

from revcart.kit import topics
from revcart_operator.platform import catalogue
from tests.flow import realshop, test_kill, test_order_journey
from tests.shop import eventually


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[realshop.World]:
    with realshop.world(tmp_path_factory.mktemp("real")) as made:
        yield made


async def test_an_order_is_paid_carried_and_delivered(world: realshop.World) -> None:
    await test_order_journey.test_r52_events_drive_the_order(world.shop)


async def test_cash_on_delivery_is_paid_at_the_door(world: realshop.World) -> None:
    await test_order_journey.test_cash_on_delivery_is_confirmed_at_once_and_paid_at_the_door(world.shop)


async def test_cancelling_brings_the_money_and_the_stock_back(world: realshop.World) -> None:
    await test_order_journey.test_cancelling_a_paid_order_brings_the_money_and_the_stock_back(world.shop)


async def test_a_kill_loses_no_acknowledged_order(world: realshop.World) -> None:
    await test_kill.survives_a_kill(world.shop)


async def test_each_store_holds_what_the_shop_says(world: realshop.World) -> None:
    """One more order, looked at from outside, store by store."""
    async with test_order_journey.cast(world.shop) as (customer, _, _):
        products = await test_order_journey.chosen(customer)
        await customer.add_to_cart(products[0])
        assert len(world.keys(f"cart:*{customer.id}*")) == 1  # Redis
        order = await customer.place_order("COD")
        await customer.order_becomes(order["id"], "CONFIRMED")
        await test_order_journey.told(customer, "ORDER_CONFIRMATION")

        row = world.rows(f"SELECT user_id, status FROM orders WHERE id = {order['id']}", "revcart_orders")
        assert row == [(customer.id, "CONFIRMED")]
        payments = world.rows(f"SELECT count(*) FROM payments WHERE order_id = {order['id']}", "revcart_payments")
        assert payments == [(1,)]
        with world.documents("revcart_notifications") as database:
            types = {each["type"] for each in database.notifications.find({"userId": customer.id})}
        assert "ORDER_CONFIRMATION" in types
        with world.documents("revcart_analytics") as database:
            assert database.order_facts.count_documents({"_id": str(order["id"])}) == 1

    async def sent() -> bool:
        return not any(world.unsent().values())

    await eventually(sent, what="empty outboxes")
    in_kafka = await world.event_ids()
    assert world.published() <= set(in_kafka)
    assert await world.committed("revcart.notification", topics.ORDER_EVENTS) > 0


def test_every_service_is_in_consuls_catalogue_at_its_real_address(world: realshop.World) -> None:
    for service in catalogue.SERVICES:
        (entry,) = world.consul(f"health/service/{service.name}?passing=1")
        assert entry["Service"]["Port"] == service.port + world.shop.offset


def test_nothing_is_kept_in_files_beside_them(world: realshop.World) -> None:
    files = {file.stem for file in world.shop.data.rglob("*.sqlite")}
    assert files <= {"paysim", "bus", "cache"}
    with sqlite3.connect(world.shop.data / "bus.sqlite") as log:
        assert log.execute("SELECT count(*) FROM log").fetchone() == (0,)
