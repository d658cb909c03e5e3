"""The document store of a service: JSON objects in collections, one atomic change at a time.

The port offers what both adapters do alike: SQLite's JSON functions in a file, and MongoDB. What is not listed here
(joins, aggregation, many documents in one change) does not exist for services.

    documents = Documents("sqlite-documents:///revcart_analytics.db")
    facts = documents.collection("order_facts")          # declared, with its indexes, before `open`
    facts.index(["userId"])
    await documents.open()
    await facts.update({"_id": "7", "statusAt": {"$lt": at}}, {"$set": {"status": "CONFIRMED"}}, upsert=True)
"""

import datetime as dt
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Document = dict[str, Any]
Filter = Mapping[str, Any]
Changes = Mapping[str, Mapping[str, Any]]
Sort = Sequence[tuple[str, bool]]  # (field, descending), as pages.PageQuery.sort


class Duplicate(Exception):
    """A document would take the values of another one in a unique index. Nothing was changed."""


class Collection(Protocol):
    """Documents are JSON objects, their `_id` a text; instants are stored as text (`clock.to_text`), which sorts.

    Fields are dotted paths through objects (`payment.status`); arrays are stored but not searched.
    Filters: `{field: scalar}` and `$eq $gt $gte $lt $lte $ne $in $exists` on a field, `$or` on top. As in MongoDB,
    null matches an absent field and comparisons see only values of their own type. All methods raise
    DependencyUnavailable when the store is away (a write may have happened all the same), ValueError on a filter or
    change outside this list.
    """

    def index(self, fields: Sequence[str], *, unique: bool = False) -> None:
        """Declare an index, before `open`. A unique one does not hold for documents that lack one of its fields."""

    def expire(self, field: str, *, after: dt.timedelta) -> None:
        """Declare, before `open`, that a document may go when the instant in `field` is `after` ago.

        A store that can does it by itself (MongoDB: a TTL index, within about a minute; it goes by what was written
        last to one of the declared fields). What a store leaves is the service's to sweep.
        """

    async def get(self, id: str) -> Document | None:
        """The document of that `_id`."""

    async def put(self, document: Document, *, if_absent: bool = False) -> bool:
        """Store a whole document; a missing `_id` is made. False: `if_absent`, and its id or unique fields are taken.

        Raises Duplicate when a unique index refuses it, without `if_absent`.
        """

    async def update(
        self,
        filter: Filter,
        changes: Changes,
        *,
        upsert: bool = False,
        sort: Sort = (),
    ) -> Document | None:
        """Change the first document that fits, atomically; gives it as it is afterwards, None when none fits.

        Changes: `$set $unset $inc $push $pull $setOnInsert`; `$push` takes a value or `{"$each": […], "$slice": -n}`,
        `$pull` a scalar or an object whose members must be equal. With `upsert` a missing document is made from the
        equalities of the filter; when its `_id` exists but does not fit the rest, the answer is None, too.
        Raises Duplicate.
        """

    async def find(
        self,
        filter: Filter | None = None,
        *,
        sort: Sort = (),
        skip: int = 0,
        limit: int | None = None,
    ) -> list[Document]:
        """The documents that fit, ties by `_id`."""

    async def count(self, filter: Filter | None = None) -> int:
        """How many fit."""

    async def delete(self, filter: Filter) -> int:
        """Remove all that fit; gives their number."""


class Store(Protocol):
    """What an adapter offers."""

    def collection(self, name: str) -> Collection: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def ping(self) -> None: ...


class Documents:
    """The store at `url`: `sqlite-documents:///file` (three slashes and a relative path, four and an absolute one), or
    `mongodb://host/database`.

    An empty URL or `:memory:` is a file in a temporary folder that goes with `close`.
    """

    def __init__(self, url: str) -> None:
        self._store = _connect(url)

    def collection(self, name: str) -> Collection:
        """The collection `name`; the first call declares it and must come before `open`."""
        return self._store.collection(name)

    async def open(self) -> None:
        """Make the collections and indexes that are missing. Raises DependencyUnavailable."""
        await self._store.open()

    async def close(self) -> None:
        """Finish what runs and give the store back; it may be opened again."""
        await self._store.close()

    async def ping(self) -> None:
        """Ask for one value. Raises DependencyUnavailable."""
        await self._store.ping()


async def make_user(admin_url: str, *, user: str, password: str, database: str) -> None:
    """On MongoDB: the user that reads and writes this database and no other, with this password. Safe to run again.

    `admin_url` names one who may, and the database where users are kept. Raises DependencyUnavailable, ValueError.
    """
    from revcart.kit import documents_mongodb

    await documents_mongodb.make_user(admin_url, user=user, password=password, database=database)


def new_id() -> str:
    """24 hex digits that sort by the second of their making, as MongoDB's own ids do."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def _connect(url: str) -> Store:
    scheme = url.partition("://")[0]
    if scheme in {"", "sqlite-documents"}:
        from revcart.kit import documents_sqlite

        return documents_sqlite.Store(url)
    if scheme in {"mongodb", "mongodb+srv"}:
        from revcart.kit import documents_mongodb

        return documents_mongodb.Store(url)
    raise ValueError(f"REVCART_DOCUMENTS_URL: no document store for the scheme {scheme!r}")
