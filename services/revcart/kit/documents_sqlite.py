"""The document store in one SQLite file: a table `(id, body)` per collection, indexes on JSON expressions.

All writes go through one thread and one connection, so that each is atomic and a cancelled request cannot leave half of
one open. Those that wait together are committed together, each in a savepoint of its own: the disk is waited for once.
Reads have threads of their own and see the last committed state (WAL). `synchronous=FULL`: what was acknowledged
survives a power cut.
SQL text is made of fixed operators and validated paths only; every value is bound.
"""

# ruff: noqa: S608  the texts are built as said above

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
import queue
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from revcart.kit import documents, documents_changes, errors

T = TypeVar("T")

_WAIT_SECONDS = 10  # for a thread and its answer
_BUSY_SECONDS = 1  # for another process on the same file
_READERS = 2
_TOGETHER = 64  # writes of one commit
_OUTAGES = {5, 6, 8, 10, 11, 13, 14, 26}  # BUSY LOCKED READONLY IOERR CORRUPT FULL CANTOPEN NOTADB
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class Store:
    """The file and its threads."""

    def __init__(self, url: str) -> None:
        location = url.partition("://")[2]
        self._path = Path(location.removeprefix("/")) if location not in {"", "/:memory:", ":memory:"} else None
        self._temporary: Path | None = None
        self._collections: dict[str, Collection] = {}
        self._waiting: queue.SimpleQueue[_Write] = queue.SimpleQueue()
        self._writer: _Connections | None = None
        self._readers: _Connections | None = None

    def collection(self, name: str) -> "Collection":
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a collection name: {name!r}")
        if name not in self._collections:
            self.must_be_closed(f"collection {name!r}")
            self._collections[name] = Collection(self, name)
        return self._collections[name]

    async def open(self) -> None:
        with _outages():
            if self._path is None:
                self._temporary = Path(tempfile.mkdtemp(prefix="revcart-documents-"))
            path = self._path or self._temporary / "documents.db"  # type: ignore[operator]
            path.parent.mkdir(parents=True, exist_ok=True)
        self._writer, self._readers = _Connections(path, 1), _Connections(path, _READERS)
        await self.write(self._create)

    async def close(self) -> None:
        open_ones, self._writer, self._readers = (self._readers, self._writer), None, None
        for connections in open_ones:
            if connections is not None:
                await asyncio.to_thread(connections.close)
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)
            self._temporary = None

    async def ping(self) -> None:
        await self.read(lambda connection: connection.execute("SELECT 1").fetchone())

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        if self._readers is None:
            raise errors.DependencyUnavailable("documents")
        return await _answer(self._readers.threads.submit(self._readers.run, run))

    async def write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        if self._writer is None:
            raise errors.DependencyUnavailable("documents")
        write = _Write(run=run, answer=Future())
        self._waiting.put(write)
        self._writer.threads.submit(self._commit, self._writer)
        return await _answer(write.answer)

    def _commit(self, writer: "_Connections") -> None:
        """On the writer's thread: all writes that wait, or none when an earlier call took them along."""
        batch: list[_Write] = []
        with contextlib.suppress(queue.Empty):
            while len(batch) < _TOGETHER:
                write = self._waiting.get_nowait()
                if write.answer.set_running_or_notify_cancel():
                    batch.append(write)
        if not batch:
            return
        try:
            outcomes = writer.run(lambda connection: _transaction(connection, batch))
        except BaseException as error:
            outcomes = [error] * len(batch)
        for write, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                write.answer.set_exception(outcome)
            else:
                write.answer.set_result(outcome)

    def must_be_closed(self, what: str) -> None:
        """Refuse a declaration that comes too late to be made by `open`."""
        if self._writer is not None:
            raise RuntimeError(f"{what} must be declared before the document store is opened")

    def _create(self, connection: sqlite3.Connection) -> None:
        for collection in self._collections.values():
            collection.create(connection)


class Collection:
    """See documents.Collection for what each method promises."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._indexes: dict[tuple[str, ...], bool] = {}

    def index(self, fields: Sequence[str], *, unique: bool = False) -> None:
        self._store.must_be_closed(f"index {list(fields)} of {self._name!r}")
        for field in fields:
            documents_changes.path(field)
        self._indexes[tuple(fields)] = unique

    def create(self, connection: sqlite3.Connection) -> None:
        """Make table and indexes where they are missing."""
        connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{self._name}" (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)'
        )
        for fields, unique in self._indexes.items():
            label = "_".join([self._name, *fields, "unique" if unique else "index"])
            columns = ", ".join(_expression(field) for field in fields)
            kind = "UNIQUE INDEX" if unique else "INDEX"
            connection.execute(f'CREATE {kind} IF NOT EXISTS "{label}" ON "{self._name}" ({columns})')

    def expire(self, field: str, *, after: dt.timedelta) -> None:
        """Nothing goes by itself here: the service's sweep deletes it."""
        self._store.must_be_closed(f"the end of {self._name!r}")
        documents_changes.path(field)

    async def get(self, id: str) -> documents.Document | None:
        found = await self.find({"_id": id}, limit=1)
        return found[0] if found else None

    async def put(self, document: documents.Document, *, if_absent: bool = False) -> bool:
        document = documents_changes.identified(document)
        row = (document["_id"], _encode(document))
        conflict = "ON CONFLICT DO NOTHING" if if_absent else "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
        statement = f'INSERT INTO "{self._name}" (id, body) VALUES (?, ?) {conflict}'
        return await self._store.write(lambda connection: connection.execute(statement, row).rowcount > 0)

    async def update(
        self,
        filter: documents.Filter,
        changes: documents.Changes,
        *,
        upsert: bool = False,
        sort: documents.Sort = (),
    ) -> documents.Document | None:
        condition, values = _where(filter)
        statement = f'SELECT body FROM "{self._name}" WHERE {condition} {_order(sort)} LIMIT 1'

        def run(connection: sqlite3.Connection) -> documents.Document | None:
            row = connection.execute(statement, values).fetchone()
            if row is None:
                return self._insert(connection, filter, changes) if upsert else None
            changed = documents_changes.apply(json.loads(row[0]), changes, inserting=False)
            update = f'UPDATE "{self._name}" SET body = ? WHERE id = ?'
            connection.execute(update, (_encode(changed), changed["_id"]))
            return changed

        return await self._store.write(run)

    async def find(
        self,
        filter: documents.Filter | None = None,
        *,
        sort: documents.Sort = (),
        skip: int = 0,
        limit: int | None = None,
    ) -> list[documents.Document]:
        condition, values = _where(filter or {})
        statement = f'SELECT body FROM "{self._name}" WHERE {condition} {_order(sort)} LIMIT ? OFFSET ?'
        bound = (*values, -1 if limit is None else limit, skip)

        def run(connection: sqlite3.Connection) -> list[documents.Document]:
            return [json.loads(row[0]) for row in connection.execute(statement, bound)]

        return await self._store.read(run)

    async def count(self, filter: documents.Filter | None = None) -> int:
        condition, values = _where(filter or {})
        statement = f'SELECT COUNT(*) FROM "{self._name}" WHERE {condition}'
        return await self._store.read(lambda connection: int(connection.execute(statement, values).fetchone()[0]))

    async def delete(self, filter: documents.Filter) -> int:
        condition, values = _where(filter)
        statement = f'DELETE FROM "{self._name}" WHERE {condition}'
        return await self._store.write(lambda connection: connection.execute(statement, values).rowcount)

    def _insert(
        self, connection: sqlite3.Connection, filter: documents.Filter, changes: documents.Changes
    ) -> documents.Document | None:
        made = documents_changes.upserted(filter, changes)
        statement = f'INSERT INTO "{self._name}" (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING'
        inserted = connection.execute(statement, (made["_id"], _encode(made))).rowcount
        return made if inserted else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Write:
    run: Callable[[sqlite3.Connection], Any]
    answer: "Future[Any]"


class _Connections:
    """As many threads as connections; each call has one of each to itself."""

    def __init__(self, path: Path, number: int) -> None:
        self.threads = ThreadPoolExecutor(number, thread_name_prefix="documents")
        self._path = path
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()

    def run(self, run: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            return run(connection)
        finally:
            self._idle.put(connection)

    def close(self) -> None:
        self.threads.shutdown(wait=True)
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection


async def _answer(future: "Future[T]") -> T:
    with _outages():
        async with asyncio.timeout(_WAIT_SECONDS):
            return await asyncio.wrap_future(future)


def _transaction(connection: sqlite3.Connection, batch: Sequence[_Write]) -> list[Any]:
    """The result of each write, or the error that undid it alone. Raises what undid them all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        outcomes = [_savepoint(connection, write.run) for write in batch]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes


def _savepoint(connection: sqlite3.Connection, run: Callable[[sqlite3.Connection], Any]) -> Any:
    connection.execute("SAVEPOINT one")
    try:
        outcome = run(connection)
    except sqlite3.OperationalError:
        raise  # the disk is full or the file gone: that concerns all of them
    except Exception as error:
        connection.execute("ROLLBACK TO one")
        outcome = error
    connection.execute("RELEASE one")
    return outcome


@contextlib.contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise documents.Duplicate(str(error)) from error
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OUTAGES:
            raise errors.DependencyUnavailable("documents") from error
        raise
    except (TimeoutError, OSError) as error:
        raise errors.DependencyUnavailable("documents") from error


def _encode(document: documents.Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _expression(field: str) -> str:
    """The SQL of a field, letter by letter the one of its index, so that SQLite finds that."""
    return "id" if field == "_id" else f"json_extract(body, '{_json_path(field)}')"


def _json_path(field: str) -> str:
    return "$" + "".join(f'."{segment}"' for segment in documents_changes.path(field))


def _order(sort: documents.Sort) -> str:
    keys = [f"{_expression(field)} {'DESC' if descending else 'ASC'}" for field, descending in sort]
    return "ORDER BY " + ", ".join([*keys, "id ASC"])


def _where(filter: documents.Filter) -> tuple[str, tuple[Any, ...]]:
    terms: list[str] = []
    values: list[Any] = []
    for field, wanted in filter.items():
        parts = _any_of(wanted) if field == "$or" else _field(field, wanted)
        for term, bound in parts:
            terms.append(term)
            values.extend(bound)
    return " AND ".join(terms) or "TRUE", tuple(values)


def _any_of(filters: Any) -> list[tuple[str, tuple[Any, ...]]]:
    if not isinstance(filters, list | tuple) or not filters:
        raise ValueError("$or takes a list of filters")
    parts = [_where(part) for part in filters]
    return [
        (
            "(" + " OR ".join(f"({term})" for term, _ in parts) + ")",
            tuple(value for _, bound in parts for value in bound),
        )
    ]


def _field(field: str, wanted: Any) -> list[tuple[str, tuple[Any, ...]]]:
    if isinstance(wanted, Mapping):
        return [_operator(field, operator, value) for operator, value in wanted.items()]
    return [_equal(field, wanted)]


def _operator(field: str, operator: str, value: Any) -> tuple[str, tuple[Any, ...]]:
    if operator == "$eq":
        return _equal(field, value)
    if operator == "$ne":
        term, bound = _equal(field, value)
        return f"({term}) IS NOT TRUE", bound
    if operator == "$in":
        parts = [_equal(field, item) for item in value]
        return "(" + " OR ".join(["FALSE", *(term for term, _ in parts)]) + ")", tuple(
            v for _, bound in parts for v in bound
        )
    if operator == "$exists":
        term = "id IS" if field == "_id" else f"json_type(body, '{_json_path(field)}') IS"
        return f"{term} NOT NULL" if value else f"{term} NULL", ()
    if operator in _COMPARISONS:
        value = documents_changes.ordered(value)
        return f"({_expression(field)} {_COMPARISONS[operator]} ? AND {_kind(field, value)})", (value,)
    raise ValueError(f"not a filter operator: {operator!r}")


def _equal(field: str, value: Any) -> tuple[str, tuple[Any, ...]]:
    expression = _expression(field)
    if documents_changes.scalar(value) is None:
        return f"{expression} IS NULL", ()
    return f"({expression} = ? AND {_kind(field, value)})", (value,)


def _kind(field: str, value: Any) -> str:
    """Whether a field is of the kind of `value`. SQLite reads true as 1 and an object as text; a key '5' equals 5."""
    kinds = "'integer', 'real'"
    if isinstance(value, bool):
        kinds = "'true', 'false'"
    elif isinstance(value, str):
        kinds = "'text'"
    return f"json_type(body, '{_json_path(field)}') IN ({kinds})"
