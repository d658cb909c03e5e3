"""The catalogue says the same as the contract, and agrees with itself."""

import json
import re
from pathlib import Path

import pytest

from revcart.kit import topics
from revcart_operator.platform import catalogue, routes, spec, workload

SERVICES = Path(__file__).parents[2] / "services" / "revcart"
PORTS = {
    "gateway": 8080,
    "auth": 8081,
    "user": 8082,
    "product": 8083,
    "cart": 8084,
    "order": 8085,
    "payment": 8086,
    "notification": 8087,
    "delivery": 8088,
    "analytics": 8089,
    "admin": 8090,
}


def test_the_eleven_services_have_the_ports_of_the_contract() -> None:
    assert {service.name: service.port for service in catalogue.SERVICES} == PORTS
    assert catalogue.PAYSIM.port == 8091


def test_the_resource_has_a_key_for_each_service() -> None:
    assert set(workload.Services.model_fields) == set(catalogue.NAMES)


def test_no_database_belongs_to_two_services() -> None:
    owned = [name for service in catalogue.SERVICES for name in (service.database, service.documents) if name]
    assert len(owned) == len(set(owned))


def test_calls_and_topics_exist() -> None:
    known = {topic.name for topic in topics.TOPICS}
    for service in catalogue.SERVICES:
        assert set(service.calls) <= set(catalogue.NAMES) - {service.name}
        assert set(service.publishes) | set(service.consumes) <= known


@pytest.mark.parametrize("service", catalogue.SERVICES, ids=lambda service: service.name)
def test_what_the_code_does_is_declared(service: catalogue.Service) -> None:
    """NetworkPolicies are made from the catalogue: an arrow that is missing there is a call that fails there."""
    files = list((SERVICES / service.name).glob("*.py"))
    if not files:
        pytest.skip(f"{service.name} is not written yet")
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    assert set(re.findall(r'call\(\s*"(\w+)"', code)) <= set(service.calls)
    assert set(re.findall(r'topic="([\w-]+)"', code)) <= {*service.publishes, *service.consumes}
    assert service.cache == ("wires.cache" in code)


def test_every_topic_is_written_and_read() -> None:
    for topic in topics.TOPICS:
        assert any(topic.name in service.publishes for service in catalogue.SERVICES)
        assert any(topic.name in service.consumes for service in catalogue.SERVICES)


def test_money_moves_by_delivery_events_too() -> None:
    for name in ("order", "payment"):
        assert topics.ANALYTICS_EVENTS in catalogue.BY_NAME[name].consumes


def test_every_service_that_verifies_tokens_may_reach_auth() -> None:
    assert [service.name for service in catalogue.SERVICES if "auth" not in service.calls] == ["auth"]


def test_the_gateway_reaches_each_service_that_it_routes_to() -> None:
    routed = {route.service for route in routes.ROUTES} - {"gateway"}
    assert routed == set(catalogue.BY_NAME["gateway"].calls)


def test_no_route_is_listed_twice_and_none_is_internal() -> None:
    listed = [(method, route.path) for route in routes.ROUTES for method in route.methods or ("*",)]
    assert len(listed) == len(set(listed))
    assert all(route.path.startswith(("/api/", "/ws")) for route in routes.ROUTES)


def test_a_refund_is_not_open_and_a_webhook_is() -> None:
    by_path = {route.path: route for route in routes.ROUTES}
    assert by_path["/api/payments/refund"].access is routes.Access.TOKEN
    assert by_path["/api/payments/webhook"].access is routes.Access.OPEN
    assert by_path["/api/payments/webhook"].body == 256 * 1024


def test_changing_the_catalogue_needs_an_admin() -> None:
    changing = [
        route
        for route in routes.ROUTES
        if route.path.startswith(("/api/products", "/api/categories", "/api/admin", "/api/analytics"))
        and not set(route.methods) & {"GET"}
    ]
    assert changing
    assert {route.access for route in changing} == {routes.Access.ADMIN}


def test_the_route_table_is_plain_json() -> None:
    table = json.loads(json.dumps(routes.table()))
    assert table[0] == {
        "path": "/api/auth/login",
        "service": "auth",
        "access": "open",
        "limit": "login",
        "methods": ["POST"],
        "seconds": 10,
        "idle_seconds": 0,
        "body": 65536,
    }


def test_the_kind_is_the_contracts() -> None:
    assert (spec.API_VERSION, spec.KIND) == ("platform.revcart.io/v1alpha1", "RevCartPlatform")
