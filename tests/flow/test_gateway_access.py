"""Who gets past the gateway: the route table decides, and what it does not list is closed."""

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from revcart.gateway import domain, paths, routes
from revcart.kit import clock, tokens
from revcart.kit import testing as kit_testing
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CLOSED = [route for route in TABLE if route.access is not domain.Access.OPEN]
SERVICES = {route.service for route in TABLE} - {"gateway"}


def _calls(wanted: list[domain.Route]) -> list[tuple[str, str, domain.Route]]:
    """A method and a path for each route that lead to it and to no other."""
    table = routes.Table(TABLE)
    calls = []
    for route in wanted:
        path = route.path.replace("**", "7").replace("*", "7")
        for method in route.methods or METHODS:
            segments = paths.segments(path)
            assert segments is not None
            if table.match(method, segments) == route:
                calls.append((method, path, route))
    return calls


async def _stubs(world: gateway.World) -> dict[str, gateway.Stub]:
    return {service: await world.stub(service) for service in SERVICES}


@pytest.mark.regression("R6")
async def test_r06_every_route_is_closed_by_default() -> None:
    time = clock.Manual()
    stranger = kit_testing.Identity(
        time, key=tokens.SigningKey(kid="test", private=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    )
    async with gateway.world(TABLE, clock=time, gateway_rate_limits="Off") as world:
        stubs = await _stubs(world)
        time.advance(-100)
        expired = world.identity.token(role="ADMIN", seconds=10)
        time.advance(100)
        bad = {
            "garbage": "x.y.z",
            "expired": expired,
            "another audience": world.identity.token(role="ADMIN", audience="elsewhere"),
            "another issuer": world.identity.token(role="ADMIN", issuer="elsewhere"),
            "another key": stranger.token(role="ADMIN"),
            "a service's": world.identity.service_token("order", "gateway"),
        }
        calls = _calls(CLOSED)
        assert {route.path for _, _, route in calls} == {route.path for route in CLOSED}, "each closed route is tried"
        for method, path, route in calls:
            if route.access is not domain.Access.OPTIONAL:
                refused = await world.client.request(method, path)
                assert (refused.status_code, refused.json()["code"]) == (401, "auth.token-missing"), (method, path)
                assert refused.headers["www-authenticate"].startswith("Bearer")
            for kind, token in bad.items():
                refused = await world.client.request(method, path, headers={"Authorization": f"Bearer {token}"})
                assert refused.status_code == 401, (method, path, kind)
        assert (await world.client.get("/api/orders", headers={"Authorization": "Basic eDp5"})).status_code == 401
        for path in (
            "/",
            "/api",
            "/api/wishlist",
            "/api/recommendations/similar",
            "/api/unknown/7",
            "/internal/orders/7",
            "/api/orders/%2e%2e/%2e%2e/internal/orders/7",
            "/api/orders//7",
            "/api/products/..%2f..%2finternal",
            "/openapi.json",
            "/metrics",
        ):
            answer = await world.client.get(path, headers=world.identity.headers(role="ADMIN"))
            assert (answer.status_code, answer.json()["code"]) == (404, "resource.not-found"), path
        assert all(not stub.seen for stub in stubs.values()), "nothing of all that reached a service"


async def test_a_role_is_needed_where_the_table_says_so() -> None:
    async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
        stubs = await _stubs(world)
        for method, path, route in _calls(CLOSED):
            if route.access not in (domain.Access.ADMIN, domain.Access.AGENT):
                continue
            refused = await world.client.request(method, path, headers=world.identity.headers(role="CUSTOMER"))
            assert (refused.status_code, refused.json()["code"]) == (403, "auth.forbidden"), (method, path)
            assert not stubs[route.service].seen
            role: tokens.Role = "ADMIN" if route.access is domain.Access.ADMIN else "DELIVERY_AGENT"
            headers = world.identity.headers(role=role)
            assert (await world.client.request(method, path, headers=headers)).status_code == 200, (method, path)
            assert stubs[route.service].seen.pop().header("authorization") == headers["Authorization"]


async def test_open_and_optional_routes_need_no_token_and_open_ones_do_not_look_at_it() -> None:
    async with gateway.world(TABLE, gateway_rate_limits="Off") as world:
        stubs = await _stubs(world)
        bad = {"Authorization": "Bearer nonsense"}
        for method, path, route in _calls([route for route in TABLE if route.service != "gateway"]):
            if route.access is domain.Access.OPEN:
                assert (await world.client.request(method, path, headers=bad)).status_code == 200
                assert stubs[route.service].seen.pop().header("authorization") == "Bearer nonsense"
        assert (await world.client.get("/api/cart")).status_code == 200
        assert (await world.client.get("/api/cart", headers=bad)).status_code == 401
        assert (await world.client.get("/api/cart", headers=world.identity.headers())).status_code == 200


async def test_an_ended_session_is_refused_within_five_seconds() -> None:
    time = clock.Manual()
    async with gateway.world(TABLE, clock=time) as world:
        await world.stub("order")
        headers = {"Authorization": f"Bearer {world.identity.token(sid='session-1')}"}
        other = {"Authorization": f"Bearer {world.identity.token(sid='session-2')}"}
        assert (await world.client.get("/api/orders", headers=headers)).status_code == 200
        await world.end_session("session-1")
        time.advance(5)
        refused = await world.client.get("/api/orders", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "auth.token-revoked")
        assert (await world.client.get("/api/orders", headers=other)).status_code == 200


async def test_a_remembered_token_still_expires() -> None:
    time = clock.Manual()
    async with gateway.world(TABLE, clock=time) as world:
        await world.stub("order")
        headers = {"Authorization": f"Bearer {world.identity.token(seconds=60)}"}
        assert (await world.client.get("/api/orders", headers=headers)).status_code == 200
        time.advance(dt.timedelta(seconds=60 + 31).total_seconds())
        refused = await world.client.get("/api/orders", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "auth.token-expired")


async def test_the_actuator_answers_direct_callers_only() -> None:
    async with gateway.world(TABLE) as world:
        direct = world.client_of(world.gateway, host="10.1.2.3")
        assert (await direct.get("/actuator/health/readiness")).json()["status"] == "UP"
        assert (await direct.get("/actuator/prometheus")).status_code == 200
        for header in ({"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}):
            assert (await world.client.get("/actuator/health", headers=header)).status_code == 404
