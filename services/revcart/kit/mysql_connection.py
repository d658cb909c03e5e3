"""MySQL connections that never wait for ever, and that speak TLS on every event loop.

aiomysql waits without end for an answer, and begins TLS on a copy of the socket, which uvloop does not give. Here each
statement has a time limit; past it the connection is closed, the server rolls back, and the caller meets a lost
connection (2013) as after any other one. Imported only where a URL asks for MySQL: the extra `mysql`.
"""

import asyncio
import contextlib
import functools
import ssl
import struct
from collections.abc import AsyncIterator
from typing import Any

import aiomysql  # type: ignore[import-untyped]
import sqlalchemy as sa
from pymysql import charset, err  # type: ignore[import-untyped]
from pymysql.constants import CLIENT, CR  # type: ignore[import-untyped]

from revcart.kit import tls as kit_tls

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 8  # past the lock wait, and before the request itself ends (10 s)
LOCK_WAIT_SECONDS = 5
_MAX_PACKET = 2**24 - 1
_MIGRATION_LOCK_SECONDS = 60
# Said by every session, so that no server's my.cnf changes what a service does.
_MODES = (
    "SET SESSION time_zone='+00:00', "
    "sql_mode='STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION', "
)
_WRITER = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_READER = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SESSION = f"{_MODES}innodb_lock_wait_timeout={LOCK_WAIT_SECONDS}, lock_wait_timeout={LOCK_WAIT_SECONDS}"


class Connection(aiomysql.Connection):  # type: ignore[misc]  # aiomysql has no types
    """An aiomysql connection with limits."""

    _ssl_context: ssl.SSLContext | None

    async def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        async with self._within(STATEMENT_SECONDS):
            affected: int = await super().query(sql, unbuffered)
            return affected

    async def commit(self) -> None:
        async with self._within(STATEMENT_SECONDS):
            await super().commit()

    async def rollback(self) -> None:
        async with self._within(STATEMENT_SECONDS):
            await super().rollback()

    async def ping(self, reconnect: bool = False) -> None:
        async with self._within(CONNECT_SECONDS):
            await super().ping(reconnect)

    async def open(self) -> None:
        """Connect, sign in and set the session."""
        async with self._within(2 * CONNECT_SECONDS):
            await self._connect()

    @contextlib.asynccontextmanager
    async def _within(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            self.close()
            raise err.OperationalError(CR.CR_SERVER_LOST, f"no answer within {seconds} s") from error
        except (OSError, RuntimeError) as error:  # what a transport says that was closed under our hands
            self.close()
            raise err.OperationalError(CR.CR_SERVER_LOST, str(error)) from error

    async def _request_authentication(self) -> None:
        context = self._ssl_context
        if context is None:
            await super()._request_authentication()
            return
        if not self.server_capabilities & CLIENT.SSL:
            raise err.OperationalError(CR.CR_SSL_CONNECTION_ERROR, "the server offers no TLS")
        number = charset.charset_by_name(self.charset).id
        self.write_packet(struct.pack("<iIB23s", self.client_flag, _MAX_PACKET, number, b""))
        try:
            await self._writer.start_tls(context, server_hostname=self._host, ssl_handshake_timeout=CONNECT_SECONDS)
        except ssl.SSLError as error:  # an OSError, which would be told as a server that is away
            raise err.OperationalError(CR.CR_SSL_CONNECTION_ERROR, f"no TLS with this server: {error}") from error
        self._reader._transport = self._writer.transport
        self._secure, self._ssl_context = True, None  # done: what follows would begin it a second time
        try:
            await super()._request_authentication()
        finally:
            self._ssl_context = context


async def connect(*, transactions: str, **options: Any) -> Connection:
    """What `aiomysql.connect` is; `transactions` is the statement that sets the session's."""
    connection = Connection(**options)
    await connection.open()
    await connection.query(transactions)
    return connection


def options(url: sa.URL, *, read_only: bool) -> tuple[sa.URL, dict[str, Any]]:
    """The URL without its TLS parameters, and the connect arguments. Raises ValueError on other parameters.

    The isolation is the session's, so that no transaction has to ask for it.

    `?tls=true` checks the server's certificate against the system's authorities, `?ssl_ca=FILE` (or `ca`) against
    that file, `verify` how far (see `kit.tls`); `ssl_cert` and `ssl_key` are the client's own, if the server asks.
    """
    arguments: dict[str, Any] = {
        "async_creator_fn": functools.partial(connect, transactions=_READER if read_only else _WRITER),
        "charset": "utf8mb4",
        "init_command": _SESSION,
        "connect_timeout": CONNECT_SECONDS,
    }
    context = tls(url)
    if context is not None:
        arguments["ssl"] = context
    return url.set(query={}), arguments


def blocking_engine(url: sa.URL) -> sa.Engine:
    """For migrations: no limit on a statement, since a large table takes its time, but one on waiting for others."""
    session = f"{_MODES}lock_wait_timeout={_MIGRATION_LOCK_SECONDS}"
    arguments: dict[str, Any] = {"charset": "utf8mb4", "init_command": session, "connect_timeout": CONNECT_SECONDS}
    context = tls(url)
    if context is not None:
        arguments["ssl"] = context
    return sa.create_engine(
        url.set(drivername="mysql+pymysql", query={}),
        connect_args=arguments,
        isolation_level="AUTOCOMMIT",  # MySQL commits each CREATE and ALTER, whatever is asked for
        poolclass=sa.NullPool,
    )


def tls(url: sa.URL) -> ssl.SSLContext | None:
    """The TLS context that the URL's parameters ask for."""
    given = {name: str(value) for name, value in url.query.items()}
    authority = given.pop("ssl_ca", None)
    certificate, key = given.pop("ssl_cert", None), given.pop("ssl_key", None)
    if unknown := given.keys() - kit_tls.KEYS:
        raise ValueError(
            f"a database URL takes tls, verify, ca, ssl_cert and ssl_key, not {', '.join(sorted(unknown))}"
        )
    implied = {"tls": "true"} if authority or certificate else {}
    asked = kit_tls.asked(implied | ({"ca": authority} if authority else {}) | given)
    if asked is None:
        return None
    context = asked.context()
    if certificate:
        context.load_cert_chain(certificate, key)
    return context
