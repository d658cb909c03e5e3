"""Auth, user and notification together: the code that opens an account is in the mail, and nowhere else."""

import re
from pathlib import Path

from revcart.kit import testing
from revcart.notification import app as notification_app
from tests.flow import notification_world as worlds
from tests.flow import people


async def test_the_code_from_the_mailbox_verifies_the_address_and_opens_order_mail(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        settings = testing.settings(notification_app.Settings, notification_dispatch_seconds=0.05)
        async with testing.serving(notification_app.create_app(settings, hub=shop.hub)) as notification:
            admin = people.bearer(await shop.admin())

            async def mails(template: str) -> list[dict[str, str]]:
                answer = await notification.get("/api/notifications/dev/mailbox?channel=EMAIL", headers=admin)
                mine = [each for each in answer.json() if each["to"] == "asha@example.org"]
                return [each for each in mine if each["template"] == template]

            session = await shop.signup("asha@example.org")
            await worlds.eventually(lambda: mails("account.welcome"), bool)
            (mail,) = await worlds.eventually(lambda: mails("account.verify-email"), bool)
            code = re.search(r"^\d{6}$", mail["text"], re.MULTILINE)
            assert code is not None
            body = {"email": "asha@example.org", "otp": code[0]}
            answer = await shop.auth.post("/api/auth/verify-email", json=body)
            assert answer.status_code == 200, answer.text
            shop.clock.advance(61)  # user's copy of the account is a minute old at most
            event = worlds.envelope(
                "order.status.updated",
                {**worlds.EXAMPLES["order.status.updated"], "userId": session["id"]},
            )
            await worlds.publish(shop.hub, event)
            (confirmed,) = await worlds.eventually(lambda: mails("order.confirmed"), bool)
            assert confirmed["to"] == "asha@example.org"
            listed = await notification.get("/api/notifications", headers=people.bearer(session))
            assert {each["type"] for each in listed.json()["content"]} == {"WELCOME", "ORDER_CONFIRMATION"}
            assert code[0] not in listed.text
