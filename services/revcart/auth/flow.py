"""Signing in and staying signed in: login, refresh, logout, the list of one's sessions."""

import dataclasses
import datetime as dt
import math

from revcart.auth import domain, keyring, mail, passwords, store
from revcart.kit import auth, clock, errors, ids, sessions, telemetry, tokens

log = telemetry.get_logger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What auth's flows need."""

    clock: clock.Clock
    store: store.Store
    passwords: passwords.Passwords
    keyring: keyring.Keyring
    revocations: sessions.Revocations
    mail: mail.Mail
    rules: domain.Rules
    issuer: str
    audience: str


async def login(*, email: str, password: str, client: domain.Client, ports: Ports) -> domain.SignedIn:
    """Open a session. Raises BadCredentials (401), AccountLocked (423), AccountBlocked, EmailUnverified (403)."""
    account = await prove(email=email, password=password, ports=ports)
    check_may_sign_in(account, rules=ports.rules)
    changes = {"last_login_at": ports.clock.now(), **await _renewed(account, password=password, ports=ports)}
    async with ports.store.transaction() as tx:
        await tx.accounts.change(account.id, **changes)
        opened = await open_session(tx, account=account, client=client, ports=ports)
    return await signed_in(account, opened=opened, ports=ports)


async def prove(*, email: str, password: str, ports: Ports) -> domain.Account:
    """The account of `email`, once `password` is right. Wrong ones count towards the lock, whoever asks.

    Raises BadCredentials (401), in the same time whether or not there is an account; AccountLocked (423).
    """
    async with ports.store.read() as view:
        account = await view.accounts.by_email(email)
        _check_lock(await view.failures.get(email), now=ports.clock.now())
    known = account if account is not None and account.status != "DELETED" else None
    right = await ports.passwords.matches(password, known.password_hash if known else None)
    async with ports.store.transaction() as tx:
        refusal = await _judge(tx, email=email, right=right, account=known, ports=ports)
    if refusal is not None:
        raise refusal
    assert known is not None, "a password that is right belongs to an account"
    return known


async def _judge(
    tx: store.Transaction,
    *,
    email: str,
    right: bool,
    account: domain.Account | None,
    ports: Ports,
) -> errors.RevCartError | None:
    """Count or forget. Under the row's lock: of many guesses at once, none counts after the lock is set."""
    now, rules = ports.clock.now(), ports.rules
    if right and await tx.failures.get(email) is None:
        return None
    failures = await tx.failures.lock(email)
    try:
        _check_lock(failures, now=now)
    except domain.AccountLocked as locked:
        return locked
    if right:
        await tx.failures.clear(email)
        return None
    lockout = dt.timedelta(seconds=rules.lockout_seconds)
    forgotten = failures.locked_until is not None or now - failures.last_at >= lockout
    count = 1 if forgotten else failures.count + 1
    if count < rules.lockout_attempts:
        await tx.failures.set(email, failures=count)
        return domain.BadCredentials()
    await tx.failures.set(email, failures=count, locked_until=now + lockout)
    log.info("account.locked", accountId=account.id if account else None)
    if account is not None:
        await tx.outbox.add(ports.mail.security(account, what="LOCKED", at=now))
    return domain.BadCredentials()


def _check_lock(failures: store.Failures | None, *, now: dt.datetime) -> None:
    if failures is not None and failures.locked_until is not None and now < failures.locked_until:
        raise domain.AccountLocked(retry_after=math.ceil((failures.locked_until - now).total_seconds()))


async def _renewed(account: domain.Account, *, password: str, ports: Ports) -> dict[str, str]:
    """A dearer hash in place of one that is cheaper than today's."""
    assert account.password_hash is not None
    if not ports.passwords.is_stale(account.password_hash):
        return {}
    return {"password_hash": await ports.passwords.hash(password)}


def check_may_sign_in(account: domain.Account, *, rules: domain.Rules) -> None:
    """Raises AccountBlocked, EmailUnverified (403)."""
    if account.status == "BLOCKED":
        raise domain.AccountBlocked
    if rules.require_verified_email and not account.email_verified:
        raise domain.EmailUnverified


@dataclasses.dataclass(frozen=True, kw_only=True)
class Opened:
    """A session with the refresh token that continues it, in clear."""

    sid: str
    refresh_token: str = dataclasses.field(repr=False)
    expires_at: dt.datetime


async def open_session(
    tx: store.Transaction,
    *,
    account: domain.Account,
    client: domain.Client,
    ports: Ports,
) -> Opened:
    """A new family of refresh tokens."""
    now, rules = ports.clock.now(), ports.rules
    session = domain.Session(
        sid=ids.uuid7(),
        account_id=account.id,
        method="PASSWORD",
        user_agent=client.user_agent,
        ip=client.ip,
        created_at=now,
        last_used_at=now,
        expires_at=now + dt.timedelta(seconds=rules.session_max_seconds),
        revoked_at=None,
    )
    token = domain.new_refresh_token()
    expires_at = _token_end(session, now=now, rules=rules)
    digest = ids.sha256(token)
    await tx.sessions.open(
        session, domain.RefreshToken(digest=digest, sid=session.sid, expires_at=expires_at, used_at=None)
    )
    return Opened(sid=session.sid, refresh_token=token, expires_at=expires_at)


async def signed_in(account: domain.Account, *, opened: Opened, ports: Ports) -> domain.SignedIn:
    """The tokens of a session. An access token is signed here and kept nowhere."""
    now = ports.clock.now()
    token = tokens.sign_user(
        await ports.keyring.signer(),
        user_id=account.id,
        email=account.email,
        role=account.role,
        sid=opened.sid,
        issuer=ports.issuer,
        audience=ports.audience,
        issued_at=now,
        seconds=ports.rules.access_seconds,
    )
    return domain.SignedIn(
        account=account,
        token=token,
        expires_in=ports.rules.access_seconds,
        refresh_token=opened.refresh_token,
        refresh_expires_in=int((opened.expires_at - now).total_seconds()),
    )


async def refresh(*, refresh_token: str, ports: Ports) -> domain.SignedIn:
    """Exchange a refresh token for the next one of its family; of two uses at once one wins.

    Raises RefreshInvalid, RefreshExpired, RefreshReused (401); the last ends the session.
    """
    digest = ids.sha256(refresh_token)
    async with ports.store.transaction() as tx:
        outcome = await _rotate(tx, digest=digest, ports=ports)
    if isinstance(outcome, _Reused):
        await ports.revocations.add(outcome.sid)
        raise domain.RefreshReused
    if isinstance(outcome, errors.RevCartError):
        raise outcome
    account, opened = outcome
    return await signed_in(account, opened=opened, ports=ports)


@dataclasses.dataclass(frozen=True)
class _Reused:
    sid: str


async def _rotate(
    tx: store.Transaction,
    *,
    digest: bytes,
    ports: Ports,
) -> tuple[domain.Account, Opened] | _Reused | errors.RevCartError:
    """What becomes of a refresh token. A refusal is returned, not raised: what it ends must be committed."""
    now, grace = ports.clock.now(), dt.timedelta(seconds=ports.rules.refresh_grace_seconds)
    token = await tx.sessions.token(digest, lock=True)
    session = None if token is None else await tx.sessions.get(token.sid)
    account = None if session is None else await tx.accounts.get(session.account_id)
    if token is None or session is None or account is None:
        return domain.RefreshInvalid()
    if token.used_at is not None and now - token.used_at >= grace:
        if await tx.sessions.end(account_id=account.id, sid=session.sid, reason="TOKEN_REUSED"):
            log.warning("session.token-reused", accountId=account.id, sid=session.sid)
            await tx.outbox.add(ports.mail.security(account, what="TOKEN_REUSED", at=now))
        return _Reused(session.sid)
    if session.revoked_at is not None or account.status != "ACTIVE":
        return domain.RefreshInvalid()
    if now >= token.expires_at or now >= session.expires_at:
        return domain.RefreshExpired()
    successor = domain.new_refresh_token()
    expires_at = _token_end(session, now=now, rules=ports.rules)
    # A second use within the grace is the last one: dating it back makes a third one a reuse.
    used_at = now if token.used_at is None else now - grace
    next_digest = ids.sha256(successor)
    await tx.sessions.spend(digest, replaced_by=next_digest, used_at=used_at)
    await tx.sessions.add_token(
        domain.RefreshToken(digest=next_digest, sid=session.sid, expires_at=expires_at, used_at=None)
    )
    await tx.sessions.touch(session.sid)
    return account, Opened(sid=session.sid, refresh_token=successor, expires_at=expires_at)


def _token_end(session: domain.Session, *, now: dt.datetime, rules: domain.Rules) -> dt.datetime:
    return min(now + dt.timedelta(seconds=rules.refresh_seconds), session.expires_at)


async def logout(*, refresh_token: str | None, user: auth.User | None, ports: Ports) -> None:
    """End the session of the refresh token, and that of the access token. No token, or an old one: nothing to do."""
    async with ports.store.transaction() as tx:
        ending = {} if user is None else {user.sid: user.id}
        token = None if refresh_token is None else await tx.sessions.token(ids.sha256(refresh_token))
        session = None if token is None else await tx.sessions.get(token.sid)
        if session is not None:
            ending[session.sid] = session.account_id
        for sid, account_id in ending.items():
            await tx.sessions.end(account_id=account_id, sid=sid, reason="LOGOUT")
    await revoke(list(ending), ports=ports)


async def logout_everywhere(*, user: auth.User, ports: Ports) -> None:
    """End every session of the caller."""
    async with ports.store.transaction() as tx:
        ended = await tx.sessions.end(account_id=user.id, reason="LOGOUT_ALL")
    await revoke(ended, ports=ports)


async def me(*, user: auth.User, ports: Ports) -> domain.Account:
    """The caller's account as it is now. Raises TokenRevoked (401) when there is none any more."""
    async with ports.store.read() as view:
        account = await view.accounts.get(user.id)
    if account is None or account.status == "DELETED":
        raise errors.TokenRevoked
    return account


async def list_sessions(*, user: auth.User, ports: Ports) -> list[domain.Session]:
    """Where the caller is signed in."""
    async with ports.store.read() as view:
        return await view.sessions.live(user.id)


async def end_session(*, sid: str, user: auth.User, ports: Ports) -> None:
    """Sign out another device of the caller. Raises NotFound (404), also for somebody else's."""
    async with ports.store.transaction() as tx:
        ended = await tx.sessions.end(account_id=user.id, sid=sid, reason="ENDED_BY_OWNER")
    if not ended:
        raise errors.NotFound
    await revoke(ended, ports=ports)


async def revoke(sids: list[str], *, ports: Ports) -> None:
    """Make gateway, auth and WebSocket refuse the access tokens of sessions that have ended."""
    for sid in sids:
        await ports.revocations.add(sid)


async def sweep(*, ports: Ports) -> None:
    """Forget what ended more than a day ago."""
    async with ports.store.transaction() as tx:
        deleted = await tx.sweep(before=ports.clock.now() - dt.timedelta(days=1))
    log.debug("auth.swept", rows=deleted)


async def rotate_keys(*, ports: Ports) -> None:
    """The rotation's next step, if one is due."""
    await ports.keyring.rotate()
