"""Where messages go: an SMTP server, or a development sink (a mailbox in the store, a line on the console, a folder).

`REVCART_NOTIFICATION_EMAIL_URL` and `…_SMS_URL` choose; any other URL is refused at start with a sentence.
"""

import asyncio
import dataclasses
import datetime as dt
import email.message
import email.policy
import email.utils
import re
import urllib.parse
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from revcart.kit import clock, telemetry
from revcart.notification import domain, store

log = telemetry.get_logger(__name__)

SMTP_SECONDS: Final = 8.0  # below the time limit of a dispatch, so that the cause is still known


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A message ready to go. `id` is the dispatch's: the same on every try."""

    id: str
    channel: Literal["EMAIL", "SMS"]
    template: str
    user_id: int | None
    sender: str
    reply_to: str
    to: str
    subject: str
    text: str
    html: str | None
    at: dt.datetime


class Undeliverable(Exception):
    """The sink did not take it; the text holds no address. `permanent`: another try would change nothing."""

    def __init__(self, why: str, *, permanent: bool) -> None:
        super().__init__(why)
        self.permanent = permanent


class Sink(Protocol):
    """`name` is the provider in events and dispatches."""

    name: str

    async def send(self, message: Outgoing) -> str | None:
        """Deliver, and give the provider's own id if it has one. Raises Undeliverable."""
        ...


class Mailbox:
    """Keeps messages in the store, to be read by an ADMIN at `/api/notifications/dev/mailbox`."""

    name = "mailbox"

    def __init__(self, store: store.Store) -> None:
        self._store = store

    async def send(self, message: Outgoing) -> str | None:
        document = {
            "_id": message.id,  # a repeated send is one message
            "channel": message.channel,
            "userId": message.user_id,
            "sender": message.sender,
            "to": message.to,
            "subject": message.subject,
            "text": message.text,
            "html": message.html,
            "template": message.template,
            "at": clock.to_text(message.at),
        }
        await self._store.keep_mail(document)
        return message.id


class Console:
    """One log line; neither address nor text, because logs hold no personal data."""

    name = "console"

    async def send(self, message: Outgoing) -> str | None:
        to = domain.masked(message.to)
        log.info("message.sent", channel=message.channel, template=message.template, to=to, length=len(message.text))
        return None


class Folder:
    """One RFC 5322 file per e-mail."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: Outgoing) -> str | None:
        name = re.sub(r"[^A-Za-z0-9.-]", "_", message.id) + ".eml"
        try:
            await asyncio.to_thread(self._write, name, _mail(message))
        except OSError as error:
            raise Undeliverable(f"folder: {error.strerror}", permanent=False) from error
        return name

    def _write(self, name: str, mail: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        part.write_bytes(mail)
        part.replace(self._folder / name)


class Smtp:
    """`smtp://user:password@host:587?starttls=required` or `smtps://…:465` (RFC 5321, 8314)."""

    name = "smtp"

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if not parts.hostname:
            raise ValueError("REVCART_NOTIFICATION_EMAIL_URL names no host: smtp://user:password@host:587")
        implicit = parts.scheme == "smtps"
        wanted = urllib.parse.parse_qs(parts.query).get("starttls", [""])[0]
        self._options: dict[str, Any] = {
            "hostname": parts.hostname,
            "port": parts.port or (465 if implicit else 587),
            "username": urllib.parse.unquote(parts.username) if parts.username else None,
            "password": urllib.parse.unquote(parts.password) if parts.password else None,
            "use_tls": implicit,
            # `required` never falls back to plain text; otherwise what the server offers is taken.
            "start_tls": None if implicit or wanted != "required" else True,
            "timeout": SMTP_SECONDS,
        }

    async def send(self, message: Outgoing) -> str | None:
        import aiosmtplib  # only where there is a server to talk to

        sender = email.utils.parseaddr(message.sender)[1]
        try:
            _, answer = await aiosmtplib.send(_mail(message), sender=sender, recipients=[message.to], **self._options)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            raise Undeliverable(f"smtp {codes[0] if codes else 'refused'}", permanent=min(codes) >= 500) from error
        except aiosmtplib.SMTPResponseException as error:
            raise Undeliverable(f"smtp {error.code}", permanent=error.code >= 500) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Undeliverable(f"smtp {type(error).__name__}", permanent=False) from error
        return str(answer)[:200]


def connect(url: str, *, channel: Literal["EMAIL", "SMS"], store: store.Store, production: bool = False) -> Sink:
    """The sink at `url`. Raises ValueError, with a sentence for whoever configures it."""
    scheme, _, rest = url.partition("://")
    if scheme in {"smtp", "smtps"} and channel == "EMAIL":
        return Smtp(url)
    if scheme == "mailbox" and not rest:
        if production:
            raise ValueError(
                f"REVCART_NOTIFICATION_{channel}_URL is mailbox://, where an ADMIN reads people's one-time codes; "
                "production refuses it. Use smtp://… or console://."
            )
        return Mailbox(store)
    if scheme == "console" and not rest:
        return Console()
    if scheme == "file" and channel == "EMAIL" and rest.startswith("/") and len(rest) > 1:
        return Folder(Path(rest))
    known = "mailbox:// and console://" if channel == "SMS" else "smtp(s)://, mailbox://, console:// and file:///folder"
    raise ValueError(
        f"REVCART_NOTIFICATION_{channel}_URL has the scheme {scheme!r}; the URLs that exist for {channel} are {known}."
    )


def _mail(message: Outgoing) -> bytes:
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = message.sender, message.to, message.subject
    if message.reply_to:
        mail["Reply-To"] = message.reply_to
    mail["Date"] = email.utils.format_datetime(message.at)
    mail["Message-ID"] = f"<{re.sub(r'[^A-Za-z0-9.-]', '.', message.id)}@revcart.invalid>"
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    return mail.as_bytes()
