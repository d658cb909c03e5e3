"""Addresses of the demonstration's customers, within a few kilometres of its shop in Bengaluru (12.9716, 77.5946)."""

from typing import Final

from revcart.user import domain, flow

# Who they are stands in auth's demo data: 2 Asha, 3 Vikram, 4 Farah.
ADDRESSES: Final[tuple[tuple[int, domain.Place], ...]] = (
    (
        2,
        domain.Place(
            label="HOME",
            name="Asha Rao",
            phone="+919000000002",
            line1="14 Church Street",
            line2="Flat 3B",
            landmark="Opposite the bookshop",
            city="Bengaluru",
            state="Karnataka",
            postal_code="560001",
            lat=12.9748,
            lng=77.6051,
            instructions="Ring twice.",
        ),
    ),
    (
        2,
        domain.Place(
            label="WORK",
            name="Asha Rao",
            phone="+919000000002",
            line1="27 Residency Road",
            line2="5th floor",
            city="Bengaluru",
            state="Karnataka",
            postal_code="560025",
            lat=12.9682,
            lng=77.6010,
        ),
    ),
    (
        3,
        domain.Place(
            label="HOME",
            name="Vikram Shetty",
            phone="+919000000003",
            line1="8 Vittal Mallya Road",
            city="Bengaluru",
            state="Karnataka",
            postal_code="560001",
            lat=12.9719,
            lng=77.5969,
        ),
    ),
    (
        4,
        domain.Place(
            label="HOME",
            name="Farah Khan",
            phone="+919000000004",
            line1="52 Lalbagh Road",
            landmark="Near the west gate",
            city="Bengaluru",
            state="Karnataka",
            postal_code="560027",
            lat=12.9557,
            lng=77.5852,
        ),
    ),
)


async def prepare(*, ports: flow.Ports) -> None:
    """Give those customers addresses who have none."""
    async with ports.store.transaction() as tx:
        without = {user_id for user_id, _ in ADDRESSES if not await tx.addresses.of(user_id)}
        for user_id, place in ADDRESSES:
            if user_id in without:
                is_first = not await tx.addresses.of(user_id)
                await tx.addresses.add(place, user_id=user_id, is_default=is_first)
