"""The order story of the seed, from outside of the cluster through the Ingress of a new shop."""

import time

import pytest

from tests.cluster import clusters
from tests.flow import test_order_journey

pytestmark = pytest.mark.cluster


async def test_an_order_is_paid_at_paysim_and_delivered(new_shop: clusters.Platform, timings: clusters.Timings) -> None:
    """People, simulated Razorpay and the live screen all come through the Ingress."""
    began = time.monotonic()
    await test_order_journey.test_r52_events_drive_the_order(new_shop)
    timings.add("order story, paid at paysim, with a live screen", time.monotonic() - began)


async def test_cash_on_delivery_is_paid_at_the_door(new_shop: clusters.Platform) -> None:
    await test_order_journey.test_cash_on_delivery_is_confirmed_at_once_and_paid_at_the_door(new_shop)


async def test_cancelling_brings_the_money_and_the_stock_back(new_shop: clusters.Platform) -> None:
    await test_order_journey.test_cancelling_a_paid_order_brings_the_money_and_the_stock_back(new_shop)
