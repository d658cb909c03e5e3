"""Every query of auth about accounts and what proves them; the signing keys have a store of their own (`keystore`)."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from revcart.auth import domain, keystore, tables
from revcart.kit import clock as clocks
from revcart.kit import ids, pages, sql

_ACCOUNT = [tables.accounts.c[field.name] for field in dataclasses.fields(domain.Account)]
_SESSION = [tables.sessions.c[field.name] for field in dataclasses.fields(domain.Session)]
_SORTS = {
    "id": tables.accounts.c.id,
    "name": tables.accounts.c.name,
    "email": tables.accounts.c.email_norm,
    "createdAt": tables.accounts.c.created_at,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccountFilter:
    """Which accounts are wanted. `q`: beginning of name, e-mail or phone."""

    q: str | None = None
    role: domain.Role | None = None
    status: domain.Status | None = None
    ids: Sequence[int] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failures:
    """Wrong passwords in a row for one e-mail address."""

    count: int
    locked_until: dt.datetime | None
    last_at: dt.datetime


class Part:
    """Queries about one noun, inside a transaction or on a read connection."""

    def __init__(self, connection: AsyncConnection, clock: clocks.Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def _first(self, statement: sa.Executable) -> sa.RowMapping | None:
        return (await self._connection.execute(statement)).mappings().first()


class Accounts(Part):
    async def get(self, account_id: int, *, lock: bool = False) -> domain.Account | None:
        return await self._one(tables.accounts.c.id == account_id, lock=lock)

    async def by_email(self, email: str, *, lock: bool = False) -> domain.Account | None:
        return await self._one(tables.accounts.c.email_norm == domain.normal(email), lock=lock)

    async def changing_to(self, email: str, *, limit: int) -> list[domain.Account]:
        """The accounts that mean to change their e-mail to this one."""
        where = tables.accounts.c.pending_email == domain.normal(email)
        rows = await self._connection.execute(
            sa.select(*_ACCOUNT).where(where).order_by(tables.accounts.c.updated_at.desc()).limit(limit)
        )
        return [domain.Account(**row) for row in rows.mappings()]

    async def page(self, wanted: AccountFilter, query: pages.PageQuery) -> tuple[list[domain.Account], int]:
        """One page of accounts, and how many there are in all."""
        accounts = tables.accounts
        where = [accounts.c.status != "DELETED"] if wanted.status is None else [accounts.c.status == wanted.status]
        if wanted.role is not None:
            where.append(accounts.c.role == wanted.role)
        if wanted.ids is not None:
            where.append(accounts.c.id.in_(wanted.ids))
        if wanted.q:
            where.append(
                sa.or_(
                    sa.func.lower(accounts.c.name).startswith(wanted.q.lower(), autoescape=True),
                    accounts.c.email_norm.startswith(domain.normal(wanted.q), autoescape=True),
                    accounts.c.phone.startswith(wanted.q, autoescape=True),
                )
            )
        order = [_SORTS[field].desc() if descending else _SORTS[field].asc() for field, descending in query.sort]
        rows = await self._connection.execute(
            sa.select(*_ACCOUNT).where(*where).order_by(*order, accounts.c.id).offset(query.offset).limit(query.limit)
        )
        total = await self._connection.scalar(sa.select(sa.func.count()).select_from(accounts).where(*where))
        return [domain.Account(**row) for row in rows.mappings()], total or 0

    async def active_admins(self, *, lock: bool = False) -> list[int]:
        """Ids of the administrators who can sign in."""
        statement = sa.select(tables.accounts.c.id).where(
            tables.accounts.c.role == "ADMIN", tables.accounts.c.status == "ACTIVE"
        )
        rows = await self._connection.scalars(statement.with_for_update() if lock else statement)
        return list(rows)

    async def add(self, new: domain.NewAccount) -> domain.Account | None:
        """The account made, None when the e-mail is taken."""
        now = self._clock.now()
        values = {
            "email": new.email,
            "email_norm": domain.normal(new.email),
            "name": new.name,
            "phone": new.phone,
            "password_hash": new.password_hash,
            "role": new.role,
            "status": "ACTIVE",
            "email_verified": new.email_verified,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        if new.id is not None:
            values["id"] = new.id
        if not await sql.insert_if_absent(self._connection, tables.accounts, values):
            return None
        return await self.by_email(new.email)

    async def change(self, account_id: int, **values: Any) -> None:
        """Set columns of an account."""
        await self._connection.execute(
            sa.update(tables.accounts)
            .where(tables.accounts.c.id == account_id)
            .values(**values, version=tables.accounts.c.version + 1, updated_at=self._clock.now())
        )

    async def note(self, account_id: int, *, action: str, actor_id: int | None = None, **detail: Any) -> None:
        """Write to the account's audit trail; `detail` holds no secret."""
        values = {"account_id": account_id, "actor_id": actor_id, "action": action, "detail": detail}
        await self._connection.execute(sa.insert(tables.account_audit).values(**values, created_at=self._clock.now()))

    async def _one(self, where: sa.ColumnElement[bool], *, lock: bool) -> domain.Account | None:
        statement = sa.select(*_ACCOUNT).where(where)
        row = await self._first(statement.with_for_update() if lock else statement)
        return None if row is None else domain.Account(**row)


class Sessions(Part):
    async def open(self, session: domain.Session, token: domain.RefreshToken) -> None:
        """Keep a new session with its first refresh token."""
        values = dataclasses.asdict(session)
        await self._connection.execute(sa.insert(tables.sessions).values(**values, updated_at=session.created_at))
        await self.add_token(token)

    async def add_token(self, token: domain.RefreshToken) -> None:
        now = self._clock.now()
        await self._connection.execute(
            sa.insert(tables.refresh_tokens).values(
                token_hash=token.digest, sid=token.sid, expires_at=token.expires_at, created_at=now, updated_at=now
            )
        )

    async def token(self, digest: bytes, *, lock: bool = False) -> domain.RefreshToken | None:
        columns = tables.refresh_tokens.c
        statement = sa.select(columns.token_hash.label("digest"), columns.sid, columns.expires_at, columns.used_at)
        statement = statement.where(columns.token_hash == digest)
        row = await self._first(statement.with_for_update() if lock else statement)
        return None if row is None else domain.RefreshToken(**row)

    async def spend(self, digest: bytes, *, replaced_by: bytes, used_at: dt.datetime) -> None:
        """Mark a refresh token as used."""
        await self._connection.execute(
            sa.update(tables.refresh_tokens)
            .where(tables.refresh_tokens.c.token_hash == digest)
            .values(used_at=used_at, replaced_by=replaced_by, updated_at=self._clock.now())
        )

    async def get(self, sid: str) -> domain.Session | None:
        row = await self._first(sa.select(*_SESSION).where(tables.sessions.c.sid == sid))
        return None if row is None else domain.Session(**row)

    async def touch(self, sid: str) -> None:
        """Note that a session is in use."""
        now = self._clock.now()
        statement = sa.update(tables.sessions).where(tables.sessions.c.sid == sid)
        await self._connection.execute(statement.values(last_used_at=now, updated_at=now))

    async def live(self, account_id: int) -> list[domain.Session]:
        """The sessions of an account that go on, last used first."""
        rows = await self._connection.execute(
            sa.select(*_SESSION)
            .where(
                tables.sessions.c.account_id == account_id,
                tables.sessions.c.revoked_at.is_(None),
                tables.sessions.c.expires_at > self._clock.now(),
            )
            .order_by(tables.sessions.c.last_used_at.desc(), tables.sessions.c.sid)
        )
        return [domain.Session(**row) for row in rows.mappings()]

    async def end(self, *, account_id: int, reason: str, sid: str | None = None, keep: str | None = None) -> list[str]:
        """End the sessions of an account: all, only `sid`, or all but `keep`. Returns the sids that ended just now."""
        ended = [
            session.sid for session in await self.live(account_id) if sid in {None, session.sid} and session.sid != keep
        ]
        now = self._clock.now()
        await self._connection.execute(
            sa.update(tables.sessions)
            .where(tables.sessions.c.sid.in_(ended))
            .values(revoked_at=now, revoke_reason=reason, updated_at=now)
        )
        return ended


class Codes(Part):
    async def add(self, *, account_id: int, purpose: domain.Purpose, digest: bytes, expires_at: dt.datetime) -> int:
        """A new code, which kills the older ones of this account and purpose. Returns its id."""
        now = self._clock.now()
        await self.kill(account_id=account_id, purpose=purpose)
        result = await self._connection.execute(
            sa.insert(tables.one_time_codes).values(
                account_id=account_id,
                purpose=purpose.value,
                code_hash=digest,
                attempts=0,
                expires_at=expires_at,
                created_at=now,
                updated_at=now,
            )
        )
        assert result.inserted_primary_key is not None
        return int(result.inserted_primary_key[0])

    async def kill(self, *, account_id: int, purpose: domain.Purpose) -> None:
        """Make the codes of this account and purpose useless."""
        now = self._clock.now()
        await self._connection.execute(
            sa.update(tables.one_time_codes)
            .where(
                tables.one_time_codes.c.account_id == account_id,
                tables.one_time_codes.c.purpose == purpose.value,
                tables.one_time_codes.c.used_at.is_(None),
            )
            .values(used_at=now, updated_at=now)
        )

    async def latest(self, *, account_id: int, purpose: domain.Purpose) -> domain.Code | None:
        """The newest code, locked: two tries at once count as two."""
        columns = tables.one_time_codes.c
        where = (columns.account_id == account_id, columns.purpose == purpose.value)
        return await self._one(self._select().where(*where).order_by(columns.id.desc()).limit(1).with_for_update())

    async def by_digest(
        self, digest: bytes, *, purposes: Sequence[domain.Purpose], lock: bool = False
    ) -> domain.Code | None:
        """The code behind a long token."""
        columns = tables.one_time_codes.c
        where = (columns.code_hash == digest, columns.purpose.in_([purpose.value for purpose in purposes]))
        statement = self._select().where(*where).limit(1)
        return await self._one(statement.with_for_update() if lock else statement)

    async def sent(self, *, account_id: int, purpose: domain.Purpose) -> list[dt.datetime]:
        """When the codes of the last hour were made."""
        columns = tables.one_time_codes.c
        since = self._clock.now() - dt.timedelta(hours=1)
        where = (columns.account_id == account_id, columns.purpose == purpose.value, columns.created_at > since)
        return list(await self._connection.scalars(sa.select(columns.created_at).where(*where)))

    async def count_try(self, code_id: int) -> None:
        columns = tables.one_time_codes.c
        statement = sa.update(tables.one_time_codes).where(columns.id == code_id)
        await self._connection.execute(statement.values(attempts=columns.attempts + 1, updated_at=self._clock.now()))

    def _select(self) -> sa.Select[Any]:
        columns = tables.one_time_codes.c
        return sa.select(
            columns.id,
            columns.account_id,
            columns.purpose,
            columns.code_hash.label("digest"),
            columns.attempts,
            columns.created_at,
            columns.expires_at,
            columns.used_at,
        )

    async def _one(self, statement: sa.Select[Any]) -> domain.Code | None:
        row = await self._first(statement)
        return None if row is None else domain.Code(**{**row, "purpose": domain.Purpose(row["purpose"])})


class LoginFailures(Part):
    """Counted per e-mail whether or not it has an account; the table knows digests only."""

    async def get(self, email: str) -> Failures | None:
        return await self._one(self._select(email))

    async def lock(self, email: str) -> Failures:
        """The count of this e-mail, made if absent, with its row locked."""
        now = self._clock.now()
        values = {"email_hash": _digest(email), "failures": 0, "created_at": now, "updated_at": now}
        await sql.insert_if_absent(self._connection, tables.login_failures, values)
        found = await self._one(self._select(email).with_for_update())
        assert found is not None
        return found

    async def set(self, email: str, *, failures: int, locked_until: dt.datetime | None = None) -> None:
        now = self._clock.now()
        await self._connection.execute(
            sa.update(tables.login_failures)
            .where(tables.login_failures.c.email_hash == _digest(email))
            .values(
                failures=failures,
                locked_until=locked_until,
                notified_at=now if locked_until else None,
                updated_at=now,
            )
        )

    async def clear(self, email: str) -> None:
        await self._connection.execute(
            sa.delete(tables.login_failures).where(tables.login_failures.c.email_hash == _digest(email))
        )

    def _select(self, email: str) -> sa.Select[Any]:
        columns = tables.login_failures.c
        selected = sa.select(columns.failures.label("count"), columns.locked_until, columns.updated_at.label("last_at"))
        return selected.where(columns.email_hash == _digest(email))

    async def _one(self, statement: sa.Select[Any]) -> Failures | None:
        row = await self._first(statement)
        return None if row is None else Failures(**row)


class Transaction(sql.Transaction):
    """A transaction, or a consistent view, of auth's tables."""

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.connection, self.clock)

    @property
    def sessions(self) -> Sessions:
        return Sessions(self.connection, self.clock)

    @property
    def codes(self) -> Codes:
        return Codes(self.connection, self.clock)

    @property
    def failures(self) -> LoginFailures:
        return LoginFailures(self.connection, self.clock)

    @property
    def keys(self) -> keystore.SigningKeys:
        return keystore.SigningKeys(self.connection, self.clock)

    async def sweep(self, *, before: dt.datetime) -> int:
        """Delete what ended before `before`: sessions, tokens, codes and failures. Returns how many rows."""
        columns = (
            tables.sessions.c.expires_at,
            tables.refresh_tokens.c.expires_at,
            tables.one_time_codes.c.expires_at,
            tables.login_failures.c.updated_at,
        )
        deleted = 0
        for column in columns:
            result = await self.connection.execute(sa.delete(column.table).where(column < before))
            deleted += result.rowcount
        return deleted


class Store(sql.Store[Transaction]):
    pass


def _digest(email: str) -> bytes:
    return ids.sha256(domain.normal(email))
