"""A confirmed order reaches the door: offers, pick-up, code, cash, failure."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flow import deliveries
from tests.flow.deliveries import ADMIN, AGENT, CUSTOMER, OTHER_AGENT, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with deliveries.world() as made:
        yield made


async def start(world: World, **confirmed: Any) -> dict[str, Any]:
    """The delivery of a confirmed order, offered to the nearest agent."""
    await world.confirmed(**confirmed)
    found: dict[str, Any] = await world.eventually("/api/delivery/order/900", world.headers(CUSTOMER, "CUSTOMER"))
    return found


async def put(world: World, delivery: dict[str, Any], body: dict[str, Any], *, user: int = AGENT) -> Any:
    role = "ADMIN" if user == ADMIN else "DELIVERY_AGENT"
    return await world.client.put(
        f"/api/delivery/{delivery['id']}/status", json=body, headers=world.headers(user, role)
    )


async def code(world: World, delivery: dict[str, Any]) -> str:
    seen = await world.client.get(f"/api/delivery/{delivery['id']}", headers=world.headers(CUSTOMER, "CUSTOMER"))
    return str(seen.json()["otp"])


async def test_the_nearest_agent_brings_it_with_the_customers_code(world: World) -> None:
    delivery = await start(world)
    assert (delivery["status"], delivery["agent"]["name"], delivery["otp"]) == ("ASSIGNED", "Ravi Kumar", None)
    assert (await world.heard("delivery.assigned"))[0]["agentName"] == "Ravi"

    accepted = await world.client.post(
        f"/api/delivery/{delivery['id']}/accept", headers=world.headers(AGENT, "DELIVERY_AGENT")
    )
    assert accepted.status_code == 200
    assert (await put(world, delivery, {"status": "PICKED_UP"})).json()["status"] == "PICKED_UP"
    assert (await put(world, delivery, {"status": "IN_TRANSIT"})).json()["status"] == "IN_TRANSIT"
    assert (await put(world, delivery, {"status": "DELIVERED"})).json()["code"] == "delivery.proof-required"
    right = await code(world, delivery)
    wrong = "000000" if right != "000000" else "000001"
    refused = await put(world, delivery, {"status": "DELIVERED", "otp": wrong})
    assert (refused.status_code, refused.json()["attemptsLeft"]) == (422, 4)
    done = await put(world, delivery, {"status": "DELIVERED", "otp": right})
    assert (done.status_code, done.json()["proof"]) == (200, "OTP")
    again = await put(world, delivery, {"status": "DELIVERED", "otp": right})
    assert again.status_code == 200

    steps = [(event["from"], event["to"]) for event in await world.heard("delivery.status.updated", 3)]
    assert steps == [("ASSIGNED", "PICKED_UP"), ("PICKED_UP", "IN_TRANSIT"), ("IN_TRANSIT", "DELIVERED")]
    agents = (await world.client.get("/api/delivery/agents", headers=world.headers(ADMIN, "ADMIN"))).json()["content"]
    assert [agent["load"] for agent in agents] == [0, 0]


async def test_the_code_travels_sealed_and_is_never_in_clear(world: World) -> None:
    delivery = await start(world)
    await put(world, delivery, {"status": "PICKED_UP"})
    right = await code(world, delivery)
    message = (await world.heard("notification.requested"))[0]
    assert message["template"] == "delivery.picked-up"
    assert right not in str(message)
    assert message["secret"]


async def test_five_wrong_codes_lock_and_an_admin_ends_it_with_a_reason(world: World) -> None:
    delivery = await start(world)
    await put(world, delivery, {"status": "PICKED_UP"})
    right = await code(world, delivery)
    wrong = "000000" if right != "000000" else "000001"
    for _ in range(5):
        assert (await put(world, delivery, {"status": "DELIVERED", "otp": wrong})).status_code == 422
    locked = await put(world, delivery, {"status": "DELIVERED", "otp": right})
    assert (locked.status_code, locked.json()["code"]) == (423, "delivery.otp-locked")
    without = await put(world, delivery, {"status": "DELIVERED"}, user=ADMIN)
    assert without.status_code == 400
    done = await put(world, delivery, {"status": "DELIVERED", "reason": "Handed over in person"}, user=ADMIN)
    assert (done.status_code, done.json()["proof"]) == (200, "ADMIN")


async def test_cash_on_delivery_must_equal_what_is_due_now(world: World) -> None:
    delivery = await start(world, cod_paise=50000)
    world.order["codDuePaise"] = 45050  # an item was short: order says so at pick-up
    await put(world, delivery, {"status": "PICKED_UP"})
    right = await code(world, delivery)
    short = await put(world, delivery, {"status": "DELIVERED", "otp": right, "codCollected": 450})
    assert (short.status_code, short.json()["code"], short.json()["due"]) == (422, "delivery.cod-mismatch", 450.5)
    done = await put(world, delivery, {"status": "DELIVERED", "otp": right, "codCollected": 450.5})
    assert done.json()["codCollected"] == 450.5
    assert (await world.heard("delivery.status.updated", 2))[-1]["codCollectedPaise"] == 45050


async def test_an_order_that_is_not_ready_stays_in_the_shop(world: World) -> None:
    delivery = await start(world)
    world.order["dispatchable"] = False
    refused = await put(world, delivery, {"status": "PICKED_UP"})
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery.order-not-ready")


async def test_an_offer_moves_on_when_refused_or_not_accepted(world: World) -> None:
    delivery = await start(world)
    refused = await world.client.post(
        f"/api/delivery/{delivery['id']}/reject",
        json={"reason": "Flat tyre"},
        headers=world.headers(AGENT, "DELIVERY_AGENT"),
    )
    assert refused.status_code == 204
    second = (await world.heard("delivery.assigned", 2))[1]
    assert second["previousAgentId"] == delivery["agentId"] != second["agentId"]
    foreign = await put(world, delivery, {"status": "PICKED_UP"})
    assert foreign.status_code == 404  # no longer this agent's
    world.clock.advance(91)
    track = None
    for _ in range(100):
        track = await world.eventually("/api/delivery/track/900", world.headers(CUSTOMER, "CUSTOMER"))
        if track["stage"] == "WAITING":
            break
    assert track is not None
    assert track["stage"] == "WAITING"  # both had their turn


async def test_a_failed_attempt_is_tried_again_and_then_ends(world: World) -> None:
    delivery = await start(world)
    await put(world, delivery, {"status": "PICKED_UP"})
    other = await put(world, delivery, {"status": "FAILED", "reason": "OTHER"})
    assert other.status_code == 400  # needs a note
    failed = await put(world, delivery, {"status": "FAILED", "reason": "CUSTOMER_UNAVAILABLE"})
    assert failed.json()["status"] == "FAILED"
    world.clock.advance(31 * 60)
    assert (await world.heard("delivery.assigned", 2))[1]["attempt"] == 2
    again = await world.eventually("/api/delivery/order/900", world.headers(CUSTOMER, "CUSTOMER"))
    agent = AGENT if again["agent"]["name"] == "Ravi Kumar" else OTHER_AGENT
    await put(world, delivery, {"status": "PICKED_UP"}, user=agent)
    ended = await put(world, delivery, {"status": "FAILED", "reason": "WRONG_ADDRESS"}, user=agent)
    assert ended.json()["status"] == "CANCELLED"
    last = (await world.heard("delivery.status.updated", 5))[-1]
    assert (last["to"], last["reason"]) == ("CANCELLED", "DELIVERY_FAILED")


async def test_a_tracking_code_shows_no_more_than_it_should(world: World) -> None:
    delivery = await start(world)
    await put(world, delivery, {"status": "PICKED_UP"})
    public = await world.client.get(f"/api/delivery/track/{delivery['trackingCode']}")
    seen = public.json()
    assert public.status_code == 200
    assert public.headers["referrer-policy"] == "no-referrer"
    assert (seen["orderId"], seen["orderNumber"], seen["otp"]) == (None, None, None)
    assert seen["agent"] == {"id": None, "name": "Ravi", "vehicleType": "SCOOTER", "phone": None}
    assert seen["destination"] == {"city": "Bengaluru", "postalCode": "560"}
    assert (await world.client.get("/api/delivery/track/900")).status_code == 401
    stranger = await world.client.get("/api/delivery/track/900", headers=world.headers(99, "CUSTOMER"))
    assert stranger.status_code == 404
    right = await code(world, delivery)
    await put(world, delivery, {"status": "DELIVERED", "otp": right})
    world.clock.advance(24 * 3600 + 1)
    assert (await world.client.get(f"/api/delivery/track/{delivery['trackingCode']}")).status_code == 404
