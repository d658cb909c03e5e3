"""Old paths still work: each is rewritten to its successor, and the answer says which that is."""

import pytest

from revcart.gateway import domain
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]

# method, old path, new method, new target, service
ALIASES = [
    ("GET", "/api/products/all", "GET", "/api/products?size=100", "product"),
    ("GET", "/api/products/all?size=5&page=2", "GET", "/api/products?size=100&page=2", "product"),
    ("GET", "/api/products/filter?brand=a%20b", "GET", "/api/products/search?brand=a%20b", "product"),
    ("GET", "/api/search/filter?q=x", "GET", "/api/products/search?q=x", "product"),
    ("GET", "/api/search/trending", "GET", "/api/products?sort=popularity,desc", "product"),
    ("GET", "/api/recommendations/popular", "GET", "/api/products?sort=popularity,desc", "product"),
    ("GET", "/api/orders/my-orders", "GET", "/api/orders/user", "order"),
    ("GET", "/api/orders/user/7", "GET", "/api/orders/user", "order"),
    ("GET", "/api/orders/all?page=1", "GET", "/api/orders?page=1", "order"),
    ("GET", "/api/orders/admin", "GET", "/api/orders", "order"),
    ("GET", "/api/orders/recent", "GET", "/api/orders?size=10&sort=createdAt,desc", "order"),
    ("GET", "/api/payments/order/9", "GET", "/api/payments/9", "payment"),
    ("PUT", "/api/agents/3/status", "PUT", "/api/delivery/agents/3/status", "delivery"),
    ("GET", "/api/agents", "GET", "/api/delivery/agents", "delivery"),
    ("DELETE", "/api/cart/item/4", "DELETE", "/api/cart/remove/4", "cart"),
    ("DELETE", "/api/cart/items/4", "DELETE", "/api/cart/remove/4", "cart"),
    ("POST", "/api/cart/items", "POST", "/api/cart/add", "cart"),
    ("PUT", "/api/cart/items", "PUT", "/api/cart/update", "cart"),
    ("POST", "/api/auth/register", "POST", "/api/auth/signup", "auth"),
    ("POST", "/api/auth/send-verification-otp", "POST", "/api/auth/resend-verification", "auth"),
    ("POST", "/api/auth/verify-otp", "POST", "/api/auth/verify-email", "auth"),
    ("GET", "/oauth2/google", "GET", "/api/auth/google/start", "auth"),
    ("GET", "/api/oauth2/authorization/google", "GET", "/api/auth/google/start", "auth"),
    ("GET", "/api/auth/profile", "GET", "/api/auth/me", "auth"),
    ("GET", "/api/profile", "GET", "/api/users/profile", "user"),
    ("PUT", "/api/profile", "PUT", "/api/users/profile", "user"),
    ("GET", "/api/profile/addresses", "GET", "/api/users/addresses", "user"),
    ("POST", "/api/profile/addresses", "POST", "/api/users/address", "user"),
    ("PUT", "/api/profile/addresses/5/default", "PUT", "/api/users/address/5/default", "user"),
    ("POST", "/api/users/addresses", "POST", "/api/users/address", "user"),
    ("GET", "/api/notifications/unread", "GET", "/api/notifications?unread=true", "notification"),
    ("GET", "/api/notifications/count", "GET", "/api/notifications/unread-count", "notification"),
    ("PATCH", "/api/notifications/mark-all-read", "PUT", "/api/notifications/read-all", "notification"),
    ("GET", "/api/notifications/user", "GET", "/api/notifications", "notification"),
    ("GET", "/api/notifications/user/7", "GET", "/api/notifications", "notification"),
    ("GET", "/api/notifications/user/7/unread", "GET", "/api/notifications?unread=true", "notification"),
    ("PUT", "/api/notifications/user/7/read-all", "PUT", "/api/notifications/read-all", "notification"),
]


@pytest.mark.parametrize(("method", "old", "becomes", "target", "service"), ALIASES)
async def test_an_old_path_is_served_by_its_successor(
    method: str, old: str, becomes: str, target: str, service: str
) -> None:
    async with gateway.world(TABLE) as world:
        stub = await world.stub(service)
        answer = await world.client.request(method, old, headers=world.identity.headers(user_id=7))
        assert answer.status_code == 200
        assert answer.headers["deprecation"] == "true"
        assert answer.headers["link"] == f'<{target.partition("?")[0]}>; rel="successor-version"'
        seen = stub.seen[0]
        assert (seen.method, seen.target) == (becomes, target)


async def test_an_alias_is_as_closed_as_its_target() -> None:
    async with gateway.world(TABLE) as world:
        stubs = [await world.stub(name) for name in ("order", "user", "notification")]
        for path in ("/api/orders/my-orders", "/api/profile", "/api/notifications/unread", "/api/orders/user/7"):
            assert (await world.client.get(path)).status_code == 401
        assert not any(stub.seen for stub in stubs)


async def test_a_users_path_is_that_users_and_an_admin_sees_the_list() -> None:
    async with gateway.world(TABLE) as world:
        order, notification = await world.stub("order"), await world.stub("notification")
        for path in ("/api/orders/user/8", "/api/notifications/user/8", "/api/notifications/user/8/unread"):
            refused = await world.client.get(path, headers=world.identity.headers(user_id=7))
            assert (refused.status_code, refused.json()["code"]) == (404, "resource.not-found")
        admin = world.identity.headers(user_id=1, role="ADMIN")
        assert (await world.client.get("/api/orders/user/8?page=2", headers=admin)).status_code == 200
        assert order.seen.pop().target == "/api/orders?userId=8&page=2"
        assert (await world.client.get("/api/notifications/user/8", headers=admin)).status_code == 404
        assert not order.seen
        assert not notification.seen


async def test_a_guests_cart_path_becomes_its_session_header() -> None:
    async with gateway.world(TABLE) as world:
        cart = await world.stub("cart")
        session = "gs_" + "a" * 32
        for method, old, target in (
            ("GET", f"/api/cart/{session}", "/api/cart"),
            ("POST", f"/api/cart/{session}/add", "/api/cart/add"),
            ("DELETE", f"/api/cart/{session}/clear", "/api/cart/clear"),
        ):
            await world.client.request(method, old, headers={"X-Cart-Session": "gs_other"})
            seen = cart.seen.pop()
            assert (seen.target, seen.header("x-cart-session")) == (target, session)
        await world.client.get("/api/cart/count")
        assert cart.seen.pop().target == "/api/cart/count", "only sessions are taken for sessions"


async def test_a_query_becomes_the_body_where_there_is_none() -> None:
    async with gateway.world(TABLE) as world:
        order, payment = await world.stub("order"), await world.stub("payment")
        await world.client.get("/api/coupons/validate?code=SAVE10&orderAmount=249.50&userId=3")
        seen = order.seen.pop()
        assert (seen.method, seen.target) == ("POST", "/api/coupons/validate")
        assert seen.json() == {"code": "SAVE10", "orderAmount": 249.5}
        assert seen.header("content-type") == "application/json"
        assert seen.header("content-length") == str(len(seen.body))

        headers = world.identity.headers()
        await world.client.post("/api/payments/create-order?orderId=9&userId=3&amount=1", headers=headers)
        assert payment.seen.pop().json() == {"orderId": 9}
        given = {"orderId": 11}
        answer = await world.client.post("/api/payments/create-order?orderId=9", headers=headers, json=given)
        assert payment.seen.pop().json() == given, "a body wins over the query"
        assert "deprecation" not in answer.headers


async def test_what_is_closed_on_purpose_is_404_for_everybody() -> None:
    async with gateway.world(TABLE) as world:
        stubs = [await world.stub(name) for name in ("product", "payment", "auth")]
        for method, path in (
            ("POST", "/api/products/7/reduce-stock"),
            ("PUT", "/api/products/stock/reserve"),
            ("POST", "/api/products/stock/release"),
            ("POST", "/api/payments/7/refund"),
            ("GET", "/api/auth/test"),
            ("GET", "/api/wishlist/7"),
        ):
            for headers in ({}, world.identity.headers(role="ADMIN")):
                assert (await world.client.request(method, path, headers=headers)).status_code == 404, path
        assert not any(stub.seen for stub in stubs)


async def test_old_documentation_addresses_redirect() -> None:
    async with gateway.world(TABLE) as world:
        for old, new in (("/swagger-ui.html", "/api/docs"), ("/api-docs", "/api/openapi.json")):
            moved = await world.client.get(old)
            assert (moved.status_code, moved.headers["location"]) == (308, new)
