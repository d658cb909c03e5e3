"""Mail over SMTP, to a real server in this process."""

import contextlib
import datetime as dt
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd import controller, smtp

from revcart.notification import sinks

STORE: Any = None  # an SMTP sink keeps nothing


class Server:
    """Takes mail, or answers `refusal` to every recipient."""

    def __init__(self, refusal: str | None = None) -> None:
        self.refusal = refusal
        self.mails: list[smtp.Envelope] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: smtp.Envelope, address: str, options: Any) -> str:  # noqa: N802
        if self.refusal is not None:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: smtp.Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        return "250 taken as 42"


@contextlib.contextmanager
def serving(server: Server) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = controller.Controller(server, hostname="127.0.0.1", port=port)
    running.start()
    try:
        yield f"smtp://127.0.0.1:{port}"
    finally:
        running.stop()


def message() -> sinks.Outgoing:
    return sinks.Outgoing(
        id="e1:order.confirmed:7:EMAIL",
        channel="EMAIL",
        template="order.confirmed",
        user_id=7,
        sender="RevCart <orders@example.com>",
        reply_to="help@example.com",
        to="asha@example.org",
        subject="Order confirmed · ऑर्डर पक्का हुआ",
        text="Thank you.",
        html="<p>Thank you.</p>",
        at=dt.datetime(2026, 1, 31, tzinfo=dt.UTC),
    )


async def test_a_message_arrives_whole_and_names_its_dispatch() -> None:
    server = Server()
    with serving(server) as url:
        answer = await sinks.connect(url, channel="EMAIL", store=STORE).send(message())
    assert answer is not None
    assert "42" in answer
    (mail,) = server.mails
    assert (mail.mail_from, mail.rcpt_tos) == ("orders@example.com", ["asha@example.org"])
    content = mail.content if isinstance(mail.content, str) else (mail.content or b"").decode()
    assert "Message-ID: <e1.order.confirmed.7.EMAIL@" in content
    assert "text/html" in content


@pytest.mark.parametrize(("refusal", "permanent"), [("550 no such mailbox", True), ("451 greylisted", False)])
async def test_a_refusal_is_for_good_or_for_now(refusal: str, permanent: bool) -> None:
    with serving(Server(refusal)) as url, pytest.raises(sinks.Undeliverable) as refused:
        await sinks.connect(url, channel="EMAIL", store=STORE).send(message())
    assert refused.value.permanent is permanent
    assert "asha" not in str(refused.value)


async def test_a_server_that_is_away_is_tried_again() -> None:
    with serving(Server()) as url:
        pass
    with pytest.raises(sinks.Undeliverable) as away:
        await sinks.connect(url, channel="EMAIL", store=STORE).send(message())
    assert not away.value.permanent


async def test_required_tls_never_falls_back_to_plain_text() -> None:
    server = Server()
    with serving(server) as url, pytest.raises(sinks.Undeliverable):
        await sinks.connect(f"{url}?starttls=required", channel="EMAIL", store=STORE).send(message())
    assert server.mails == []


def test_production_refuses_a_mailbox_that_shows_codes() -> None:
    with pytest.raises(ValueError, match="mailbox"):
        sinks.connect("mailbox://", channel="EMAIL", store=STORE, production=True)


@pytest.mark.parametrize(
    ("url", "channel"), [("twilio://x", "SMS"), ("smtp://h", "SMS"), ("smtp://", "EMAIL"), ("", "EMAIL")]
)
def test_a_url_that_is_none_is_a_sentence(url: str, channel: Any) -> None:
    with pytest.raises(ValueError, match="REVCART_NOTIFICATION_"):
        sinks.connect(url, channel=channel, store=STORE)
