"""Accounts as the user service manages them for administrators, and the shop's first administrator."""

from revcart.auth import domain, events, flow, registration, store
from revcart.kit import auth, errors, pages, telemetry

log = telemetry.get_logger(__name__)


async def list_accounts(
    *,
    wanted: store.AccountFilter,
    query: pages.PageQuery,
    ports: flow.Ports,
) -> tuple[list[domain.Account], int]:
    """One page of accounts, and how many match in all."""
    async with ports.store.read() as view:
        return await view.accounts.page(wanted, query)


async def get_account(*, account_id: int, ports: flow.Ports) -> domain.Account:
    """Raises NotFound (404)."""
    async with ports.store.read() as view:
        return _found(await view.accounts.get(account_id))


async def invite(*, new: domain.NewAccount, ports: flow.Ports) -> domain.Account:
    """Open an account without a password and mail the link that sets one. Raises EmailTaken (409)."""
    async with ports.store.transaction() as tx:
        account = await tx.accounts.add(new)
        if account is None:
            raise domain.EmailTaken
        await tx.outbox.add(events.registered(account, via="ADMIN"))
        await registration.send_link(tx, account=account, purpose=domain.Purpose.INVITE, ports=ports)
    return account


async def change_account(
    *,
    account_id: int,
    name: str | None,
    phone: str | None,
    ports: flow.Ports,
) -> domain.Account:
    """Set name and phone where given. Raises NotFound (404)."""
    changes = {key: value for key, value in (("name", name), ("phone", phone)) if value is not None}
    async with ports.store.transaction() as tx:
        account = _found(await tx.accounts.get(account_id, lock=True))
        if changes:
            await tx.accounts.change(account.id, **changes)
        return _found(await tx.accounts.get(account_id))


async def change_role(
    *,
    account_id: int,
    role: domain.Role,
    reason: str | None,
    actor: auth.ActingFor | None,
    ports: flow.Ports,
) -> domain.Account:
    """Give an account another role; its sessions end.

    Raises Forbidden (403) unless `actor` is an administrator, NotFound (404), OwnRole, LastAdmin (409).
    """
    async with ports.store.transaction() as tx:
        account = await _changeable(tx, account_id=account_id, actor=actor, leaves_admins=role != "ADMIN")
        ended = await _changed(
            tx, account, actor=actor, action="ROLE_CHANGED", column="role", value=role, reason=reason
        )
        account = _found(await tx.accounts.get(account_id))
    await flow.revoke(ended, ports=ports)
    return account


async def change_status(
    *,
    account_id: int,
    status: domain.Status,
    reason: str | None,
    actor: auth.ActingFor | None,
    ports: flow.Ports,
) -> domain.Account:
    """Block or unblock an account; its sessions end. Raises as `change_role` does."""
    async with ports.store.transaction() as tx:
        account = await _changeable(tx, account_id=account_id, actor=actor, leaves_admins=status != "ACTIVE")
        ended = await _changed(
            tx, account, actor=actor, action="STATUS_CHANGED", column="status", value=status, reason=reason
        )
        account = _found(await tx.accounts.get(account_id))
    await flow.revoke(ended, ports=ports)
    return account


async def _changeable(
    tx: store.Transaction,
    *,
    account_id: int,
    actor: auth.ActingFor | None,
    leaves_admins: bool,
) -> domain.Account:
    """The account, if `actor` may change it. All administrators' rows are locked: two cannot demote each other."""
    admins = await tx.accounts.active_admins(lock=True)
    if actor is None or actor.role != "ADMIN":
        raise errors.Forbidden
    account = _found(await tx.accounts.get(account_id, lock=True))
    if account.id == actor.id:
        raise domain.OwnRole
    if leaves_admins and admins == [account.id]:
        raise domain.LastAdmin
    if actor.id not in admins:  # the token is from before the actor was demoted or blocked
        raise errors.Forbidden
    return account


async def _changed(
    tx: store.Transaction,
    account: domain.Account,
    *,
    actor: auth.ActingFor | None,
    action: str,
    column: str,
    value: str,
    reason: str | None,
) -> list[str]:
    before = getattr(account, column)
    if before == value:
        return []
    await tx.accounts.change(account.id, **{column: value})
    actor_id = None if actor is None else actor.id
    await tx.accounts.note(account.id, action=action, actor_id=actor_id, before=before, after=value, reason=reason)
    log.info("account.changed", accountId=account.id, actorId=actor_id, action=action, after=value)
    return await tx.sessions.end(account_id=account.id, reason=action)


async def check_password(*, account_id: int, password: str, ports: flow.Ports) -> None:
    """Raises BadCredentials (401), AccountLocked (423), NotFound (404). A wrong one counts towards the lock."""
    account = await get_account(account_id=account_id, ports=ports)
    await flow.prove(email=account.email, password=password, ports=ports)


async def make_first_admin(*, email: str, password: str, ports: flow.Ports) -> None:
    """Make or promote the shop's administrator while it has none. Without `password` a link is mailed."""
    async with ports.store.read() as view:
        if await view.accounts.active_admins():
            return
    password_hash = await ports.passwords.hash(password) if password else None
    async with ports.store.transaction() as tx:
        if await tx.accounts.active_admins(lock=True):
            return
        account = await tx.accounts.by_email(email)
        if account is None:
            new = domain.NewAccount(name="Administrator", email=email, role="ADMIN", email_verified=bool(password))
            account = await tx.accounts.add(new)
            assert account is not None, "nobody else had this e-mail a line ago"
            await tx.outbox.add(events.registered(account, via="ADMIN"))
        await tx.accounts.change(account.id, role="ADMIN", status="ACTIVE", password_hash=password_hash)
        await tx.accounts.note(account.id, action="FIRST_ADMIN")
        ended = await tx.sessions.end(account_id=account.id, reason="FIRST_ADMIN")
        if password_hash is None:
            await registration.send_link(tx, account=account, purpose=domain.Purpose.INVITE, ports=ports)
    log.info("account.first-admin", accountId=account.id)
    await flow.revoke(ended, ports=ports)


def _found(account: domain.Account | None) -> domain.Account:
    if account is None or account.status == "DELETED":
        raise errors.NotFound
    return account
