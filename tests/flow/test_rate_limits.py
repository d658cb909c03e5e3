"""Rate limits at the door: by user where there is one, else by address."""

import pytest

from revcart.gateway import domain
from revcart.kit import clock
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]


def _from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def _count(world: gateway.World, method: str, path: str, headers: dict[str, str], *, most: int) -> int:
    """How many requests pass before the first 429."""
    for passed in range(most):
        if (await world.client.request(method, path, headers=headers)).status_code == 429:
            return passed
    return most


@pytest.mark.regression("R8")
async def test_r08_excess_is_refused() -> None:
    time = clock.Manual()
    async with gateway.world(TABLE, clock=time) as world:
        auth, order, product = [await world.stub(name) for name in ("auth", "order", "product")]

        # by address: sign-in, ten at once and ten a minute
        one, other = _from("203.0.113.1"), _from("203.0.113.2")
        assert await _count(world, "POST", "/api/auth/login", one, most=20) == 10
        refused = await world.client.post("/api/auth/login", headers=one)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate.limited")
        assert refused.headers["retry-after"] == "6"
        assert refused.headers["ratelimit-policy"] == '"login";q=10;w=60, "login-hour";q=100;w=3600'
        assert refused.headers["ratelimit"] == '"login";r=0;t=6'
        assert (await world.client.post("/api/auth/login", headers=other)).status_code == 200, "another address may"
        time.advance(6)
        assert await _count(world, "POST", "/api/auth/login", one, most=20) == 1
        assert len(auth.seen) == 12, "what is refused reaches nobody"

        # by user, from wherever; another user from the same address is not touched
        alice, bob = world.identity.headers(user_id=1), world.identity.headers(user_id=2)
        passed = await _count(world, "POST", "/api/orders", {**alice, **one}, most=30)
        passed += await _count(world, "POST", "/api/orders", {**alice, **other}, most=30)
        assert passed == 5, "20 a minute, of which five at once"
        assert (await world.client.post("/api/orders", headers={**bob, **one})).status_code == 200
        assert len(order.seen) == 6

        # an hour's worth of sign-in
        third = _from("203.0.113.3")
        total = 0
        for _ in range(30):
            total += await _count(world, "POST", "/api/auth/login", third, most=20)
            time.advance(60)
        assert 100 <= total <= 100 + 100 * 30 / 60 + 1
        assert not product.seen


async def test_each_class_has_its_own_quota_and_says_so() -> None:
    async with gateway.world(TABLE, clock=clock.Manual()) as world:
        await world.stub("product")
        headers = _from("203.0.113.1")
        browse = await world.client.get("/api/products", headers=headers)
        assert browse.headers["ratelimit-policy"] == '"browse";q=300;w=60'
        assert browse.headers["ratelimit"] == '"browse";r=59;t=1'
        assert await _count(world, "GET", "/api/products/search", headers, most=100) == 12
        assert (await world.client.get("/api/products", headers=headers)).status_code == 200, "another class"
        assert await _count(world, "GET", "/api/products", headers, most=100) == 58


async def test_a_known_user_browses_on_the_users_quota() -> None:
    async with gateway.world(TABLE, clock=clock.Manual()) as world:
        await world.stub("product")
        await world.stub("order")
        headers = {**world.identity.headers(), **_from("203.0.113.1")}
        unknown = await world.client.get("/api/products", headers=headers)
        assert unknown.headers["ratelimit-policy"] == '"browse";q=300;w=60'
        await world.client.get("/api/orders", headers=headers)
        known = await world.client.get("/api/products", headers=headers)
        assert known.headers["ratelimit-policy"] == '"browse";q=600;w=60'


async def test_an_address_as_a_whole_is_held_even_where_no_route_is() -> None:
    async with gateway.world(TABLE, clock=clock.Manual()) as world:
        headers = _from("203.0.113.1")
        assert await _count(world, "GET", "/api/nothing", headers, most=400) == 300
        refused = await world.client.get("/api/nothing", headers=headers)
        assert refused.headers["ratelimit-policy"] == '"address";q=1500;w=60'


async def test_ipv6_is_counted_by_64_and_forged_addresses_do_not_help() -> None:
    async with gateway.world(TABLE, clock=clock.Manual()) as world:
        await world.stub("auth")
        for number in range(10):
            address = _from(f"2001:db8:1:2::{number + 1}")
            assert (await world.client.post("/api/auth/login", headers=address)).status_code == 200
        assert await _count(world, "POST", "/api/auth/login", _from("2001:db8:1:2:ffff::1"), most=5) == 0
        assert await _count(world, "POST", "/api/auth/login", _from("2001:db8:1:3::1"), most=20) == 10
        # only the rightmost address that is no trusted proxy counts; what a client wrote before it does not
        for number in range(10):
            address = _from(f"198.51.100.{number}, 203.0.113.9, 127.0.0.1")
            assert (await world.client.post("/api/auth/login", headers=address)).status_code == 200
        assert await _count(world, "POST", "/api/auth/login", _from("198.51.100.99, 203.0.113.9"), most=5) == 0


async def test_with_the_cache_away_all_passes_but_sign_in_is_counted_here() -> None:
    time = clock.Manual()
    async with gateway.world(TABLE, clock=time) as world:
        world.hub.cache.cut()
        await world.stub("auth")
        await world.stub("product")
        headers = _from("203.0.113.1")
        assert await _count(world, "GET", "/api/products/search", headers, most=40) == 40
        assert await _count(world, "POST", "/api/auth/login", headers, most=40) == 10
        time.advance(6)
        assert await _count(world, "POST", "/api/auth/login", headers, most=40) == 1
        assert await _count(world, "POST", "/api/auth/login", _from("203.0.113.2"), most=40) == 10
        metrics = (await world.client.get("/actuator/prometheus")).text
        line = next(it for it in metrics.splitlines() if it.startswith("revcart_gateway_limit_errors_total "))
        assert float(line.split()[1]) >= 60
        world.hub.cache.heal()
        time.advance(10)  # the limiter's breaker tries again
        assert (await world.client.get("/api/products/search", headers=headers)).headers["ratelimit"]
