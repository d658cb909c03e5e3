"""Every query of the notification service. Documents hold instants as text, which sorts as time does."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any, Final

from revcart.kit import clock, documents, pages
from revcart.notification import domain

Document = documents.Document

_CHUNK: Final = 200
MAILBOX: Final = 200
# Collection -> the field that ages, and how long a document is kept after it.
_KEPT: Final = {
    "notifications": ("createdAt", dt.timedelta(days=90)),
    "dispatches": ("createdAt", dt.timedelta(days=30)),
    "order_parties": ("endedAt", dt.timedelta(days=30)),
    "sink_messages": ("at", dt.timedelta(days=1)),
}
_ENDS: Final = ("DELIVERED", "CANCELLED")
# What only sending needs; it goes when the message has gone.
SENSITIVE: Final = ("secret", "context", "to")


class Store:
    """The collections of `revcart_notifications`."""

    def __init__(self, store: documents.Documents) -> None:
        self.notifications = store.collection("notifications")
        self.notifications.index(["userId", "createdAt"])
        self.notifications.index(["userId", "read"])
        self.dispatches = store.collection("dispatches")
        self.dispatches.index(["state", "nextAt"])
        self.dispatches.index(["userId", "channel", "sentAt"])
        self._preferences = store.collection("preferences")
        self._contacts = store.collection("contacts")
        self._contacts.index(["role"])
        self._parties = store.collection("order_parties")
        self._sink = store.collection("sink_messages")
        self._sink.index(["at"])
        for collection in (self.notifications, self.dispatches):
            collection.index(["outboxPending"])
        self._aging = [(store.collection(name), field, kept) for name, (field, kept) in _KEPT.items()]
        for collection, field, kept in self._aging:
            collection.expire(field, after=kept)

    # Notifications

    async def page(
        self, user_id: int, *, unread: bool | None, type: str | None, query: pages.PageQuery
    ) -> tuple[list[Document], int]:
        """A page of a user's notifications, and how many there are."""
        wanted: dict[str, Any] = {"userId": user_id}
        if unread is not None:
            wanted["read"] = not unread
        if type is not None:
            wanted["type"] = type
        found = await self.notifications.find(wanted, sort=query.sort, skip=query.offset, limit=query.limit)
        return found, await self.notifications.count(wanted)

    async def unread(self, user_id: int) -> int:
        return await self.notifications.count({"userId": user_id, "read": False})

    async def mark_read(self, user_id: int, id: str, *, now: dt.datetime) -> Document | None:
        """The notification, read; None when the user has none of that id. The first reading's time stays."""
        mine = {"_id": id, "userId": user_id}
        changed = await self.notifications.update(
            {**mine, "read": False}, {"$set": {"read": True, "readAt": clock.to_text(now)}}
        )
        if changed is not None:
            return changed
        found = await self.notifications.find(mine, limit=1)
        return found[0] if found else None

    async def mark_all_read(self, user_id: int, *, before: dt.datetime, now: dt.datetime) -> int:
        """Mark what was made until `before`; answers how many. One document at a time is all the store does."""
        wanted = {"userId": user_id, "read": False, "createdAt": {"$lte": clock.to_text(before)}}
        count = 0
        while await self.notifications.update(wanted, {"$set": {"read": True, "readAt": clock.to_text(now)}}):
            count += 1
        return count

    async def remove(self, user_id: int, id: str) -> None:
        await self.notifications.delete({"_id": id, "userId": user_id})

    # Preferences and contacts

    async def preferences(self, user_id: int) -> domain.Preferences:
        found = await self._preferences.get(str(user_id))
        if found is None:
            return domain.Preferences()
        quiet = found["quietHours"]
        return domain.Preferences(
            locale=found["locale"],
            quiet_hours=domain.QuietHours(**quiet) if quiet else None,
            choices=found["choices"],
        )

    async def save_preferences(self, user_id: int, preferences: domain.Preferences) -> None:
        quiet = preferences.quiet_hours
        await self._preferences.put(
            {
                "_id": str(user_id),
                "userId": user_id,
                "locale": preferences.locale,
                "quietHours": quiet and {"start": quiet.start, "end": quiet.end, "timezone": quiet.timezone},
                "choices": {category: dict(chosen) for category, chosen in preferences.choices.items()},
            }
        )

    async def contact(self, user_id: int) -> domain.Contact | None:
        found = await self._contacts.get(str(user_id))
        return None if found is None else _contact(found)

    async def save_contact(self, contact: domain.Contact, *, if_absent: bool = False) -> None:
        await self._contacts.put(
            {
                "_id": str(contact.user_id),
                "userId": contact.user_id,
                "email": contact.email,
                "emailVerified": contact.email_verified,
                "phone": contact.phone,
                "name": contact.name,
                "locale": contact.locale,
                "role": contact.role,
                "at": clock.to_text(contact.at),
            },
            if_absent=if_absent,
        )

    async def audience(self, role: str | None) -> AsyncIterator[int]:
        """The ids of all known users, or of those in a role."""
        last = ""
        while True:
            wanted: dict[str, Any] = {"_id": {"$gt": last}} | ({"role": role} if role else {})
            found = await self._contacts.find(wanted, sort=[("_id", False)], limit=_CHUNK)
            for contact in found:
                yield contact["userId"]
            if len(found) < _CHUNK:
                return
            last = found[-1]["_id"]

    # Who belongs to an order

    async def parties(self, order_id: int) -> Document | None:
        """`userId`, `agentUserId?`, `orderNumber?`, `status?` of an order."""
        return await self._parties.get(str(order_id))

    async def note_order(
        self,
        order_id: int,
        *,
        user_id: int,
        number: str,
        status: str,
        at: dt.datetime,
        total_paise: int | None = None,
    ) -> None:
        """Remember a state, unless a later one is known."""
        text = clock.to_text(at)
        facts: dict[str, Any] = {"userId": user_id, "orderNumber": number, "status": status, "statusAt": text}
        if total_paise is not None:
            facts["totalPaise"] = total_paise
        if status in _ENDS:
            facts["endedAt"] = text
        await self._parties.update(
            {"_id": str(order_id), "$or": [{"statusAt": {"$exists": False}}, {"statusAt": {"$lte": text}}]},
            {"$set": facts},
            upsert=True,
        )

    async def note_agent(self, order_id: int, *, user_id: int, agent_user_id: int | None, at: dt.datetime) -> bool:
        """Remember who carries an order; None: nobody. True when it was somebody else before."""
        text = clock.to_text(at)
        before = await self.parties(order_id) or {}
        after = await self._parties.update(
            {"_id": str(order_id), "$or": [{"agentAt": {"$exists": False}}, {"agentAt": {"$lte": text}}]},
            {"$set": {"userId": user_id, "agentUserId": agent_user_id, "agentAt": text}},
            upsert=True,
        )
        return after is not None and before.get("agentUserId") not in (None, agent_user_id)

    # Dispatches

    async def lease(self, *, now: dt.datetime) -> Document | None:
        """Take the next message that is due, or whose sender died, and count the try."""
        text = clock.to_text(now)
        return await self.dispatches.update(
            {
                "$or": [
                    {"state": {"$in": ["QUEUED", "RETRY"]}, "nextAt": {"$lte": text}},
                    {"state": "SENDING", "leasedUntil": {"$lt": text}},
                ]
            },
            {"$set": {"state": "SENDING", "leasedUntil": clock.to_text(now + domain.LEASE)}, "$inc": {"tries": 1}},
            sort=[("nextAt", False)],
        )

    async def settle(
        self, leased: Document, changes: Document, *, event: Document | None = None, clean: bool = False
    ) -> None:
        """Write the outcome of a try, with its event, unless somebody else took over. `clean`: drop what is secret."""
        update: dict[str, dict[str, Any]] = {"$set": {"leasedUntil": None, **changes}}
        if event is not None:
            update["$set"] |= {"outboxPending": True}
            update |= {"$push": {"outbox": event}, "$inc": {"outboxVersion": 1}}
        if clean:
            update["$unset"] = dict.fromkeys(SENSITIVE, "")
        mine = {"_id": leased["_id"], "state": "SENDING", "leasedUntil": leased["leasedUntil"]}
        await self.dispatches.update(mine, update)

    async def sent_since(self, user_id: int, channel: domain.Channel, *, since: dt.datetime, before: str) -> int:
        """What the user was sent, and what is being sent at this moment under an id below `before`: of several at
        once each counts those below it, so that together they cannot pass a limit."""
        sent = {"sentAt": {"$gte": clock.to_text(since)}}
        at_once = {"state": "SENDING", "_id": {"$lt": before}}
        return await self.dispatches.count({"userId": user_id, "channel": channel, "$or": [sent, at_once]})

    async def dead(
        self,
        *,
        template: str | None,
        channel: domain.Channel | None,
        since: dt.datetime | None,
        query: pages.PageQuery,
    ) -> tuple[list[Document], int]:
        wanted: dict[str, Any] = {"state": "DEAD"}
        if template is not None:
            wanted["template"] = template
        if channel is not None:
            wanted["channel"] = channel
        if since is not None:
            wanted["createdAt"] = {"$gte": clock.to_text(since)}
        found = await self.dispatches.find(wanted, sort=query.sort, skip=query.offset, limit=query.limit)
        return found, await self.dispatches.count(wanted)

    async def revive(self, id: str, *, now: dt.datetime) -> Document | None:
        """Queue a dead message again; None when it is not dead."""
        return await self.dispatches.update(
            {"_id": id, "state": "DEAD"},
            {"$set": {"state": "QUEUED", "tries": 0, "nextAt": clock.to_text(now), "lastError": None}},
        )

    # The development mailbox

    async def keep_mail(self, message: Document) -> None:
        await self._sink.put(message)

    async def mailbox(self, *, to: str | None, channel: str | None) -> list[Document]:
        """The last messages, newest first."""
        wanted = {name: value for name, value in (("to", to), ("channel", channel)) if value is not None}
        return await self._sink.find(wanted, sort=[("at", True)], limit=MAILBOX)

    async def empty_mailbox(self) -> None:
        await self._sink.delete({})

    # Retention and personal data

    async def sweep(self, *, now: dt.datetime) -> int:
        """Delete what is older than its collection keeps."""
        count = 0
        for collection, field, kept in self._aging:
            count += await collection.delete({field: {"$lt": clock.to_text(now - kept)}})
        return count

    async def personal_data(self, user_id: int) -> dict[str, Any]:
        """All that is kept about a user."""
        contact = await self._contacts.get(str(user_id))
        preferences = await self._preferences.get(str(user_id))
        return {
            "contact": contact and {name: value for name, value in contact.items() if name != "_id"},
            "preferences": preferences and {name: preferences[name] for name in ("locale", "quietHours", "choices")},
            "notifications": [
                {name: found[name] for name in ("type", "category", "title", "message", "read", "readAt", "createdAt")}
                for found in await self.notifications.find({"userId": user_id}, sort=[("createdAt", False)])
            ],
            "messages": [
                {name: found[name] for name in ("channel", "template", "recipient", "state", "createdAt")}
                for found in await self.dispatches.find({"userId": user_id}, sort=[("createdAt", False)])
            ],
        }

    async def forget(self, user_id: int) -> None:
        """Remove all of it; who owned an order stays until the order's own time is over, as a number."""
        for collection in (self.notifications, self.dispatches, self._preferences, self._contacts):
            await collection.delete({"userId": user_id})
        await self._sink.delete({"userId": user_id})


def _contact(document: Document) -> domain.Contact:
    return domain.Contact(
        user_id=document["userId"],
        email=document["email"],
        email_verified=document["emailVerified"],
        phone=document["phone"],
        name=document["name"],
        locale=document["locale"],
        role=document["role"],
        at=clock.from_text(document["at"]),
    )
