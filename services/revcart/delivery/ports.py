"""What the flows of delivery need."""

import dataclasses

from cryptography.fernet import Fernet

from revcart.delivery import clients, domain, store
from revcart.kit import clock, events


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    """What the flows need. `otp_key`: bytes for the customer's codes. `cipher`: seals codes that travel in events."""

    clock: clock.Clock
    store: store.Store
    orders: clients.Orders
    stream: events.Stream
    shop: domain.Shop
    otp_key: bytes
    cipher: Fernet
    public_url: str
    timezone: str
    demo_data: bool
