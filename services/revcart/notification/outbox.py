"""Events wait in an array of the document they came with, and are taken to the bus from there.

`outboxVersion` grows with every change of the array, so that the relay clears exactly what it has sent: an event
written meanwhile changes the version, and the next round sends the rest. Sending twice is harmless (inbox).
"""

import datetime as dt
from typing import Any, Final

from revcart.kit import bus, documents, events

BATCH: Final = 100


def entry(payload: events.Payload, *, time: dt.datetime) -> documents.Document:
    """One element of the array."""
    return {
        "topic": payload.fact.topic,
        "key": payload.message_key(),
        "envelope": events.envelope(payload, service="notification", time=time),
    }


def fields(*entries: documents.Document) -> documents.Document:
    """The outbox of a new document."""
    return {"outbox": list(entries), "outboxPending": bool(entries), "outboxVersion": 0}


async def relay(bus: bus.Bus, *collections: documents.Collection) -> None:
    """Send all that waits. Raises DependencyUnavailable when the broker is away; then it waits on."""
    for collection in collections:
        while waiting := await collection.find({"outboxPending": True}, limit=BATCH):
            await bus.publish([_message(item) for document in waiting for item in document["outbox"]])
            for document in waiting:
                await collection.update(
                    {"_id": document["_id"], "outboxVersion": document["outboxVersion"]},
                    {"$set": {"outbox": [], "outboxPending": False}, "$inc": {"outboxVersion": 1}},
                )


def _message(item: dict[str, Any]) -> bus.Message:
    return bus.Message(
        topic=item["topic"], key=item["key"], value=events.encode(item["envelope"]), headers=events.HEADERS
    )
