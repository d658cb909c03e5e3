"""From an event to the list, the mailbox and what notification publishes itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from revcart.kit import clock
from tests.flow import notification_world as worlds
from tests.flow.notification_world import ADMIN, AGENT, CUSTOMER, OTHER


@pytest.fixture
async def world() -> AsyncIterator[worlds.World]:
    async with worlds.world() as made:
        made.contacts[CUSTOMER] = worlds.contact()
        yield made


async def test_a_confirmed_order_is_told_on_every_channel(world: worlds.World) -> None:
    await world.happens("order.status.updated")
    shown = await world.listed("ORDER_CONFIRMATION")
    assert shown["title"] == "Order confirmed"
    assert shown["category"] == "ORDER"
    assert shown["data"] == {"orderId": 900, "deliveryId": None, "url": "/orders/900"}
    assert shown["read"] is False
    (mail,) = await world.mail("order.confirmed")
    assert mail["to"] == "asha@example.org"
    assert mail["subject"] == "Order confirmed"
    assert "RC-900" in mail["text"]
    assert "RC-900" in mail["html"]
    (message,) = await world.mail("order.confirmed", "SMS")
    assert message["to"] == "+919876543210"
    sent = await world.heard("notification.sent", 3)
    assert {each["channel"] for each in sent} == {"EMAIL", "SMS", "WEBSOCKET"}
    assert {each["notificationId"] for each in sent} == {shown["id"]}


async def test_a_repeated_event_changes_nothing(world: worlds.World) -> None:
    event = await world.happens("order.status.updated")
    await world.mail("order.confirmed")
    await world.publish(event)
    await world.settled()
    await asyncio.sleep(0.3)
    assert len(await world.notifications()) == 1
    assert len(await world.mail("order.confirmed")) == 1
    assert len(await world.heard("notification.sent", 3)) == 3


@pytest.mark.parametrize(
    ("type", "changes", "listed"),
    [
        ("order.created", {}, "ORDER_PLACED"),
        ("order.status.updated", {"to": "PREPARING"}, "ORDER_PREPARING"),
        ("order.status.updated", {"to": "DELIVERED"}, "ORDER_DELIVERED"),
        ("order.cancelled", {}, "ORDER_CANCELLED"),
        ("order.expired", {}, "ORDER_EXPIRED"),
        ("payment.completed", {}, "PAYMENT_CONFIRMATION"),
        ("payment.failed", {}, "PAYMENT_FAILED"),
        ("payment.refunded", {}, "REFUND"),
        ("delivery.assigned", {}, "DELIVERY_ASSIGNED"),
        ("delivery.status.updated", {}, "DELIVERY_FAILED"),
        ("user.registered", {}, "WELCOME"),
    ],
)
async def test_every_event_of_the_table_reaches_the_list(
    world: worlds.World, type: str, changes: dict[str, str], listed: str
) -> None:
    await world.happens(type, **changes)
    assert (await world.listed(listed))["userId"] == CUSTOMER


async def test_a_cash_order_is_not_told_twice(world: worlds.World) -> None:
    await world.happens("order.created", paymentMethod="COD")
    await world.happens("order.status.updated")
    await world.listed("ORDER_CONFIRMATION")
    assert len(await world.notifications()) == 1


async def test_a_cancellation_says_whether_money_comes_back(world: worlds.World) -> None:
    await world.happens("order.cancelled")
    assert "₹242.40 will be back" in (await world.listed("ORDER_CANCELLED"))["message"]
    await world.happens("order.cancelled", userId=OTHER, paid=False, refundPaise=0)
    assert "Nothing was charged" in (await world.listed("ORDER_CANCELLED", OTHER))["message"]


async def test_the_receipt_names_the_total_of_the_order(world: worlds.World) -> None:
    await world.happens("order.created")
    await world.happens("order.status.updated", to="DELIVERED")
    (mail,) = await world.mail("order.delivered")
    assert "Total: ₹242.40" in mail["text"]


async def test_an_offer_goes_to_the_agent(world: worlds.World) -> None:
    await world.happens("delivery.assigned")
    offer = await world.listed("DELIVERY_OFFER", AGENT, "DELIVERY_AGENT")
    assert offer["data"] == {"orderId": 900, "deliveryId": 40, "url": "/delivery/40"}


async def test_codes_travel_encrypted_and_are_readable_in_the_message_only(world: worlds.World) -> None:
    secret = worlds.secret(otp="483920")
    recipient = {"email": "new@example.org", "phone": None, "name": "Asha"}
    await world.requested(
        "account.verify-email",
        "verify-email:5",
        userId=CUSTOMER,
        recipient=recipient,
        secret=secret,
        data={},
    )
    (mail,) = await world.mail("account.verify-email")
    assert mail["to"] == "new@example.org"  # the event's address wins over the user's own
    assert "483920" in mail["text"]
    assert await world.notifications() == []
    await world.requested("delivery.picked-up", "p:1", userId=CUSTOMER, secret=secret, data={"orderId": 900})
    assert "483920" in (await world.listed("OUT_FOR_DELIVERY"))["title"]
    assert "483920" in (await world.mail("delivery.picked-up", "SMS"))[0]["text"]
    assert "483920" not in str(await world.heard("notification.sent", 3))


async def test_picked_up_is_told_only_on_deliverys_request(world: worlds.World) -> None:
    await world.happens("delivery.status.updated", to="PICKED_UP", reason=None)
    await world.settled()
    assert await world.notifications() == []


async def test_one_dedupe_key_is_one_message(world: worlds.World) -> None:
    for _ in range(2):
        await world.requested("account.security", "security:LOCKED:7", userId=CUSTOMER, data={"what": "LOCKED"})
    await world.settled()
    (mail,) = await world.mail("account.security")
    assert mail["subject"] == "Sign-in locked for a while"


async def test_a_message_whose_time_is_over_is_not_sent(world: worlds.World) -> None:
    past = clock.to_text(world.clock.now())
    secret = worlds.secret(otp="483920")
    await world.requested("account.verify-email", "old", userId=CUSTOMER, secret=secret, expiresAt=past)
    await world.requested("account.security", "new", userId=CUSTOMER, data={"what": "LOCKED"})
    await world.mail("account.security")
    assert await world.mail("account.verify-email", count=0) == []


async def test_an_unverified_address_gets_account_mail_only(world: worlds.World) -> None:
    world.contacts[CUSTOMER]["emailVerified"] = False
    await world.happens("user.registered")
    await world.happens("order.status.updated")
    await world.mail("account.welcome")
    await world.mail("order.confirmed", "SMS")
    await asyncio.sleep(0.2)
    assert await world.mail("order.confirmed", count=0) == []


async def test_order_mail_waits_while_nobody_can_say_that_the_address_is_good(world: worlds.World) -> None:
    good = world.contacts.pop(CUSTOMER)
    world.contacts[CUSTOMER] = {"status_code": 503}
    await world.happens("user.registered")
    await world.happens("order.status.updated")
    await world.mail("account.welcome")
    assert await world.mail("order.confirmed", count=0) == []
    world.contacts[CUSTOMER] = good
    world.clock.advance(20)
    await world.mail("order.confirmed")


async def test_a_contact_is_asked_for_again_after_five_minutes_and_the_last_copy_serves_while_user_is_away(
    world: worlds.World,
) -> None:
    await world.happens("order.status.updated")
    await world.mail("order.confirmed")
    asked = len(world.asked)
    await world.happens("payment.completed")
    await world.mail("payment.completed")
    assert len(world.asked) == asked
    world.clock.advance(301)
    world.contacts[CUSTOMER] = worlds.contact(email="moved@example.org")
    await world.happens("payment.refunded")
    assert (await world.mail("payment.refunded"))[0]["to"] == "moved@example.org"
    world.clock.advance(301)
    world.contacts[CUSTOMER] = {"status_code": 503}
    await world.happens("order.expired")
    assert (await world.mail("order.expired"))[0]["to"] == "moved@example.org"


async def test_admins_are_told_of_low_stock_and_alerts(world: worlds.World) -> None:
    for user_id, role in ((ADMIN, "ADMIN"), (CUSTOMER, "CUSTOMER")):
        await world.happens("user.registered", userId=user_id, role=role)
    await world.listed("WELCOME", ADMIN, "ADMIN")
    await world.happens("stock.low")
    assert (await world.listed("LOW_STOCK", ADMIN, "ADMIN"))["title"] == "Low stock: Butter"
    data = {"type": "delivery.unassigned", "severity": "WARN", "title": "No rider for RC-900"}
    await world.requested("admin.alert", "unassigned:900", audience="ADMIN", data=data)
    assert (await world.listed("ADMIN_ALERT", ADMIN, "ADMIN"))["title"] == "Alert: No rider for RC-900"
    assert {each["type"] for each in await world.notifications()} == {"WELCOME"}


async def test_a_broadcast_reaches_those_who_want_offers(world: worlds.World) -> None:
    for user_id in (CUSTOMER, OTHER):
        await world.happens("user.registered", userId=user_id)
    body = {"locale": "en", "categories": {"OFFERS": {"WEBSOCKET": True}}}
    answer = await world.client.put("/api/notifications/preferences", json=body, headers=world.headers())
    assert answer.status_code == 200, answer.text
    await world.listed("WELCOME", OTHER)
    await world.requested("admin.broadcast", "b1", audience="ALL", data={"title": "Mangoes", "message": "They are in."})
    assert (await world.listed("BROADCAST"))["title"] == "Mangoes"
    await world.settled()
    assert [each["type"] for each in await world.notifications(OTHER)] == ["WELCOME"]


async def test_preferences_silence_a_channel(world: worlds.World) -> None:
    body = {"locale": "hi", "categories": {"ORDER": {"EMAIL": False, "SMS": True, "WEBSOCKET": True}}}
    await world.client.put("/api/notifications/preferences", json=body, headers=world.headers())
    await world.happens("order.status.updated")
    await world.mail("order.confirmed", "SMS")
    assert (await world.listed("ORDER_CONFIRMATION"))["title"] == "ऑर्डर पक्का हुआ"
    assert await world.mail("order.confirmed", count=0) == []


async def test_unknown_templates_and_types_are_passed_over(world: worlds.World) -> None:
    await world.requested("order.unheard-of", "x", userId=CUSTOMER)
    await world.requested("account.security", "nobody")
    await world.happens("order.returned", orderId=900)
    await world.happens("order.expired")
    await world.listed("ORDER_EXPIRED")
    metrics = (await world.client.get("/actuator/prometheus")).text
    assert 'reason="unknown-template"' in metrics
    assert 'reason="no-recipient"' in metrics
