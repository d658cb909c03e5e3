"""The people of the demonstration shop (development only, `REVCART_DEMO_DATA`). Their password is no secret.

Ids are fixed, so that the other services' demo data can name these people; `example.com` is nobody's (RFC 2606).
"""

from typing import Final

from revcart.auth import domain, events, flow

PASSWORD: Final = "revcart-demo"

PEOPLE: Final[tuple[tuple[int, domain.Role, str, str, str], ...]] = (
    (1, "ADMIN", "Meera Iyer", "admin@example.com", "+919000000001"),
    (2, "CUSTOMER", "Asha Rao", "asha@example.com", "+919000000002"),
    (3, "CUSTOMER", "Vikram Shetty", "vikram@example.com", "+919000000003"),
    (4, "CUSTOMER", "Farah Khan", "farah@example.com", "+919000000004"),
    (5, "DELIVERY_AGENT", "Ravi Kumar", "ravi@example.com", "+919000000005"),
    (6, "DELIVERY_AGENT", "Lakshmi Gowda", "lakshmi@example.com", "+919000000006"),
    (7, "DELIVERY_AGENT", "Imran Sheikh", "imran@example.com", "+919000000007"),
    (8, "DELIVERY_AGENT", "Divya Nair", "divya@example.com", "+919000000008"),
)


async def prepare(*, ports: flow.Ports) -> None:
    """Open the accounts that are missing."""
    async with ports.store.read() as view:
        missing = [person for person in PEOPLE if await view.accounts.by_email(person[3]) is None]
    if not missing:
        return
    password_hash = await ports.passwords.hash(PASSWORD)  # one for all: hashing is slow on purpose
    async with ports.store.transaction() as tx:
        for account_id, role, name, email, phone in missing:
            account = await tx.accounts.add(
                domain.NewAccount(
                    id=account_id,
                    name=name,
                    email=email,
                    phone=phone,
                    role=role,
                    password_hash=password_hash,
                    email_verified=True,
                )
            )
            if account is not None:
                await tx.outbox.add(events.registered(account, via="ADMIN"))
