"""What the use cases of order need."""

import dataclasses
from typing import Protocol

from revcart.kit import clock, pricing
from revcart.order import clients, store


class Config(Protocol):
    """The settings that the use cases read."""

    @property
    def timezone(self) -> str: ...
    @property
    def demo_data(self) -> bool: ...
    @property
    def order_unpaid_seconds(self) -> int: ...
    @property
    def order_cod_limit_paise(self) -> int: ...
    @property
    def order_cancel_cutoff_minutes(self) -> int: ...
    @property
    def order_slot_template(self) -> str: ...
    @property
    def order_express_minutes(self) -> int: ...
    @property
    def order_seller_name(self) -> str: ...
    @property
    def order_seller_gstin(self) -> str: ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ports:
    clock: clock.Clock
    store: store.Store
    rules: pricing.Rules
    config: Config
    carts: clients.Carts
    users: clients.Users
    deliveries: clients.Deliveries
    stock: clients.Stock
    payments: clients.Payments
