"""The addresses of the signed-in person. Everywhere an id of somebody else answers like one that does not exist."""

from revcart.kit import auth, errors
from revcart.user import domain, flow, store


async def list_addresses(*, user_id: int, ports: flow.Ports) -> list[domain.Address]:
    """The default first."""
    async with ports.store.read() as view:
        return await view.addresses.of(user_id)


async def get_address(*, address_id: int, user_id: int, ports: flow.Ports) -> domain.Address:
    """Raises NotFound (404)."""
    async with ports.store.read() as view:
        return await _found(view, address_id=address_id, user_id=user_id)


async def add_address(*, place: domain.Place, user: auth.User, ports: flow.Ports) -> domain.Address:
    """Keep an address; the first one is the default. Raises AddressLimit (409) at ten."""
    async with ports.store.transaction() as tx:
        await tx.profiles.get(user.id, lock=True)
        kept = await tx.addresses.of(user.id)
        if len(kept) >= domain.MOST_ADDRESSES:
            raise domain.AddressLimit
        address_id = await tx.addresses.add(place, user_id=user.id, is_default=not kept)
        return await _found(tx, address_id=address_id, user_id=user.id)


async def change_address(
    *,
    address_id: int,
    place: domain.Place,
    user: auth.User,
    ports: flow.Ports,
) -> domain.Address:
    """Replace an address. Raises NotFound (404)."""
    async with ports.store.transaction() as tx:
        await tx.addresses.replace(address_id, place, user_id=user.id)
        return await _found(tx, address_id=address_id, user_id=user.id)


async def delete_address(*, address_id: int, user: auth.User, ports: flow.Ports) -> None:
    """Forget an address; if it was the default, the newest left becomes it. Raises NotFound (404)."""
    async with ports.store.transaction() as tx:
        await tx.profiles.get(user.id, lock=True)
        deleted = await _found(tx, address_id=address_id, user_id=user.id)
        await tx.addresses.delete(address_id, user_id=user.id)
        left = await tx.addresses.of(user.id)
        if deleted.is_default and left:
            await tx.addresses.make_default(left[0].id, user_id=user.id)


async def make_default(*, address_id: int, user: auth.User, ports: flow.Ports) -> domain.Address:
    """Let this address be the default. Raises NotFound (404)."""
    async with ports.store.transaction() as tx:
        await tx.profiles.get(user.id, lock=True)
        await _found(tx, address_id=address_id, user_id=user.id)
        await tx.addresses.make_default(address_id, user_id=user.id)
        return await _found(tx, address_id=address_id, user_id=user.id)


async def _found(tx: store.Transaction, *, address_id: int, user_id: int) -> domain.Address:
    address = await tx.addresses.get(address_id, user_id=user_id)
    if address is None:
        raise errors.NotFound
    return address
