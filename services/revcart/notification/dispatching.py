"""Sends what is queued: lease, address, render, deliver, note the outcome. A message that fails waits for its next try.

A crash between delivery and note repeats the send under the same id; nothing is lost.
"""

import asyncio
import datetime as dt
import random
import zoneinfo
from typing import Final, Literal

from cryptography import fernet

from revcart.kit import clock, errors, telemetry
from revcart.notification import bodies, domain, flow, outbox, sinks, store
from revcart.notification import events as ours

WORKERS: Final = 4
SECONDS: Final = 10.0

log = telemetry.get_logger(__name__)


class _Skip(Exception):
    """This message is not to be sent, for a reason that is no failure."""


class _Hold(Exception):
    """This message has to wait; no try is used up."""

    def __init__(self, until: dt.datetime) -> None:
        super().__init__()
        self.until = until


async def send_due(*, ports: flow.Ports) -> None:
    """Send all that is due, a few at a time. A worker."""
    outcomes = await asyncio.gather(*(_send_until_none(ports) for _ in range(WORKERS)), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:  # the store is away: the worker's next run starts where this one stopped
            raise outcome


async def _send_until_none(ports: flow.Ports) -> None:
    while (leased := await ports.store.lease(now=ports.clock.now())) is not None:
        await _attempt(leased, ports=ports)


async def _attempt(leased: store.Document, *, ports: flow.Ports) -> None:
    try:
        if leased["tries"] > domain.TRIES:  # its senders died each time
            raise sinks.Undeliverable("crashed", permanent=True)
        async with asyncio.timeout(SECONDS):
            address, provider_id = await _deliver(leased, ports=ports)
    except _Skip as skipped:
        await ports.store.settle(leased, {"state": "SKIPPED", "lastError": str(skipped)}, clean=True)
    except _Hold as held:
        waiting = {"state": "QUEUED", "nextAt": clock.to_text(held.until), "tries": leased["tries"] - 1}
        await ports.store.settle(leased, waiting)
    except sinks.Undeliverable as error:
        await _failed(leased, str(error), permanent=error.permanent, ports=ports)
    except fernet.InvalidToken:
        await _failed(leased, "the secret cannot be read", permanent=True, ports=ports)
    except errors.DependencyUnavailable as error:
        await _failed(leased, f"{error.service} is away", permanent=False, ports=ports)
    except TimeoutError:
        await _failed(leased, "too slow", permanent=False, ports=ports)
    except Exception as error:  # a bug in one template must not stop the others
        log.error("dispatch.failed", template=leased["template"], channel=leased["channel"], exc_info=error)
        await _failed(leased, type(error).__name__, permanent=False, ports=ports)
    else:
        await _sent(leased, address=address, provider_id=provider_id, ports=ports)


async def _deliver(leased: store.Document, *, ports: flow.Ports) -> tuple[str, str | None]:
    """The address it went to and the provider's id."""
    now = ports.clock.now()
    channel: Literal["EMAIL", "SMS"] = leased["channel"]
    template = domain.TEMPLATES[leased["template"]]
    if leased["expiresAt"] is not None and leased["expiresAt"] <= clock.to_text(now):
        raise _Skip("expired")
    user_id: int | None = leased["userId"]
    preferences = await ports.store.preferences(user_id) if user_id is not None else domain.Preferences()
    if (until := preferences.held_until(template.category, channel, at=now)) is not None:
        raise _Hold(until)
    address = await _address(leased, template=template, ports=ports)
    if channel == "SMS" and user_id is not None and template.category != "ACCOUNT":
        day = _day_begins(now, ports.timezone)
        if await ports.store.sent_since(user_id, "SMS", since=day, before=leased["_id"]) >= domain.SMS_PER_DAY:
            raise _Skip("limit of the day")
    context = {**leased["context"], **flow.opened(leased["secret"], ports=ports)}
    rendered = ports.renderer.render(template, channel=channel, locale=leased["locale"], context=context)
    message = sinks.Outgoing(
        id=leased["_id"],
        channel=channel,
        template=template.key,
        user_id=user_id,
        sender=ports.email_from if channel == "EMAIL" else ports.sms_sender,
        reply_to=ports.email_reply_to if channel == "EMAIL" else "",
        to=address,
        subject=rendered.title,
        text=rendered.text,
        html=rendered.html,
        at=now,
    )
    return address, await ports.sinks[channel].send(message)


async def _address(leased: store.Document, *, template: domain.Template, ports: flow.Ports) -> str:
    """Where to send: the event's own address, else the user's. Raises _Skip, DependencyUnavailable."""
    field = "email" if leased["channel"] == "EMAIL" else "phone"
    named = (leased["to"] or {}).get(field)
    if named:
        return str(named)
    if leased["userId"] is None:
        raise _Skip("no contact")
    needs_proof = field == "email" and template.category != "ACCOUNT"
    contact = await _contact(leased["userId"], needs_proof=needs_proof, ports=ports)
    address = contact and (contact.email if field == "email" else contact.phone)
    if not contact or not address:
        raise _Skip("no contact")
    if needs_proof and not contact.email_verified:
        raise _Skip("address not verified")
    return address


async def _contact(user_id: int, *, needs_proof: bool, ports: flow.Ports) -> domain.Contact | None:
    """The contact, asked for again when it is old; the last copy serves while user is away.

    An address last seen unverified is no reason to drop an order's mail before user has said so itself.
    """
    known = await ports.store.contact(user_id)
    fresh = known is not None and ports.clock.now() - known.at <= domain.CONTACT_AGE
    enough = known is not None and (known.email_verified or not needs_proof)
    if fresh and enough:
        return known
    try:
        contact = await ports.users.contact(user_id)
    except errors.DependencyUnavailable:
        if enough:
            return known
        raise
    if contact is not None:
        await ports.store.save_contact(contact)
    return contact


async def _sent(leased: store.Document, *, address: str, provider_id: str | None, ports: flow.Ports) -> None:
    now = ports.clock.now()
    provider = ports.sinks[leased["channel"]].name
    event = ours.NotificationSent(
        notification_id=leased["notificationId"],
        user_id=leased["userId"],
        template=leased["template"],
        channel=leased["channel"],
        provider=provider,
        provider_message_id=provider_id,
        tries=leased["tries"],
        source_event_id=leased["sourceEventId"],
        sent_at=now,
    )
    changes = {
        "state": "SENT",
        "sentAt": clock.to_text(now),
        "recipient": domain.masked(address),
        "provider": provider,
        "providerMessageId": provider_id,
        "lastError": None,
    }
    await ports.store.settle(leased, changes, event=outbox.entry(event, time=now), clean=True)


async def _failed(leased: store.Document, error: str, *, permanent: bool, ports: flow.Ports) -> None:
    now = ports.clock.now()
    again = None if permanent else domain.retry_at(now, tries=leased["tries"], jitter=random.uniform(-1, 1))
    if again is not None:
        await ports.store.settle(leased, {"state": "RETRY", "nextAt": clock.to_text(again), "lastError": error})
        return
    provider = ports.sinks[leased["channel"]].name
    event = ours.NotificationFailed(
        notification_id=leased["notificationId"],
        user_id=leased["userId"],
        template=leased["template"],
        channel=leased["channel"],
        provider=provider,
        tries=leased["tries"],
        permanent=permanent,
        error=error,
        source_event_id=leased["sourceEventId"],
        failed_at=now,
    )
    entry = outbox.entry(event, time=now)
    await ports.store.settle(leased, {"state": "DEAD", "provider": provider, "lastError": error}, event=entry)
    log.warning("dispatch.dead", template=leased["template"], channel=leased["channel"], why=error)
    data = {"notificationId": leased["notificationId"], "template": leased["template"], "channel": leased["channel"]}
    body = {
        "id": entry["envelope"]["id"],
        "type": "notification.dead",
        "at": clock.to_text(now),
        "severity": "ERROR",
        "title": "A message could not be sent",
        "data": data,
    }
    await ports.realtime.publish(bodies.Signal(destination=bodies.ADMIN, body=body))


def _day_begins(now: dt.datetime, timezone: str) -> dt.datetime:
    zone = zoneinfo.ZoneInfo(timezone)
    return dt.datetime.combine(clock.business_day(now, timezone), dt.time(), tzinfo=zone).astimezone(dt.UTC)
