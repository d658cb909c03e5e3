"""The profile and preferences of the signed-in person, and who somebody is for other services."""

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from revcart.kit import auth, cache, clock, errors, telemetry, tokens
from revcart.kit import events as kit_events
from revcart.user import clients, domain, store

if TYPE_CHECKING:
    from revcart.user import events

IDENTITY_SECONDS = 60

log = telemetry.get_logger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What the user service's flows need."""

    clock: clock.Clock
    store: store.Store
    cache: cache.Cache
    accounts: clients.Accounts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contact:
    """How to reach somebody."""

    profile: domain.Profile
    locale: domain.Locale


async def profile(*, user_id: int, ports: Ports) -> domain.Profile:
    """The profile, its identity at most 60 s old; the copy while auth is away.

    Raises NotFound (404); DependencyUnavailable (503) only when auth is away and there is no copy.
    """
    try:
        account = clients.read(
            await ports.cache.cached(_key(user_id), ttl=IDENTITY_SECONDS, load=lambda: ports.accounts.get(user_id))
        )
    except errors.DependencyUnavailable:
        async with ports.store.read() as view:
            copy = await view.profiles.get(user_id)
        if copy is None:
            raise
        log.warning("profile.copy-served", userId=user_id)
        return copy
    except errors.Refused as refusal:
        raise _translated(refusal) from refusal
    return await copied(account, ports=ports)


async def copied(account: domain.Account, *, ports: Ports) -> domain.Profile:
    """The profile, with the copy of `account` brought up to date."""
    async with ports.store.read() as view:
        kept = await view.profiles.get(account.id)
    if kept is not None and kept.same_person(account):
        return kept
    async with ports.store.transaction() as tx:
        if not await tx.profiles.add(store.profile_of(account)):
            await tx.profiles.change(account.id, **store.account_columns(account, at=ports.clock.now()))
        found = await tx.profiles.get(account.id)
    assert found is not None, "it was added or changed just now"
    return found


async def change_profile(
    *,
    user: auth.User,
    name: str,
    phone: str | None,
    avatar_url: str | None,
    date_of_birth: dt.date | None,
    ports: Ports,
) -> domain.Profile:
    """Set what somebody says about themselves; without `phone` the number stays. E-mail and role are never taken."""
    try:
        account = await ports.accounts.change(user.id, name=name, phone=phone)
    except errors.Refused as refusal:
        raise _translated(refusal) from refusal
    await forget(user.id, ports=ports)
    await copied(account, ports=ports)
    async with ports.store.transaction() as tx:
        await tx.profiles.change(user.id, avatar_url=avatar_url, date_of_birth=date_of_birth)
        changed = await tx.profiles.get(user.id)
    assert changed is not None, "a profile is never deleted"
    return changed


async def preferences(*, user: auth.User, ports: Ports) -> domain.Preferences:
    """What the caller likes."""
    async with ports.store.read() as view:
        return await view.preferences.get(user.id)


async def change_preferences(*, wanted: domain.Preferences, user: auth.User, ports: Ports) -> domain.Preferences:
    """Keep what the caller likes."""
    async with ports.store.transaction() as tx:
        await tx.preferences.set(wanted, user_id=user.id)
    return wanted


async def contact(*, user_id: int, ports: Ports) -> Contact:
    """How another service reaches somebody. Raises NotFound (404)."""
    found = await profile(user_id=user_id, ports=ports)
    async with ports.store.read() as view:
        likes = await view.preferences.get(user_id)
    return Contact(profile=found, locale=likes.locale)


async def remember_registered(
    *,
    event: "kit_events.Received[events.UserRegistered]",
    ports: Ports,
) -> kit_events.Ignored | None:
    """Make the profile of a new account, unless a first read was quicker."""
    new = event.data
    role = next((known for known in tokens.ROLES if known == new.role), None)
    if role is None:
        return kit_events.Ignored("unknown-role")
    account = domain.Account(
        id=new.user_id,
        name=new.name,
        email=new.email,
        phone=new.phone,
        role=role,
        status="ACTIVE",
        email_verified=False,
        created_at=new.registered_at,
    )
    async with ports.store.transaction(received=event) as tx:
        await tx.profiles.add(store.profile_of(account))
    return None


async def forget(user_id: int, *, ports: Ports) -> None:
    """Let the next read ask auth. With the cache away there is nothing to forget."""
    try:
        await ports.cache.delete(_key(user_id))
    except errors.DependencyUnavailable as away:
        log.warning("profile.not-forgotten", userId=user_id, dependency=away.service)


def _translated(refusal: errors.Refused) -> errors.RevCartError:
    """auth's 404 in this service's words: an unknown id must look like any other."""
    return errors.NotFound() if refusal.answered == 404 else refusal


def _key(user_id: int) -> str:
    return f"user:account:{user_id}"
