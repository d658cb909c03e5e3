"""The door to SQL: the unit of work (`Store`, `Transaction`), the shared tables, and the names of their helpers.

class Transaction(sql.Transaction):
    async def order_for_update(self, order_id: int) -> domain.Order: ...

class Store(sql.Store[Transaction]):
    pass

async with store.transaction(received=event) as tx:
    order = await tx.order_for_update(7)
    await tx.outbox.add(events.OrderCancelled(...))
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar, cast, get_args

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.kit import columns, database, events, idempotency, inbox, outbox

Database = database.Database
Instant = columns.Instant
Json = columns.Json
Id = columns.Id
upsert = columns.upsert
insert_if_absent = columns.insert_if_absent
new_id = columns.new_id
_Keeper = idempotency.Keeper
_Outbox = outbox.Writer


def shared_tables(
    metadata: sa.MetaData,
    *,
    outbox: bool = True,
    inbox: bool = True,
    idempotency: bool = False,
) -> None:
    """Add the tables that several services have."""
    wanted = {"outbox": outbox, "inbox": inbox, "idempotency": idempotency}
    for name, is_wanted in wanted.items():
        if is_wanted:
            _SHARED[name](metadata)


_SHARED = {"outbox": outbox.table, "inbox": inbox.table, "idempotency": idempotency.table}


class Transaction:
    """One transaction and what may be done in it. A service adds its queries in a subclass."""

    def __init__(self, connection: AsyncConnection, database: database.Database) -> None:
        self.connection = connection
        self.clock = database.clock
        self._database = database
        self._outbox: _Outbox | None = None

    @property
    def idempotency(self) -> _Keeper:
        """Keeps the answer of a claimed key."""
        return _Keeper(self.connection, self._database.metadata.tables["idempotency"])

    @property
    def outbox(self) -> _Outbox:
        """Takes the events that belong to this change."""
        if self._outbox is None:
            self._outbox = _Outbox(
                self.connection,
                self._database.metadata.tables["outbox"],
                service=self._database.service,
                now=self.clock.now(),
            )
        return self._outbox

    @property
    def left_events(self) -> bool:
        """Whether the outbox was used."""
        return self._outbox is not None and self._outbox.used

    async def remember(self, event: events.Received[Any]) -> None:
        """Note in the inbox that this event is handled. Raises events.Repeated when it was before."""
        await inbox.remember(
            self.connection,
            self._database.metadata.tables["inbox"],
            group=f"revcart.{self._database.service}",
            event_id=event.id,
            now=self.clock.now(),
        )


T = TypeVar("T", bound=Transaction)


class Store(Generic[T]):
    """The only committer. `class Store(sql.Store[Transaction])` makes transactions of that class."""

    _transaction_class: type[Transaction]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in getattr(cls, "__orig_bases__", ()):
            if isinstance(made := next(iter(get_args(base)), None), type) and issubclass(made, Transaction):
                cls._transaction_class = made

    def __init__(self, database: database.Database) -> None:
        self.database = database

    @contextlib.asynccontextmanager
    async def transaction(self, received: events.Received[Any] | None = None) -> AsyncIterator[T]:
        """A transaction, committed at the end of the block; an error rolls it back.

        `received`: the event that causes it, remembered first (raises events.Repeated).
        """
        async with self.database.begin() as connection:
            tx = self._make(connection)
            if received is not None:
                await tx.remember(received)
            yield tx
        if tx.left_events:
            self.database.outbox_added.set()

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[T]:
        """A consistent view; nothing can be written."""
        async with self.database.read() as connection:
            yield self._make(connection)

    def idempotent(
        self,
        *,
        caller: str,
        route: str,
        key: str,
        fingerprint: str,
    ) -> contextlib.AbstractAsyncContextManager[idempotency.Claim]:
        """Hold an Idempotency-Key for the block; see `idempotency.claimed`."""
        return idempotency.claimed(self.database, caller=caller, route=route, key=key, fingerprint=fingerprint)

    def _make(self, connection: AsyncConnection) -> T:
        return cast(T, self._transaction_class(connection, self.database))
