"""Cross-origin requests: one voice, the gateway's, and only to known origins."""

import pydantic
import pytest

from revcart.gateway import app, domain
from revcart.kit import testing as kit_testing
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]
SHOP = "https://shop.example"
CORS = [
    ("content-type", "application/json"),
    ("access-control-allow-origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("vary", "Accept-Encoding"),
]


@pytest.mark.regression("R49")
async def test_r49_cors_headers_are_single() -> None:
    async with gateway.world(TABLE, gateway_cors_origins=[SHOP, "https://admin.example"]) as world:
        product = await world.stub("product")
        product.reply = gateway.Reply(headers=CORS)
        await world.stub("notification")
        for path in ("/api/products", "/api/orders", "/api/nothing", "/ws/info"):  # 200, 401, 404, 200
            answer = await world.client.get(path, headers={"Origin": SHOP})
            assert answer.headers.get_list("access-control-allow-origin") == [SHOP], path
            assert answer.headers.get_list("access-control-allow-credentials") == ["true"]
            assert "etag" in answer.headers["access-control-expose-headers"].lower()
            unknown = await world.client.get(path, headers={"Origin": "https://evil.example"})
            assert unknown.status_code == answer.status_code
            assert not [name for name in unknown.headers if name.startswith("access-control-")], path
            for each in (answer, unknown):
                assert "origin" in each.headers["vary"].lower()
                assert len(each.headers.get_list("vary")) == 1
        plain = await world.client.get("/api/products")
        assert not [name for name in plain.headers if name.startswith("access-control-")]
        assert plain.headers["vary"] == "Origin, Accept-Encoding"


async def test_a_preflight_is_answered_by_the_gateway_and_counts_for_nothing() -> None:
    async with gateway.world(TABLE, gateway_cors_origins=[SHOP]) as world:
        order = await world.stub("order")
        asked = {"Origin": SHOP, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-match"}
        for _ in range(400):
            answer = await world.client.options("/api/orders/7", headers=asked)
            assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == SHOP
        methods = {method.strip() for method in answer.headers["access-control-allow-methods"].split(",")}
        assert methods == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
        assert {"authorization", "idempotency-key", "if-match", "x-cart-session"} <= {
            name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")
        }
        assert answer.headers["access-control-max-age"] == "3600"
        refused = await world.client.options("/api/orders/7", headers={**asked, "Origin": "https://evil.example"})
        assert refused.status_code == 403
        assert not [name for name in refused.headers if name.startswith("access-control-")]
        assert not order.seen


async def test_the_storefront_is_the_default_origin() -> None:
    async with gateway.world(TABLE, storefront_url="http://localhost:4200/") as world:
        answer = await world.client.get("/api/nothing", headers={"Origin": "http://localhost:4200"})
        assert answer.headers["access-control-allow-origin"] == "http://localhost:4200"


@pytest.mark.parametrize("origin", ["*", "https://*.example", "shop.example"])
def test_a_wildcard_is_refused_at_start(origin: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="CORS_ORIGINS"):
        kit_testing.settings(app.Settings, gateway_cors_origins=[origin])
