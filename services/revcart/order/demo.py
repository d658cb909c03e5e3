"""What a new shop starts with: its slots, and with `REVCART_DEMO_DATA` a few coupons."""

import datetime as dt

from revcart.order import coupons, offers
from revcart.order.ports import Ports

_VALID = dt.timedelta(days=365)


async def prepare(*, ports: Ports) -> None:
    """Make what is missing; what somebody changed stays as it is."""
    await offers.offer_slots(ports=ports)
    if ports.config.demo_data:
        async with ports.store.transaction() as tx:
            for terms in _coupons(ports.clock.now()):
                if await tx.coupon_by_code(terms.code) is None:
                    await tx.add_coupon(terms)


def _coupons(now: dt.datetime) -> list[coupons.Terms]:
    return [
        coupons.Terms(
            code="WELCOME10",
            description="10 % off your first order, up to ₹100",
            discount_type="PERCENTAGE",
            discount_value=1_000,
            min_order_paise=10_000,
            max_discount_paise=10_000,
            valid_from=now,
            valid_until=now + _VALID,
            usage_limit=None,
            per_user_limit=1,
            active=True,
        ),
        coupons.Terms(
            code="FRESH50",
            description="₹50 off from ₹500",
            discount_type="FIXED",
            discount_value=5_000,
            min_order_paise=50_000,
            max_discount_paise=None,
            valid_from=now,
            valid_until=now + _VALID,
            usage_limit=1_000,
            per_user_limit=3,
            active=True,
        ),
        coupons.Terms(
            code="FAMILY15",
            description="15 % off from ₹1,500, up to ₹300",
            discount_type="PERCENTAGE",
            discount_value=1_500,
            min_order_paise=150_000,
            max_discount_paise=30_000,
            valid_from=now,
            valid_until=now + _VALID,
            usage_limit=500,
            per_user_limit=2,
            active=True,
        ),
    ]
