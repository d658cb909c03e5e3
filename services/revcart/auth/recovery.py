"""Passwords that are forgotten, reset or changed."""

import datetime as dt

from revcart.auth import domain, flow, registration, store
from revcart.kit import auth, errors, ids

_LINKS = (domain.Purpose.RESET_PASSWORD, domain.Purpose.INVITE)


async def forgot_password(*, email: str, ports: flow.Ports) -> None:
    """Mail a link that resets the password, if there is such an account; the caller never learns whether."""
    purpose = domain.Purpose.RESET_PASSWORD
    async with ports.store.transaction() as tx:
        account = await tx.accounts.by_email(email)
        if account is None or account.status != "ACTIVE":
            return
        sent = await tx.codes.sent(account_id=account.id, purpose=purpose)
        allowed = domain.may_send(sent, now=ports.clock.now(), per_hour=domain.RESETS_PER_HOUR, pause=dt.timedelta(0))
        if allowed:
            await registration.send_link(tx, account=account, purpose=purpose, ports=ports)


async def reset_password(*, token: str, new_password: str, ports: flow.Ports) -> None:
    """Set the password with the token of a mailed link; all sessions end, the lock is lifted, the address is proven.

    Raises ResetTokenInvalid (422) for an unknown, spent or expired token alike.
    """
    digest = ids.sha256(token)
    async with ports.store.read() as view:
        account = await _link_owner(view, digest=digest, ports=ports)
    _refuse_the_email(new_password, account=account)
    password_hash = await ports.passwords.hash(new_password)
    async with ports.store.transaction() as tx:
        account = await _link_owner(tx, digest=digest, ports=ports, lock=True)
        for purpose in _LINKS:
            await tx.codes.kill(account_id=account.id, purpose=purpose)
        await tx.failures.clear(account.email)
        await tx.accounts.change(account.id, email_verified=True)
        ended = await set_password(tx, account=account, password_hash=password_hash, keep=None, ports=ports)
    await flow.revoke(ended, ports=ports)


async def _link_owner(tx: store.Transaction, *, digest: bytes, ports: flow.Ports, lock: bool = False) -> domain.Account:
    code = await tx.codes.by_digest(digest, purposes=_LINKS, lock=lock)
    if code is None or code.used_at is not None or ports.clock.now() >= code.expires_at:
        raise domain.ResetTokenInvalid
    account = await tx.accounts.get(code.account_id)
    if account is None or account.status != "ACTIVE":
        raise domain.ResetTokenInvalid
    return account


async def change_password(
    *,
    current: str | None,
    new_password: str,
    user: auth.User,
    ports: flow.Ports,
) -> None:
    """Change the caller's password; the other sessions end.

    Raises BadCredentials (401) when `current` is wrong or absent where there is one, AccountLocked (423).
    """
    account = await flow.me(user=user, ports=ports)
    if account.has_password:
        if current is None:
            raise domain.BadCredentials
        await flow.prove(email=account.email, password=current, ports=ports)
    _refuse_the_email(new_password, account=account)
    password_hash = await ports.passwords.hash(new_password)
    async with ports.store.transaction() as tx:
        ended = await set_password(tx, account=account, password_hash=password_hash, keep=user.sid, ports=ports)
    await flow.revoke(ended, ports=ports)


async def set_password(
    tx: store.Transaction,
    *,
    account: domain.Account,
    password_hash: str,
    keep: str | None,
    ports: flow.Ports,
) -> list[str]:
    """Replace the hash, warn the owner and end the sessions but `keep`. Returns the sids that ended."""
    now = ports.clock.now()
    await tx.accounts.change(account.id, password_hash=password_hash, password_changed_at=now)
    await tx.accounts.note(account.id, action="PASSWORD_CHANGED", actor_id=account.id)
    await tx.outbox.add(ports.mail.security(account, what="PASSWORD_CHANGED", at=now))
    return await tx.sessions.end(account_id=account.id, reason="PASSWORD_CHANGED", keep=keep)


def _refuse_the_email(password: str, *, account: domain.Account) -> None:
    if domain.normal(password) == domain.normal(account.email):
        fault = errors.Item("#/newPassword", "must not be the e-mail address")
        raise errors.InvalidRequest("The password must not be the e-mail address.", items=[fault])
