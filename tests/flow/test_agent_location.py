"""Positions: only the agent itself reports one, and customers see it only on the way."""

from typing import Any

import pytest

from tests.flow import deliveries
from tests.flow.deliveries import ADMIN, AGENT, CUSTOMER, OTHER_AGENT, SHOP


@pytest.mark.regression("R50")
async def test_r50_only_the_agent_moves_itself() -> None:
    async with deliveries.world() as world:
        await world.confirmed()
        customer = world.headers(CUSTOMER, "CUSTOMER")
        delivery: dict[str, Any] = await world.eventually("/api/delivery/order/900", customer)
        path = f"/api/delivery/agents/{delivery['agentId']}/location"
        here = {"lat": SHOP[0], "lng": SHOP[1]}

        for user_id, role, status in (
            (OTHER_AGENT, "DELIVERY_AGENT", 404),
            (ADMIN, "ADMIN", 403),
            (CUSTOMER, "CUSTOMER", 403),
        ):
            answer = await world.client.put(path, json=here, headers=world.headers(user_id, role))
            assert answer.status_code == status, role
        agent = world.headers(AGENT, "DELIVERY_AGENT")
        assert (await world.client.put(path, json=here, headers=agent)).json()["accepted"] is True
        assert (await world.client.put(path, json=here, headers=agent)).json()["accepted"] is False  # one a second
        track = (await world.client.get("/api/delivery/track/900", headers=customer)).json()
        assert track["agentLocation"] is None  # still in the shop

        status = f"/api/delivery/{delivery['id']}/status"
        await world.client.put(status, json={"status": "PICKED_UP"}, headers=agent)
        world.clock.advance(30)
        moved = await world.client.put(path, json={"lat": SHOP[0] + 0.002, "lng": SHOP[1]}, headers=agent)
        assert moved.json()["accepted"] is True
        track = (await world.client.get("/api/delivery/track/900", headers=customer)).json()
        assert track["stage"] == "IN_TRANSIT"  # more than 150 m from the shop
        assert track["agentLocation"]["lat"] == pytest.approx(SHOP[0] + 0.002)
        world.clock.advance(2)
        jump = await world.client.put(path, json={"lat": SHOP[0] + 1, "lng": SHOP[1]}, headers=agent)
        assert jump.json()["accepted"] is False  # no vehicle makes 111 km in 2 s
        assert len(await world.heard("delivery.location.updated")) == 1
