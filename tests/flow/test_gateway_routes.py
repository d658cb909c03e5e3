"""Which service a request goes to, and that it arrives there under the path it was sent to."""

import pytest

from revcart.gateway import domain, paths, routes
from revcart.kit import errors
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.regression("R21")
async def test_r21_paths_are_identical() -> None:
    async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
        stubs = {name: await world.stub(name) for name in {route.service for route in TABLE} - {"gateway"}}
        tried = set()
        for route in TABLE:
            if route.service == "gateway":
                continue
            role = route.access.value if route.access in (domain.Access.ADMIN, domain.Access.AGENT) else "ADMIN"
            headers = world.identity.headers(role=role)  # type: ignore[arg-type]
            for method in route.methods or METHODS:
                path = route.path.replace("**", "7/x%2Fy%20%C3%A4").replace("*", "8")
                target = f"{path}?q=a%20b&q=c+d&empty="
                if routes.Table(TABLE).match(method, _segments(path)) != route:
                    continue
                answer = await world.client.request(method, target, headers=headers)
                assert answer.status_code == 200, (method, target)
                seen = stubs[route.service].seen.pop()
                assert (seen.method, seen.target) == (method, target)
                tried.add(route.path)
        assert not any(stub.seen for stub in stubs.values()), "each request reached one service once"
        assert tried == {route.path for route in TABLE if route.service != "gateway"}


def _segments(path: str) -> paths.Segments:
    segments = paths.segments(path.replace("%2F", "/").replace("%20", " "))
    assert segments is not None
    return segments


@pytest.mark.parametrize(
    ("method", "path", "service", "access", "limit"),
    [
        ("POST", "/api/auth/login", "auth", "open", "login"),
        ("GET", "/api/auth/login", "auth", "open", "default"),
        ("GET", "/api/products", "product", "open", "browse"),
        ("HEAD", "/api/products/7/", "product", "open", "browse"),
        ("POST", "/api/products", "product", "ADMIN", "default"),
        ("POST", "/api/products/search", "product", "open", "search"),
        ("PUT", "/api/products/search", "product", "ADMIN", "default"),
        ("POST", "/api/orders", "order", "token", "checkout"),
        ("POST", "/api/orders/7/cancel", "order", "token", "default"),
        ("POST", "/api/coupons/validate", "order", "optional", "search"),
        ("GET", "/api/coupons/7", "order", "token", "default"),
        ("DELETE", "/api/coupons/7", "order", "ADMIN", "default"),
        ("GET", "/api/delivery/track/abc", "delivery", "open", "track"),
        ("GET", "/api/delivery/track/abc/more", "delivery", "token", "default"),
        ("PUT", "/api/delivery/agents/7/location", "delivery", "DELIVERY_AGENT", "ping"),
        ("GET", "/api/delivery/agents/7/location", "delivery", "token", "default"),
        ("GET", "/ws/000/abc/xhr", "notification", "open", "realtime"),
    ],
)
def test_the_longest_prefix_wins_and_a_method_narrows(
    method: str, path: str, service: str, access: str, limit: str
) -> None:
    segments = paths.segments(path)
    assert segments is not None
    route = routes.Table(TABLE).match(method, segments)
    assert (route.service, route.access.value, route.limit) == (service, access, limit)


async def test_a_method_that_is_not_served_is_405_with_allow() -> None:
    async with gateway.world(TABLE) as world:
        refused = await world.client.delete("/api/notifications/push/public-key/")
        assert refused.status_code == 401, "the shorter prefix takes every method"
        refused = await world.client.post("/api/openapi.json")
        assert (refused.status_code, refused.json()["code"]) == (405, "request.method-not-allowed")
        assert refused.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["//", "/a//b", "/a/../b", "/a/./b", "/a\\b", "/a\x00b", "a"])
def test_ambiguous_paths_are_no_paths(path: str) -> None:
    assert paths.segments(path) is None or path == "//"


def test_segments_ignore_a_trailing_slash() -> None:
    assert paths.segments("/a/b/") == paths.segments("/a/b") == ("a", "b")
    assert paths.segments("/") == ()


def test_an_empty_table_serves_nothing() -> None:
    with pytest.raises(errors.NotFound):
        routes.Table([]).match("GET", ("api", "products"))
