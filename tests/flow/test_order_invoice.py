"""The tax invoice."""

from collections.abc import AsyncIterator

import pytest

from tests.flow import orders


@pytest.fixture
async def world() -> AsyncIterator[orders.World]:
    async with orders.world(order_seller_gstin="29ABCDE1234F1Z5") as made:
        yield made


async def test_there_is_none_before_the_confirmation(world: orders.World) -> None:
    order = await world.place()
    problem = await world.call("GET", f"/api/orders/{order['id']}/invoice", status=409)
    assert problem["code"] == "invoice.not-ready"


async def test_its_amounts_close(world: orders.World) -> None:
    world.fill_cart((4, 1))  # ₹29.50: tax 5.31, which has no half
    order = await world.paid_order()
    invoice = await world.call("GET", f"/api/orders/{order['id']}/invoice")
    assert invoice == {
        "number": "INV-2526-000001",
        "date": "2026-01-31",
        "orderNumber": order["orderNumber"],
        "seller": {"name": "RevCart", "gstin": "29ABCDE1234F1Z5"},
        "buyer": {"name": "Asha Rao", "address": "12 MG Road, Bengaluru, Karnataka 560001"},
        "lines": [{"productName": "Milk", "quantity": 1, "price": 29.5, "lineTotal": 29.5}],
        "subtotal": 29.5,
        "discount": 0,
        "taxable": 29.5,
        "cgst": 2.65,
        "sgst": 2.66,
        "deliveryFee": 30,
        "total": 64.81,
        "refunded": 0,
        "paymentMethod": "RAZORPAY",
        "paid": True,
    }


async def test_a_page_for_people_with_names_escaped(world: orders.World) -> None:
    world.around.products[3].name = "<b>Butter</b>"
    order = await world.paid_order()
    path = f"/api/orders/{order['id']}/invoice"
    answer = await world.client.get(path, headers=world.headers() | {"Accept": "text/html,*/*;q=0.8"})
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "INV-2526-000001" in answer.text
    assert "&lt;b&gt;Butter&lt;/b&gt;" in answer.text
    assert "₹242.40" in answer.text
    await world.call("GET", path, user=orders.STRANGER, status=404)
