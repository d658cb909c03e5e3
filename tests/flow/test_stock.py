"""Stock follows the order through the whole shop."""

import uuid

import pytest

from tests.shop import Shop, eventually


@pytest.mark.regression("R18")
async def test_r18_stock_follows_the_order(shop: Shop) -> None:
    async with shop.demo("ADMIN") as admin, shop.person() as customer:
        await customer.sign_up()
        body = {
            "sku": f"TEST-{uuid.uuid4().hex[:8]}", "name": "A test mango", "description": "Sweet.",
            "category": "fruits", "price": 50, "weightGrams": 300, "stock": 10, "active": True,
        }  # fmt: skip
        product = (await admin.call("POST", "/api/admin/products", json=body, status=201))["id"]

        async def levels() -> tuple[int, int]:
            """(available, on hand) as the ledger's sums."""
            rows = (await admin.get(f"/api/products/{product}/stock/ledger", size=100))["content"]
            on_hand = sum(row["onHandDelta"] for row in rows)
            return on_hand - sum(row["reservedDelta"] for row in rows), on_hand

        async def reach(available: int, on_hand: int) -> None:
            async def look() -> bool:
                shown = (await customer.get(f"/api/products/{product}/stock"))["stock"]
                return await levels() == (available, on_hand) and shown == available

            await eventually(look, every=0.2, what=f"{available} available of {on_hand}")

        await reach(10, 10)
        await customer.add_to_cart(product, quantity=3)
        order = await customer.place_order("COD")
        await customer.order_becomes(order["id"], "CONFIRMED")
        await reach(7, 7)  # reserved at placing, taken at confirming
        await customer.call("POST", f"/api/orders/{order['id']}/cancel", json={"reason": "CHANGED_MIND"})
        await reach(10, 10)

        async def emptied() -> bool:
            return not (await customer.get("/api/cart"))["lines"]

        await eventually(emptied, what="an empty cart")
        await customer.add_to_cart(product, quantity=4)
        pending = await customer.place_order("RAZORPAY")
        await reach(6, 10)  # held while it is unpaid
        await customer.call("POST", f"/api/orders/{pending['id']}/cancel", json={"reason": "OTHER"})
        await reach(10, 10)
