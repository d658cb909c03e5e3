"""What open screens are sent, who may listen, and when a connection ends."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from revcart.kit import clock
from tests.flow import notification_world as worlds
from tests.flow.notification_world import ADMIN, AGENT, CUSTOMER, ORDER, OTHER, OTHER_AGENT


@pytest.fixture
async def world() -> AsyncIterator[worlds.World]:
    async with worlds.world() as made:
        made.contacts[CUSTOMER] = worlds.contact()
        yield made


async def test_order_and_payment_news_reach_the_owner(world: worlds.World) -> None:
    async with world.screen() as screen:
        await screen.subscribe(f"/topic/orders/{CUSTOMER}")
        event = await world.happens("order.status.updated")
        body = await screen.message()
        assert body == {
            "id": event["id"],
            "type": "order.status.updated",
            "at": event["time"],
            "orderId": ORDER,
            "orderNumber": "RC-900",
            "status": "CONFIRMED",
            "previousStatus": "PENDING",
            "reason": None,
            "etaAt": None,
        }
        for kind, status, amount in (
            ("payment.completed", "SUCCESS", 242.4),
            ("payment.failed", "FAILED", 242.4),
            ("payment.refunded", "PARTIALLY_REFUNDED", 90),
        ):
            event = await world.happens(kind)
            body = await screen.message()
            assert body == {
                "id": event["id"],
                "type": kind,
                "at": event["time"],
                "orderId": ORDER,
                "paymentStatus": status,
                "amount": amount,
            }


async def test_a_delivery_is_followed_on_the_map(world: worlds.World) -> None:
    await world.happens("order.created")
    await world.listed("ORDER_PLACED")
    async with world.screen() as screen:
        await screen.subscribe(f"/topic/delivery/{ORDER}")
        await world.happens("delivery.assigned")
        body = await screen.message()
        assert (body["agentName"], body["vehicleType"], body["etaAt"]) == ("Ravi", "SCOOTER", worlds.AT)
        assert "agentUserId" not in body
        await world.happens("delivery.location.updated")
        body = await screen.message()
        assert {name: body[name] for name in ("lat", "lng", "heading", "remainingMetres", "recordedAt")} == {
            "lat": 12.97, "lng": 77.59, "heading": None, "remainingMetres": 900, "recordedAt": worlds.AT,
        }  # fmt: skip
        await world.happens("delivery.status.updated", to="IN_TRANSIT", reason=None)
        body = await screen.message()
        assert (body["orderId"], body["status"], body["reason"], body["etaAt"]) == (ORDER, "IN_TRANSIT", None, None)


@pytest.mark.parametrize(
    "destination", ["/user/queue/notifications", "/topic/notifications", f"/user/{CUSTOMER}/queue/notifications"]
)
async def test_the_list_comes_with_its_unread_count(world: worlds.World, destination: str) -> None:
    async with world.screen() as screen:
        await screen.subscribe(destination)
        await world.happens("order.expired")
        body = await screen.message()
        shown = await world.listed("ORDER_EXPIRED")
        assert {name: body[name] for name in shown} == shown
        assert body["unreadCount"] == 1
        assert body["at"] == shown["createdAt"]


async def test_the_message_names_the_destination_as_subscribed(world: worlds.World) -> None:
    async with world.screen() as screen:
        await screen.subscribe("/topic/notifications", "s9")
        await world.happens("order.expired")
        frame = await screen.next("MESSAGE")
        assert frame.get("destination") == "/topic/notifications"
        assert frame.get("subscription") == "s9"
        assert frame.get("content-length") == str(len(frame.body))


async def test_admins_see_what_needs_them(world: worlds.World) -> None:
    async with world.screen(ADMIN, "ADMIN") as screen:
        await screen.subscribe("/topic/admin")
        for kind, severity in (
            ("order.created", "INFO"),
            ("order.cancelled", "WARN"),
            ("stock.low", "WARN"),
        ):
            await world.happens(kind)
            body = await screen.message()
            assert (body["type"], body["severity"]) == (kind, severity)
            assert body["title"]
            assert isinstance(body["data"], dict)
        await world.happens("delivery.status.updated")
        assert (await screen.message())["type"] == "delivery.failed"
        data = {"type": "agent.stale", "severity": "ERROR", "title": "Ravi is silent", "agentId": 4}
        await world.requested("admin.alert", "stale:4", audience="ADMIN", data=data)
        body = await screen.message()
        assert (body["type"], body["severity"], body["title"]) == ("agent.stale", "ERROR", "Ravi is silent")
        assert body["data"] == {"agentId": 4}


async def test_an_unknown_order_is_asked_for_once(world: worlds.World) -> None:
    world.orders[555] = {"id": 555, "orderNumber": "RC-555", "userId": CUSTOMER, "status": "CONFIRMED"}
    async with world.screen() as screen:
        await screen.subscribe("/topic/delivery/555")
    world.orders.clear()
    async with world.screen() as screen:
        await screen.subscribe("/topic/delivery/555")
    async with world.screen(OTHER) as screen:
        assert await screen.refusal("/topic/delivery/555") == "forbidden"


async def test_rights_are_denied_when_order_is_away(world: worlds.World) -> None:
    world.orders[555] = {"status_code": 503}
    async with world.screen() as screen:
        assert await screen.refusal("/topic/delivery/555") == "forbidden"


async def test_the_former_agent_hears_nothing_after_a_delivery_changed_hands(world: worlds.World) -> None:
    await world.happens("delivery.assigned")
    await world.listed("DELIVERY_OFFER", AGENT, "DELIVERY_AGENT")
    async with world.screen(AGENT, "DELIVERY_AGENT") as former, world.screen(OTHER_AGENT, "DELIVERY_AGENT") as later:
        await former.subscribe(f"/topic/delivery/{ORDER}")
        await former.subscribe("/user/queue/notifications", "2")
        await world.happens("delivery.location.updated")
        assert (await former.message())["type"] == "delivery.location.updated"
        moved = clock.to_text(clock.from_text(worlds.AT).replace(minute=30))
        await world.happens("delivery.assigned", agentUserId=OTHER_AGENT, assignedAt=moved)
        await world.listed("DELIVERY_OFFER", OTHER_AGENT, "DELIVERY_AGENT")
        await later.subscribe(f"/topic/delivery/{ORDER}")
        await world.happens("delivery.location.updated")
        assert (await later.message())["type"] == "delivery.location.updated"
        # An order of the former agent's own time tells us what reached that screen: nothing in between.
        await world.happens("delivery.assigned", orderId=901, deliveryId=41)
        assert (await former.message())["type"] == "DELIVERY_OFFER"
    async with world.screen(AGENT, "DELIVERY_AGENT") as former:
        assert await former.refusal(f"/topic/delivery/{ORDER}") == "forbidden"


async def test_a_read_message_may_be_sent_on_the_socket(world: worlds.World) -> None:
    await world.happens("order.expired")
    shown = await world.listed("ORDER_EXPIRED")
    async with world.screen() as screen:
        body = '{"id": "%s"}' % shown["id"]  # noqa: UP031 - JSON braces
        await screen.send("SEND", "destination:/app/notifications/read", "receipt:r", body=body)
        await screen.next("RECEIPT")
        assert (await world.listed("ORDER_EXPIRED"))["read"] is True
        await screen.send("SEND", "destination:/app/notifications/read", "receipt:s", body='{"id": "gone"}')
        await screen.next("RECEIPT")
        await screen.send("SEND", "destination:/app/notifications/read", body="[]")
        assert (await screen.next("ERROR")).get("message") == "bad message"


async def test_a_revoked_session_is_refused_and_closed() -> None:
    async with worlds.world(notification_session_check_seconds=0.05) as world, world.screen(sid="s-1") as screen:
        cache = world.hub.cache.client()
        await cache.set("session:revoked:s-1", b"1")
        assert (await screen.next("ERROR")).get("message") == "unauthorized"
        await asyncio.wait_for(screen.socket.wait_closed(), 10)
        assert screen.socket.close_code == 1008
        async with world.socket() as late:
            token = world.identity.token(user_id=CUSTOMER, sid="s-1")
            await late.send("CONNECT", "accept-version:1.2", f"token:{token}")
            assert (await late.next("ERROR")).get("message") == "unauthorized"


async def test_an_expired_token_ends_the_connection_after_its_grace(world: worlds.World) -> None:
    async with world.screen(seconds=100) as screen:
        await screen.subscribe(f"/topic/orders/{CUSTOMER}")
        world.clock.advance(150)
        await world.happens("payment.failed")
        await screen.message()
        world.clock.advance(20)
        await world.happens("payment.failed")
        assert (await screen.next("ERROR")).get("message") == "token expired"


async def test_metrics_count_sessions_and_messages(world: worlds.World) -> None:
    async with world.screen() as screen:
        await screen.subscribe(f"/topic/orders/{CUSTOMER}")
        await world.happens("payment.failed")
        await screen.message()
        text = (await world.client.get("/actuator/prometheus")).text
        assert 'revcart_realtime_sessions{transport="websocket"} 1.0' in text
        assert "revcart_realtime_subscriptions 1.0" in text
        assert 'revcart_realtime_messages_total{destination_kind="orders"} 1.0' in text


async def test_every_replica_serves_its_own_sessions(tmp_path: Path) -> None:
    async with worlds.world(tmp_path) as first, worlds.replica(first) as second:
        async with first.screen() as here, second.screen() as there:
            for screen in (here, there):
                await screen.subscribe(f"/topic/orders/{CUSTOMER}")
                await screen.subscribe("/user/queue/notifications", "2")
            for number in range(4):
                await first.happens("order.expired", orderId=900 + number)
                shown = [(await screen.message())["data"]["orderId"] for screen in (here, there)]
                assert shown == [900 + number, 900 + number]
        assert len(await first.notifications()) == 4
