"""The seed's order story by public API alone, through the gateway of a running shop."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.shop import Outlet, Person, eventually


@contextlib.asynccontextmanager
async def cast(shop: Outlet) -> AsyncIterator[tuple[Person, Person, Person]]:
    """A new, verified customer who has logged in; an ADMIN; the riders come later, once one is assigned."""
    async with shop.demo("ADMIN") as admin, shop.person() as customer, shop.person() as rider:
        await customer.sign_up()
        await customer.verify(admin)
        await customer.login(customer.email, "a good password")
        yield customer, admin, rider


async def chosen(customer: Person) -> list[int]:
    """Three products that a search finds and that are in stock."""
    found = await customer.call("POST", "/api/products/search", json={"q": "milk", "inStock": True})
    assert found["totalElements"] >= 1
    fruits = await customer.get("/api/products/category/fruits", size=20)
    ids = [found["content"][0]["id"], *(card["id"] for card in fruits["content"] if card["inStock"])]
    return ids[:3]


async def brought(shop: Outlet, order: dict[str, Any], customer: Person, admin: Person, rider: Person) -> None:
    """Packed, assigned, picked up, carried, delivered."""
    order_id = order["id"]

    async def assigned() -> Any:
        answer = await customer.http.get(f"/api/delivery/order/{order_id}")
        return answer.json() if answer.is_success and answer.json()["agentId"] else None

    delivery = await eventually(assigned, what="a rider")
    await admin.call("PUT", f"/api/admin/orders/{order_id}/status", json={"status": "PREPARING"})
    async with customer.screen(f"/topic/orders/{customer.id}", f"/topic/delivery/{order_id}") as screen:
        agent = await admin.get(f"/api/delivery/agents/{delivery['agentId']}")
        await rider.login(agent["email"], "revcart-demo")
        path = f"/api/delivery/{delivery['id']}"
        await rider.call("POST", f"{path}/accept")
        await rider.call("PUT", f"{path}/status", json={"status": "PICKED_UP"})
        await screen.sees(type="order.status.updated", orderId=order_id, status="OUT_FOR_DELIVERY")
        await screen.sees(type="delivery.status.updated", orderId=order_id, status="PICKED_UP")
        here = {"lat": 12.9735, "lng": 77.5990, "accuracyMetres": 8}
        await rider.call("PUT", f"/api/delivery/agents/{delivery['agentId']}/location", json=here, status=202)
        await screen.sees(type="delivery.location.updated", lat=12.9735)
        await screen.sees(type="delivery.status.updated", orderId=order_id, status="IN_TRANSIT")
        track = await customer.get(f"/api/delivery/track/{order_id}")
        assert track["agentLocation"]["lat"] == 12.9735
        done: dict[str, Any] = {"status": "DELIVERED", "otp": track["otp"]}
        if order["paymentMethod"] == "COD":
            done["codCollected"] = order["totalAmount"]
        await rider.call("PUT", f"{path}/status", json=done)
        await screen.sees(type="delivery.status.updated", orderId=order_id, status="DELIVERED")
        await screen.sees(type="order.status.updated", orderId=order_id, status="DELIVERED")


async def told(customer: Person, *types: str) -> None:
    """The customer's list has these notifications."""

    async def look() -> bool:
        listed = await customer.get("/api/notifications", size=50)
        return set(types) <= {notification["type"] for notification in listed["content"]}

    await eventually(look, what=f"notifications {types}")


@pytest.mark.regression("R52")
async def test_r52_events_drive_the_order(shop: Outlet) -> None:
    async with cast(shop) as (customer, admin, rider):
        before = await admin.get("/api/admin/dashboard")
        await customer.add_to_cart(*await chosen(customer))
        cart = await customer.get("/api/cart")
        async with customer.screen(f"/topic/orders/{customer.id}", "/user/queue/notifications") as screen:
            order = await customer.place_order("RAZORPAY")
            assert (order["status"], order["paymentStatus"]) == ("PENDING", "PENDING")
            assert order["totalAmount"] == cart["total"]
            paid = await customer.pay(order["payment"])
            await customer.verify_payment(order["id"], paid)
            await screen.sees(type="order.status.updated", orderId=order["id"], status="CONFIRMED")
        confirmed = await customer.order_becomes(order["id"], "CONFIRMED")
        assert confirmed["paymentStatus"] == "PAID"
        await told(customer, "ORDER_PLACED", "ORDER_CONFIRMATION", "PAYMENT_CONFIRMATION")

        async def emptied() -> bool:
            return not (await customer.get("/api/cart"))["lines"]

        await eventually(emptied, what="the cart empties")
        await brought(shop, order, customer, admin, rider)
        delivered = await customer.order_becomes(order["id"], "DELIVERED")
        assert delivered["deliveryDate"]
        await told(customer, "DELIVERY_ASSIGNED", "OUT_FOR_DELIVERY", "ORDER_DELIVERED")

        async def counted() -> bool:
            now = await admin.get("/api/admin/dashboard")
            return bool(
                now["totalOrders"] >= before["totalOrders"] + 1
                and now["totalRevenue"] >= (before["totalRevenue"] or 0) + order["totalAmount"] - 0.01
            )

        await eventually(counted, seconds=30, what="the dashboard counts it")


async def test_cash_on_delivery_is_confirmed_at_once_and_paid_at_the_door(shop: Outlet) -> None:
    async with cast(shop) as (customer, admin, rider):
        await customer.add_to_cart(*await chosen(customer))
        order = await customer.place_order("COD")
        await customer.order_becomes(order["id"], "CONFIRMED")
        assert (await customer.get(f"/api/payments/{order['id']}"))["status"] == "PENDING"
        await brought(shop, order, customer, admin, rider)
        await customer.order_becomes(order["id"], "DELIVERED")

        async def collected() -> bool:
            return (await customer.get(f"/api/payments/{order['id']}"))["status"] == "SUCCESS"

        await eventually(collected, what="the cash is booked")

        async def shown() -> bool:
            return (await customer.get(f"/api/orders/{order['id']}"))["paymentStatus"] == "PAID"

        await eventually(shown, what="the order says it is paid")


async def test_cancelling_a_paid_order_brings_the_money_and_the_stock_back(shop: Outlet) -> None:
    async with cast(shop) as (customer, _, _):
        product = (await chosen(customer))[0]
        stock = (await customer.get(f"/api/products/{product}/stock"))["stock"]
        await customer.add_to_cart(product, quantity=2)
        order = await customer.place_order("RAZORPAY")
        paid = await customer.pay(order["payment"])
        await customer.verify_payment(order["id"], paid)
        await customer.order_becomes(order["id"], "CONFIRMED")
        cancelled = await customer.call(
            "POST", f"/api/orders/{order['id']}/cancel", json={"reason": "CHANGED_MIND"}, status=200
        )
        assert cancelled["refundAmount"] == order["totalAmount"]

        async def refunded() -> bool:
            return (await customer.get(f"/api/payments/{order['id']}"))["status"] == "REFUNDED"

        await eventually(refunded, what="the refund")

        async def restocked() -> bool:
            return bool((await customer.get(f"/api/products/{product}/stock"))["stock"] == stock)

        await eventually(restocked, what="the stock")
        await told(customer, "ORDER_CANCELLED", "REFUND")
