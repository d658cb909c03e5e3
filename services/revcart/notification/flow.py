"""The use cases: tell people something, and let them read, choose and forget. Sending itself is `dispatching`."""

import dataclasses
import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Literal

from cryptography import fernet

from revcart.kit import auth, bus, clock, errors, sessions
from revcart.notification import bodies, clients, domain, messages, outbox, realtime, rendering, schemas, sinks, store
from revcart.notification import events as ours
from revcart.stomp import broker

# What order answers about its state is noted as old, so that no event on its way is taken for older.
_BEFORE_ALL_EVENTS: Final = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """`timezone`: where the shop's days begin; senders as they stand on messages."""

    clock: clock.Clock
    store: store.Store
    bus: bus.Bus
    users: clients.Users
    orders: clients.Orders
    renderer: rendering.Renderer
    secrets: fernet.MultiFernet
    sinks: Mapping[Literal["EMAIL", "SMS"], sinks.Sink]
    broker: broker.Broker
    realtime: realtime.Realtime
    verifier: auth.Verifier
    revocations: sessions.Revocations
    timezone: str
    email_from: str
    email_reply_to: str
    sms_sender: str


# Telling people


async def notify(*, notice: domain.Notice, ports: Ports) -> None:
    """Put a notice on the list of its reader and queue it for the other channels. A repeat changes nothing.

    What is on the list is also sent to open screens, after it is stored.
    """
    template = domain.TEMPLATES[notice.template]
    preferences, contact = domain.Preferences(), None
    if notice.user_id is not None:
        preferences = await ports.store.preferences(notice.user_id)
        contact = await ports.store.contact(notice.user_id)
    known = contact.locale if contact is not None and contact.locale in ("en", "hi") else "en"
    locale = preferences.locale or notice.locale or known
    context = await _context(notice, contact=contact, ports=ports)
    for channel in notice.channels or template.channels:
        if channel not in ports.renderer.channels(template):
            continue
        wanted = preferences.wants(template.category, channel)
        if channel != "WEBSOCKET":
            document = _dispatch(notice, channel=channel, locale=locale, context=context, wanted=wanted, ports=ports)
            await ports.store.dispatches.put(document, if_absent=True)
        elif wanted and notice.user_id is not None and not messages.expired(notice, now=ports.clock.now()):
            shown = {**context, **opened(notice.secret, ports=ports)}
            rendered = ports.renderer.render(template, channel=channel, locale=locale, context=shown)
            await _show(notice, rendered, user_id=notice.user_id, ports=ports)


async def _context(notice: domain.Notice, *, contact: domain.Contact | None, ports: Ports) -> dict[str, Any]:
    named = notice.recipient and notice.recipient.name
    context: dict[str, Any] = {"name": named or (contact.name if contact else ""), "url": notice.url or "/"}
    if notice.order_id is not None:
        context["order_label"] = messages.label(notice.order_id, await ports.store.parties(notice.order_id) or {})
    return {**context, **notice.context}


def opened(secret: str | None, *, ports: Ports) -> dict[str, Any]:
    """The codes and links of a secret. Raises fernet.InvalidToken when it was made with another key."""
    return {} if secret is None else json.loads(ports.secrets.decrypt(secret))


async def _show(notice: domain.Notice, rendered: rendering.Rendered, *, user_id: int, ports: Ports) -> None:
    template = domain.TEMPLATES[notice.template]
    now = ports.clock.now()
    sent = ours.NotificationSent(
        notification_id=notice.notification_id,
        user_id=user_id,
        template=template.key,
        channel="WEBSOCKET",
        provider="in-app",
        provider_message_id=None,
        tries=1,
        source_event_id=notice.event_id,
        sent_at=now,
    )
    document = {
        "_id": notice.notification_id,
        "userId": user_id,
        "type": template.type,
        "category": template.category,
        "title": rendered.title,
        "message": rendered.text,
        "data": {"orderId": notice.order_id, "deliveryId": notice.delivery_id, "url": notice.url},
        "read": False,
        "readAt": None,
        "createdAt": clock.to_text(now),
        **outbox.fields(outbox.entry(sent, time=now)),
    }
    if await ports.store.notifications.put(document, if_absent=True):
        shown = schemas.Notification.of(document).model_dump(mode="json", by_alias=True)
        body = {**shown, "at": document["createdAt"], "unreadCount": await ports.store.unread(user_id)}
        await ports.realtime.publish(bodies.Signal(destination=bodies.notifications(user_id), body=body))


def _dispatch(
    notice: domain.Notice,
    *,
    channel: domain.Channel,
    locale: str,
    context: Mapping[str, Any],
    wanted: bool,
    ports: Ports,
) -> store.Document:
    now = clock.to_text(ports.clock.now())
    to = notice.recipient and {"email": notice.recipient.email, "phone": notice.recipient.phone}
    needed = {"context": dict(context), "secret": notice.secret, "to": to} if wanted else {}
    return {
        "_id": notice.dispatch_id(channel),
        "notificationId": notice.notification_id,
        "userId": notice.user_id,
        "recipient": None,
        "channel": channel,
        "template": notice.template,
        "locale": locale,
        "state": "QUEUED" if wanted else "SKIPPED",
        "tries": 0,
        "nextAt": now,
        "leasedUntil": None,
        "provider": None,
        "providerMessageId": None,
        "lastError": None if wanted else "preference",
        "sourceEventId": notice.event_id,
        "expiresAt": notice.expires_at and clock.to_text(notice.expires_at),
        "sentAt": None,
        "createdAt": now,
        **needed,
        **outbox.fields(),
    }


async def audience(name: str, *, ports: Ports) -> AsyncIterator[int]:
    """The ids of all users (`ALL`), or of those in a role."""
    async for user_id in ports.store.audience(None if name == "ALL" else name):
        yield user_id


async def parties(order_id: int, *, ports: Ports) -> Mapping[str, Any]:
    """`userId` and `agentUserId?` of an order, empty when there is none; order is asked for one that is unknown here.

    Raises DependencyUnavailable.
    """
    known = await ports.store.parties(order_id)
    if known is not None:
        return known
    found = await ports.orders.order(order_id)
    if found is None:
        return {}
    await ports.store.note_order(
        order_id,
        user_id=found["userId"],
        number=found["orderNumber"],
        status=found["status"],
        at=_BEFORE_ALL_EVENTS,
    )
    return await ports.store.parties(order_id) or {}


# Reading


async def mark_read(*, user_id: int, id: str, ports: Ports) -> store.Document:
    """Raises NotFound, also for somebody else's."""
    found = await ports.store.mark_read(user_id, id, now=ports.clock.now())
    if found is None:
        raise errors.NotFound
    return found


async def mark_all_read(*, user: auth.User, before: dt.datetime | None, ports: Ports) -> int:
    now = ports.clock.now()
    return await ports.store.mark_all_read(user.id, before=before or now, now=now)


# Sent again, by an ADMIN


async def retry(*, id: str, ports: Ports) -> None:
    """Queue a message that was given up. Raises NotFound, NotFailed (409)."""
    if await ports.store.revive(id, now=ports.clock.now()) is None:
        if await ports.store.dispatches.get(id) is None:
            raise errors.NotFound
        raise domain.NotFailed


async def mailbox(*, to: str | None, channel: str | None, ports: Ports) -> list[store.Document]:
    """What the development sink kept. Raises NotFound when no sink is a mailbox."""
    _check_mailbox(ports)
    return await ports.store.mailbox(to=to, channel=channel)


async def empty_mailbox(*, ports: Ports) -> None:
    """Raises NotFound when no sink is a mailbox."""
    _check_mailbox(ports)
    await ports.store.empty_mailbox()


def _check_mailbox(ports: Ports) -> None:
    if not any(sink.name == "mailbox" for sink in ports.sinks.values()):
        raise errors.NotFound


# Workers


async def relay(*, ports: Ports) -> None:
    """Take waiting events to the bus."""
    await outbox.relay(ports.bus, ports.store.notifications, ports.store.dispatches)


async def sweep(*, ports: Ports) -> None:
    """Forget what is too old."""
    await ports.store.sweep(now=ports.clock.now())


async def listen(*, ports: Ports) -> None:
    """Pass the signals of all replicas to this one's sessions."""
    await ports.realtime.listen()
