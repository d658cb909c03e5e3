"""The order is on the way: delivery says so twice, the customer is told once on each channel, with the code."""

from typing import Any

import pytest

from revcart.kit import clock
from tests.flow import deliveries
from tests.flow import notification_world as worlds

PATH = "/api/delivery/{id}/status"


async def picked_up() -> tuple[list[dict[str, Any]], str]:
    """What delivery publishes when an order leaves, reported twice by a rider, and the customer's code."""
    async with deliveries.world() as world:
        await world.confirmed()
        customer = world.headers(deliveries.CUSTOMER, "CUSTOMER")
        delivery = await world.eventually("/api/delivery/order/900", customer)
        rider = world.headers(deliveries.AGENT, "DELIVERY_AGENT")
        for _ in range(2):
            path = PATH.format(id=delivery["id"])
            answer = await world.client.put(path, json={"status": "PICKED_UP"}, headers=rider)
            assert answer.status_code == 200, answer.text
        await world.heard("notification.requested")
        await world.heard("delivery.status.updated")
        code = (await world.client.get(f"/api/delivery/{delivery['id']}", headers=customer)).json()["otp"]
        told = [event for event in world.published if event["type"] != "delivery.assigned"]
        assert sorted(event["type"] for event in told) == ["delivery.status.updated", "notification.requested"]
        return told, code


@pytest.mark.parametrize("order", [1, -1], ids=["as sent", "the other way round"])
async def test_the_customer_gets_one_message_with_the_code_on_each_channel(order: int) -> None:
    events, code = await picked_up()
    async with worlds.world() as world:
        world.contacts[worlds.CUSTOMER] = worlds.contact()
        later = clock.to_text(world.clock.now())
        made = [worlds.envelope(event["type"], event["data"], at=later) for event in events[::order]]
        for envelope in made + made:  # the bus delivers at least once
            await world.publish(envelope)
        await world.happens("order.status.updated", **{"from": "PREPARING", "to": "OUT_FOR_DELIVERY"})
        await world.settled()
        (shown,) = await world.notifications()
        assert shown["type"] == "OUT_FOR_DELIVERY"
        assert code in shown["title"]
        await world.heard("notification.sent", 2)
        await world.happens("order.status.updated")  # a message after it: all before it are out
        await world.mail("order.confirmed", "SMS")
        (message,) = [each for each in await sent(world) if each["template"] != "order.confirmed"]
        assert (message["channel"], message["to"]) == ("SMS", "+919876543210")
        assert code in message["text"]


async def sent(world: worlds.World) -> list[dict[str, Any]]:
    """Everything in the mailbox."""
    answer = await world.client.get("/api/notifications/dev/mailbox", headers=world.admin)
    found: list[dict[str, Any]] = answer.json()
    return found
