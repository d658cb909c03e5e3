"""The endpoints that the seed promises."""

import json

import pytest
from tests.shop import ADDRESS, Shop

# The seed's list, method and path, as written there.
SEED = """\
POST /api/auth/login
POST /api/auth/signup
POST /api/auth/refresh
POST /api/auth/forgot-password
GET /api/users/profile
PUT /api/users/profile
POST /api/users/address
GET /api/users/addresses
GET /api/products
GET /api/products/{id}
GET /api/products/category/{category}
POST /api/products/search
POST /api/cart/add
GET /api/cart
PUT /api/cart/update
DELETE /api/cart/remove/{id}
POST /api/orders
GET /api/orders/user
GET /api/orders/{id}
PUT /api/orders/{id}/status
POST /api/payments/create
POST /api/payments/verify
GET /api/payments/{orderId}
POST /api/payments/refund
GET /api/delivery/orders
PUT /api/delivery/{id}/status
GET /api/delivery/track/{orderId}
GET /api/analytics/sales
GET /api/analytics/products
GET /api/analytics/users
GET /api/analytics/dashboard
GET /api/admin/dashboard
POST /api/admin/products
PUT /api/admin/products/{id}
DELETE /api/admin/products/{id}
GET /api/admin/orders
GET /api/admin/users
""".splitlines()

BODIES = {
    "PUT /api/users/profile": {"name": "Meera Iyer"},
    "POST /api/users/address": ADDRESS,
    "POST /api/products/search": {"q": "milk"},
}


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.regression("R53")
async def test_r53_every_seed_endpoint_answers(shop: Shop) -> None:
    async with shop.demo("ADMIN") as admin, shop.demo("CUSTOMER") as customer:
        documented = {
            f"{method.upper()} {shape(path)}"
            for path, item in (await admin.get("/api/openapi.json"))["paths"].items()
            for method in item
        }
        missing = [line for line in SEED if f"{line.split()[0]} {shape(line.split()[1])}" not in documented]
        assert not missing
        for line in SEED:
            method, path = line.split()
            person = admin if "/admin/" in path or "/analytics/" in path or "/delivery/orders" in path else customer
            real = path.replace("{id}", "1").replace("{category}", "fruits").replace("{orderId}", "1")
            body = BODIES.get(line, None if method in {"GET", "DELETE"} else {})
            request = {} if body is None else {"json": body}
            answer = await person.http.request(method, real, **request)
            assert answer.status_code < 500, (line, answer.text)
            assert answer.status_code != 405, line
            if answer.status_code == 404:  # only for want of such an order, never for want of the endpoint
                assert "1" in real, (line, answer.text)
            if not answer.is_success:
                assert answer.headers["content-type"] == "application/problem+json", line
                assert json.loads(answer.content)["code"], line
