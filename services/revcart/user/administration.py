"""People as administrators see them. auth owns the accounts and checks the administrator's role once more."""

import dataclasses

from revcart.kit import auth, errors, pages
from revcart.user import clients, domain, flow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listed:
    """A row of the list of people."""

    account: domain.Account
    default_city: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detailed:
    """A person with all addresses."""

    account: domain.Account
    addresses: list[domain.Address]


async def list_users(
    *,
    wanted: clients.AccountFilter,
    query: pages.PageQuery,
    ports: flow.Ports,
) -> tuple[list[Listed], int]:
    """One page, and how many there are in all."""
    found, total = await ports.accounts.list(wanted=wanted, query=query)
    async with ports.store.read() as view:
        cities = await view.addresses.default_cities([account.id for account in found])
    return [Listed(account=account, default_city=cities.get(account.id)) for account in found], total


async def count_users(*, role: domain.Role | None, ports: flow.Ports) -> int:
    """How many accounts there are, of that role if one is given."""
    query = pages.PageQuery(size=1, sort=(("id", False),))
    return (await ports.accounts.list(wanted=clients.AccountFilter(role=role), query=query))[1]


async def get_user(*, user_id: int, caller: auth.User, ports: flow.Ports) -> Detailed:
    """Anybody for an ADMIN, oneself for the others. Raises NotFound (404)."""
    if caller.role != "ADMIN" and caller.id != user_id:
        raise errors.NotFound
    try:
        account = clients.read(await ports.accounts.get(user_id))
    except errors.Refused as refusal:
        raise errors.NotFound from refusal
    async with ports.store.read() as view:
        return Detailed(account=account, addresses=await view.addresses.of(user_id))


async def invite(
    *,
    name: str,
    email: str,
    phone: str | None,
    role: domain.Role,
    ports: flow.Ports,
) -> domain.Account:
    """Open an account for somebody, who sets the password by a mailed link. auth refuses with EmailTaken (409)."""
    account = await ports.accounts.invite(name=name, email=email, phone=phone, role=role)
    await flow.copied(account, ports=ports)
    return account


async def change(
    *,
    user_id: int,
    what: str,
    value: str,
    reason: str | None,
    actor: auth.User,
    ports: flow.Ports,
) -> domain.Account:
    """Set `role` or `status`. Raises NotFound (404); auth refuses with LastAdmin, OwnRole (409)."""
    try:
        account = await ports.accounts.set(user_id, what=what, value=value, reason=reason, actor=actor)
    except errors.Refused as refusal:
        raise (errors.NotFound() if refusal.answered == 404 else refusal) from refusal
    await flow.forget(user_id, ports=ports)
    await flow.copied(account, ports=ports)
    return account
