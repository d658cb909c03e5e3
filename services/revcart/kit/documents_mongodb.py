"""The document store in MongoDB, through motor; the only module that knows either (docs/adr/0004-motor.md).

Each method is one command on one document, which MongoDB makes atomic, but an upsert: that is a conditional update and,
when nothing fits, an insert that the unique `_id` decides. MongoDB's own upsert would guess the new document from the
filter by rules of its own; ours is `documents_changes.upserted` for every adapter.

Documents go through JSON on their way in, so that what a service gets back does not depend on the store. Names that
MongoDB reads as operators or paths (`$where`, `a.b`) are escaped with `%`, so that a caller's words stay words. Where a
collection expires, each document carries the end of its time under a name that no caller can write.

FerretDB, which the tests run on, knows no TTL and no partial indexes; then the service's own sweep does the first, and
a unique index holds for null, too. It ignores `$slice` and lets `$pull` compare whole objects only.
"""

import asyncio
import contextlib
import datetime as dt
import json
import re
import urllib.parse
import warnings
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

import bson.errors
import bson.int64
import pymongo
import pymongo.errors
from motor import motor_asyncio

from revcart.kit import clock, documents, documents_changes, errors, telemetry

_WAIT_SECONDS: Final = 10  # for one call with all its retries
_OPTIONS: Final[Mapping[str, Any]] = {
    "serverSelectionTimeoutMS": 2000,
    "connectTimeoutMS": 2000,
    "socketTimeoutMS": 5000,
    "waitQueueTimeoutMS": 2000,
    "maxPoolSize": 50,
    "w": "majority",
    "wTimeoutMS": 5000,
    "readPreference": "primary",  # what was written is read back
    "retryReads": True,
    "appname": "revcart",
}
_ROUNDS: Final = 2  # of an upsert: what another one made meanwhile is updated
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_ENDS: Final = "%ends"  # when a document's time is over; a caller's own % is escaped
_NOTHING: Final = {"$unset": {"%": ""}}  # a change that changes nothing; an empty one would empty the document
# BadValue FailedToParse TypeMismatch PathNotViable ConflictingUpdateOperators DollarPrefixedFieldName
# EmptyFieldName ImmutableField
_REFUSED: Final = {2, 9, 14, 28, 40, 52, 56, 66}
_NOT_IMPLEMENTED: Final = 238
_USER_EXISTS: Final = 51003

_Client = motor_asyncio.AsyncIOMotorClient[documents.Document]
_log = telemetry.get_logger(__name__)


class Store:
    """One database: `mongodb://user:password@host/database`, `?tls=true&ca=/path/of/ca.pem`, `mongodb+srv://…`."""

    def __init__(self, url: str) -> None:
        self._url = _spelled(url)
        self._client: _Client | None = None
        self._collections: dict[str, Collection] = {}

    def collection(self, name: str) -> "Collection":
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a collection name: {name!r}")
        if name not in self._collections:
            self.must_be_closed(f"collection {name!r}")
            self._collections[name] = Collection(self, name)
        return self._collections[name]

    async def open(self) -> None:
        self._client = _connected(self._url)
        try:
            await self.ping()
            for collection in self._collections.values():
                await collection.create()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)  # motor says goodbye to the server without leaving the loop free

    async def ping(self) -> None:
        async with _translated():
            await self.database().command("ping")

    def database(self) -> motor_asyncio.AsyncIOMotorDatabase[documents.Document]:
        if self._client is None:
            raise errors.DependencyUnavailable("documents")
        return self._client.get_default_database()

    def must_be_closed(self, what: str) -> None:
        """Refuse a declaration that comes too late to be made by `open`."""
        if self._client is not None:
            raise RuntimeError(f"{what} must be declared before the document store is opened")


class Collection:
    """See documents.Collection for what each method promises."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._indexes: dict[tuple[str, ...], bool] = {}
        self._kept: dict[str, dt.timedelta] = {}

    def index(self, fields: Sequence[str], *, unique: bool = False) -> None:
        self._store.must_be_closed(f"index {list(fields)} of {self._name!r}")
        for field in fields:
            documents_changes.path(field)
        self._indexes[tuple(fields)] = unique

    def expire(self, field: str, *, after: dt.timedelta) -> None:
        self._store.must_be_closed(f"the end of {self._name!r}")
        documents_changes.path(field)
        self._kept[field] = after

    async def create(self) -> None:
        """Make the indexes that are missing, and with them the collection."""
        for fields, unique in self._indexes.items():
            if unique:
                present = {field: {"$type": ["string", "number", "bool", "object"]} for field in fields}
                await self._index(fields, unique=True, partialFilterExpression=present)
            else:
                await self._index(dict.fromkeys([*fields, "_id"]))  # `_id` decides ties of every sort
        if self._kept:
            await self._index([_ENDS], expireAfterSeconds=0)

    async def get(self, id: str) -> documents.Document | None:
        async with _translated():
            found = await self._documents.find_one({"_id": documents_changes.scalar(id)})
        return None if found is None else _document(found)

    async def put(self, document: documents.Document, *, if_absent: bool = False) -> bool:
        document = documents_changes.identified(document)
        if if_absent:
            with contextlib.suppress(documents.Duplicate):
                await self._insert(document)
                return True
            return False
        stored = self._stored(document)
        for last in (False, True):
            try:
                async with _translated():
                    await self._documents.replace_one({"_id": stored["_id"]}, stored, upsert=True)
                break
            except documents.Duplicate:  # another one made this id at the same moment, or the values are taken
                if last:
                    raise
        return True

    async def update(
        self,
        filter: documents.Filter,
        changes: documents.Changes,
        *,
        upsert: bool = False,
        sort: documents.Sort = (),
    ) -> documents.Document | None:
        wanted, operations = _filter(filter), self._operations(changes)
        order = None if isinstance(wanted.get("_id"), str) else _order(sort)
        for _ in range(_ROUNDS):
            async with _translated():
                found = await self._documents.find_one_and_update(
                    wanted, operations, sort=order, return_document=pymongo.ReturnDocument.AFTER
                )
            if found is not None:
                return _document(found)
            if not upsert:
                return None
            made = documents_changes.upserted(filter, changes)
            try:
                await self._insert(made)
                return made
            except documents.Duplicate:
                if await self.get(made["_id"]) is None:
                    raise  # not the id is taken, but the values of a unique index
        return None

    async def find(
        self,
        filter: documents.Filter | None = None,
        *,
        sort: documents.Sort = (),
        skip: int = 0,
        limit: int | None = None,
    ) -> list[documents.Document]:
        wanted = _filter(filter or {})
        if limit == 0:  # to MongoDB that means all
            return []
        async with _translated():
            cursor = self._documents.find(wanted, sort=_order(sort), skip=skip, limit=limit or 0)
            return [_document(found) for found in await cursor.to_list(None)]

    async def count(self, filter: documents.Filter | None = None) -> int:
        wanted = _filter(filter or {})
        async with _translated():
            return await self._documents.count_documents(wanted)

    async def delete(self, filter: documents.Filter) -> int:
        wanted = _filter(filter)
        async with _translated():
            return (await self._documents.delete_many(wanted)).deleted_count

    @property
    def _documents(self) -> motor_asyncio.AsyncIOMotorCollection[documents.Document]:
        return self._store.database()[self._name]

    async def _insert(self, document: documents.Document) -> None:
        async with _translated():
            await self._documents.insert_one(self._stored(document))

    async def _index(self, fields: Iterable[str], **options: Any) -> None:
        """An index with `options`; without those that this server does not know."""
        keys = [(field, 1) for field in fields]
        name = "_".join([self._name, *(field for field, _ in keys), "unique" if "unique" in options else "index"])
        async with _translated():
            try:
                await self._documents.create_index(keys, name=name, **options)
            except pymongo.errors.OperationFailure as error:
                if error.code != _NOT_IMPLEMENTED:
                    raise
                _log.info("documents.index-options-unknown", collection=self._name, options=sorted(options))
                await self._documents.create_index(keys, name=name, unique="unique" in options)

    def _stored(self, document: documents.Document) -> documents.Document:
        plain: documents.Document = _plain(document)
        ends = [end for field in self._kept if (end := self._end(field, _at(document, field))) is not None]
        return {**plain, _ENDS: min(ends)} if ends else plain

    def _operations(self, changes: documents.Changes) -> dict[str, dict[str, Any]]:
        documents_changes.check(changes)
        operations: dict[str, dict[str, Any]] = {}
        for operator, fields in changes.items():
            if fields and operator != "$setOnInsert":  # that counts in `documents_changes.upserted` alone
                operations[operator] = {field: _operand(operator, value) for field, value in fields.items()}
        for field in self._kept:
            if field in changes.get("$set", {}):
                end = self._end(field, changes["$set"][field])
                operations.setdefault("$unset" if end is None else "$set", {})[_ENDS] = end
            elif field in changes.get("$unset", {}):
                operations["$unset"][_ENDS] = ""
        return operations or _NOTHING

    def _end(self, field: str, value: Any) -> dt.datetime | None:
        try:
            return clock.from_text(value) + self._kept[field]
        except (ValueError, TypeError, AttributeError):
            return None  # no instant (yet): it stays


def _connected(url: str) -> _Client:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # or `tls=ture` would mean no TLS
            return _Client(url, **_OPTIONS)
    except (pymongo.errors.ConfigurationError, UserWarning, ValueError, OSError) as error:  # may hold the password
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise ValueError(f"REVCART_DOCUMENTS_URL cannot be used: {reason}") from None


def _spelled(url: str) -> str:
    """`url` in MongoDB's spelling: `ca`, as all our stores call it, is its `tlsCAFile`. Raises ValueError."""
    parts = urllib.parse.urlsplit(url)
    if not _NAME.fullmatch(parts.path.removeprefix("/")):
        raise ValueError("REVCART_DOCUMENTS_URL names no database: mongodb://host/revcart_notifications")
    query = [
        ("tlsCAFile" if name == "ca" else name, value)
        for name, value in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
    ]
    return parts._replace(query=urllib.parse.urlencode(query)).geturl()


async def make_user(admin_url: str, *, user: str, password: str, database: str) -> None:
    """See documents.make_user. FerretDB has users and no roles: there every user may do everything."""
    store = Store(admin_url)
    await store.open()
    try:
        roles = [{"role": "readWrite", "db": database}]
        for given in (roles, []):
            try:
                await _made_user(store, user, pwd=password, roles=given)
                return
            except pymongo.errors.OperationFailure as error:
                if error.code != _NOT_IMPLEMENTED or not given:
                    raise _failure(error) from error
    finally:
        await store.close()


async def _made_user(store: Store, user: str, **attributes: Any) -> None:
    try:
        await store.database().command("createUser", user, **attributes)
    except pymongo.errors.OperationFailure as error:
        if error.code != _USER_EXISTS:
            raise
        await store.database().command("updateUser", user, **attributes)


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            yield
    except pymongo.errors.DuplicateKeyError as error:
        raise documents.Duplicate("the id or the values of a unique index are taken") from error
    except pymongo.errors.OperationFailure as error:
        raise _failure(error) from error
    except (bson.errors.BSONError, OverflowError) as error:
        raise ValueError(f"MongoDB cannot hold it: {error}") from error
    except (pymongo.errors.PyMongoError, TimeoutError, OSError) as error:
        raise errors.DependencyUnavailable("documents") from error


def _failure(error: pymongo.errors.OperationFailure) -> Exception:
    message = str(error.details.get("errmsg", "")) if error.details else ""
    if error.code in _REFUSED:
        return ValueError(f"MongoDB refuses it: {message}")
    if "UNIQUE constraint failed" in message:  # how FerretDB says it of an update
        return documents.Duplicate("the values of a unique index are taken")
    _log.error("documents.refused", code=error.code, reason=type(error).__name__)
    return errors.DependencyUnavailable("documents")


def _filter(filter: documents.Filter) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for field, value in filter.items():
        if field == "$or":
            if not isinstance(value, list | tuple) or not value:
                raise ValueError("$or takes a list of filters")
            wanted["$or"] = [_filter(part) for part in value]
        elif not isinstance(value, Mapping):
            wanted[_field(field)] = documents_changes.scalar(value)
        elif value:
            wanted[_field(field)] = {operator: _compared(operator, item) for operator, item in value.items()}
    return wanted


def _compared(operator: str, value: Any) -> Any:
    if operator in {"$eq", "$ne"}:
        return documents_changes.scalar(value)
    if operator in {"$gt", "$gte", "$lt", "$lte"}:
        return documents_changes.ordered(value)
    if operator == "$in":
        return [documents_changes.scalar(item) for item in value]
    if operator == "$exists":
        return bool(value)
    raise ValueError(f"not a filter operator: {operator!r}")


def _operand(operator: str, value: Any) -> Any:
    if operator == "$push" and isinstance(value, dict) and "$each" in value:
        return {**value, "$each": _plain(value["$each"])}
    return _plain(value)


def _order(sort: documents.Sort) -> list[tuple[str, int]]:
    keys = {_field(field): -1 if descending else 1 for field, descending in sort}
    return list((keys if "_id" in keys else {**keys, "_id": 1}).items())


def _field(field: str) -> str:
    documents_changes.path(field)
    return field


def _at(document: documents.Document, field: str) -> Any:
    value: Any = document
    for segment in documents_changes.path(field):
        value = value.get(segment) if isinstance(value, dict) else None
    return value


def _plain(value: Any) -> Any:
    """What JSON makes of a value, with names that MongoDB stores. Raises TypeError or ValueError on what JSON lacks."""
    return json.loads(json.dumps(value, allow_nan=False), object_pairs_hook=_escaped)


def _escaped(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_escaped_name(name): value for name, value in pairs}


def _escaped_name(name: str) -> str:
    if name.isidentifier():
        return name
    for mark in "%.\0":
        name = name.replace(mark, f"%{ord(mark):02X}")
    return "%24" + name[1:] if name.startswith("$") else name or "%"


def _document(found: documents.Document) -> documents.Document:
    return {_name(name): _revived(item) for name, item in found.items() if name != _ENDS}


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        return {_name(name): _revived(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_revived(item) for item in value]
    return int(value) if isinstance(value, bson.int64.Int64) else value


def _name(stored: str) -> str:
    if "%" not in stored:
        return stored
    return "" if stored == "%" else urllib.parse.unquote(stored)
