"""Sending: tries, giving up and starting again, limits, and what survives a restart."""

import email
import email.policy
from pathlib import Path

import pytest

from tests.flow import notification_world as worlds
from tests.flow.notification_world import CUSTOMER

WAITS = (12, 72, 360, 2_160)  # the longest waits of the four tries that follow


def blocked(folder: Path) -> Path:
    """A mail folder that cannot be made, because a file has its name."""
    path = folder / "mails"
    path.write_text("in the way")
    return path


async def given_up(world: worlds.World) -> dict[str, object]:
    """Let all tries pass; the dead dispatch."""
    await world.happens("order.expired")
    for tries, wait in enumerate(WAITS, start=1):
        await state(world, "RETRY", tries)
        world.clock.advance(wait)
    return await state(world, "DEAD", 5)


async def state(world: worlds.World, wanted: str, tries: int) -> dict[str, object]:
    """The dispatch of the expired order's mail, once it is in that state."""

    async def find() -> dict[str, object]:
        found = await world.store.dispatches.find({"channel": "EMAIL"})
        return found[0] if found else {}

    def good(found: dict[str, object]) -> bool:
        return (found.get("state"), found.get("tries")) == (wanted, tries)

    result: dict[str, object] = await worlds.eventually(find, good)
    return result


async def test_after_five_tries_a_message_is_dead_and_an_admin_can_revive_it(tmp_path: Path) -> None:
    mails = blocked(tmp_path)
    async with worlds.world(notification_email_url=f"file://{mails}") as world, world.screen(1, "ADMIN") as screen:
        await screen.subscribe("/topic/admin")
        world.contacts[CUSTOMER] = worlds.contact()
        await given_up(world)
        (failed,) = await world.heard("notification.failed")
        assert (failed["tries"], failed["permanent"], failed["channel"]) == (5, False, "EMAIL")
        assert "@" not in failed["error"]
        signal = await screen.message()
        assert (signal["type"], signal["severity"]) == ("notification.dead", "ERROR")
        answer = await world.client.get("/api/notifications/failed?template=order.expired", headers=world.admin)
        (dead,) = answer.json()["content"]
        assert (dead["state"], dead["tries"], dead["channel"]) == ("DEAD", 5, "EMAIL")
        assert (await world.client.get("/api/notifications/failed?channel=SMS", headers=world.admin)).json()["empty"]
        mails.unlink()
        answer = await world.client.post(f"/api/notifications/{dead['id']}/retry", headers=world.admin)
        assert answer.status_code == 202, answer.text
        await state(world, "SENT", 1)
        answer = await world.client.post(f"/api/notifications/{dead['id']}/retry", headers=world.admin)
        assert (answer.status_code, answer.json()["code"]) == (409, "notification.not-failed")
        unknown = await world.client.post("/api/notifications/nothing/retry", headers=world.admin)
        assert unknown.status_code == 404


async def test_files_are_mails_that_a_program_can_read(tmp_path: Path) -> None:
    async with worlds.world(notification_email_url=f"file://{tmp_path}/mails") as world:
        world.contacts[CUSTOMER] = worlds.contact()
        await world.happens("order.expired")
        sent = await world.heard("notification.sent", 2)
        assert {each["provider"] for each in sent} == {"file", "in-app"}
    (path,) = (tmp_path / "mails").iterdir()
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert mail["To"] == "asha@example.org"
    assert mail["Subject"] == "Order closed, not paid"
    assert mail["Message-ID"].endswith("@revcart.invalid>")
    assert {part.get_content_type() for part in mail.iter_parts()} == {"text/plain", "text/html"}


async def test_a_secret_that_cannot_be_read_is_given_up_at_once() -> None:
    async with worlds.world() as world:
        world.contacts[CUSTOMER] = worlds.contact()
        await world.requested("account.verify-email", "v", userId=CUSTOMER, secret="not-a-token")
        (failed,) = await world.heard("notification.failed")
        assert failed["permanent"] is True


@pytest.mark.regression("R58")
async def test_nobody_gets_more_than_ten_short_messages_a_day() -> None:
    async with worlds.world() as world:
        world.contacts[CUSTOMER] = worlds.contact()
        for number in range(12):
            await world.happens("order.status.updated", orderId=900 + number)
        await world.mail("order.confirmed", count=12)
        assert len(await world.mail("order.confirmed", "SMS", count=10)) == 10
        world.clock.advance(86_400)
        await world.happens("order.status.updated", orderId=950)
        await world.mail("order.confirmed", "SMS", count=11)


async def test_quiet_hours_hold_back_payments_and_let_orders_through() -> None:
    async with worlds.world() as world:
        world.contacts[CUSTOMER] = worlds.contact()
        now = world.clock.now()
        quiet = {"start": now.strftime("%H:%M"), "end": f"{(now.hour + 2) % 24:02d}:00", "timezone": "UTC"}
        body = {"locale": "en", "quietHours": quiet, "categories": {}}
        answer = await world.client.put("/api/notifications/preferences", json=body, headers=world.headers())
        assert answer.json()["quietHours"] == quiet
        await world.happens("payment.refunded")
        await world.happens("order.status.updated")
        await world.mail("order.confirmed", "SMS")
        await world.mail("payment.refunded")
        assert await world.mail("payment.refunded", "SMS", count=0) == []
        world.clock.advance(7_200)
        await world.mail("payment.refunded", "SMS")


async def test_a_message_whose_sender_died_is_sent_after_its_lease(tmp_path: Path) -> None:
    async with worlds.world(tmp_path, notification_dispatch_seconds=60) as world:
        world.contacts[CUSTOMER] = worlds.contact()
        await world.happens("order.expired")
        await world.listed("ORDER_EXPIRED")
        leased = await world.store.lease(now=world.clock.now())  # and whoever took it is gone
        assert leased is not None
        died = world.clock.now()
    async with worlds.world(tmp_path) as again:
        again.contacts[CUSTOMER] = worlds.contact()
        again.clock.advance((died - again.clock.now()).total_seconds() + 50)
        assert await again.mail("order.expired", count=0) == []
        again.clock.advance(20)
        await again.mail("order.expired")


async def test_events_that_could_not_be_sent_are_sent_after_a_restart(tmp_path: Path) -> None:
    async with worlds.world(tmp_path, notification_relay_seconds=60) as world:
        await world.happens("payment.failed")
        await world.listed("PAYMENT_FAILED")
        assert world.published == []
    async with worlds.world(tmp_path) as again:
        (sent,) = await again.heard("notification.sent")
        assert sent["template"] == "payment.failed"


async def test_what_is_too_old_is_forgotten() -> None:
    async with worlds.world(notification_sweep_seconds=0.05) as world:
        await world.happens("payment.failed")
        await world.listed("PAYMENT_FAILED")
        world.clock.advance(89 * 86_400)
        await world.happens("payment.refunded")
        await world.listed("REFUND")
        world.clock.advance(2 * 86_400)

        async def types() -> list[str]:
            return [each["type"] for each in await world.notifications()]

        assert await worlds.eventually(types, lambda found: len(found) == 1) == ["REFUND"]


async def test_the_console_says_little_and_has_no_mailbox(capsys: pytest.CaptureFixture[str]) -> None:
    async with worlds.world(notification_email_url="console://", notification_sms_url="console://") as world:
        world.contacts[CUSTOMER] = worlds.contact()
        await world.happens("order.status.updated")
        await world.heard("notification.sent", 3)
        answer = await world.client.get("/api/notifications/dev/mailbox", headers=world.admin)
        assert answer.status_code == 404
    printed = "".join(capsys.readouterr())
    assert "asha@example.org" not in printed
    assert "9876543210" not in printed
