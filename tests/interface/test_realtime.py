"""Real clients at the notification service's WebSocket: it is there, and it keeps people's orders apart."""

import pytest
from tests.flow import notification_world as worlds
from tests.flow.notification_world import ADMIN, AGENT, CUSTOMER, ORDER, OTHER

# Destination -> may it be heard by: its customer, another one, the agent, an ADMIN.
RIGHTS = [
    (f"/topic/orders/{CUSTOMER}", True, False, False, True),
    ("/user/queue/notifications", True, True, True, True),
    ("/topic/notifications", True, True, True, True),
    (f"/user/{CUSTOMER}/queue/notifications", True, False, False, False),
    (f"/topic/delivery/{ORDER}", True, False, True, True),
    ("/topic/delivery/12345", False, False, False, True),
    ("/topic/admin", False, False, False, True),
    *((bad, False, False, False, False) for bad in ("/topic/orders", "/topic/orders/*", "/topic/orders/>", "/queue/x")),
    *((bad, False, False, False, False) for bad in (f"/topic/orders/0{CUSTOMER}", f"/topic/delivery/{ORDER}/", "x")),
]


@pytest.mark.regression("R51")
async def test_r51_ws_is_served_and_guarded() -> None:
    people = [(CUSTOMER, "CUSTOMER"), (OTHER, "CUSTOMER"), (AGENT, "DELIVERY_AGENT"), (ADMIN, "ADMIN")]
    async with worlds.world() as world:
        await world.happens("order.created")
        await world.happens("delivery.assigned")
        await world.listed("DELIVERY_OFFER", AGENT, "DELIVERY_AGENT")
        async with world.socket() as stranger:
            assert stranger.socket.subprotocol == "v12.stomp"
            await stranger.send("CONNECT", "accept-version:1.2")
            assert (await stranger.next("ERROR")).get("message") == "unauthorized"
        async with world.socket() as forger:
            await forger.send("CONNECT", "accept-version:1.2", "Authorization:Bearer a.b.c")
            assert (await forger.next("ERROR")).get("message") == "unauthorized"
        for destination, *allowed in RIGHTS:
            for (user_id, role), may in zip(people, allowed, strict=True):
                async with world.screen(user_id, role) as screen:  # type: ignore[arg-type]
                    if may:
                        await screen.subscribe(destination)
                    else:
                        assert await screen.refusal(destination) == "forbidden", (destination, role)
        async with world.screen(OTHER) as writer:
            await writer.send("SEND", f"destination:/topic/orders/{CUSTOMER}", body="{}")
            assert (await writer.next("ERROR")).get("message") == "forbidden"
        async with world.screen() as screen:
            await screen.subscribe(f"/topic/orders/{CUSTOMER}")
            await world.happens("order.status.updated")
            assert (await screen.message())["status"] == "CONFIRMED"
