"""The names of the seed, everywhere the same."""

import importlib
import re
from pathlib import Path
from typing import get_args

import pytest

from revcart.kit import topics
from revcart.order import domain as order
from revcart_operator.platform import catalogue

ROOT = Path(__file__).parents[2]

PORTS = {
    "gateway": 8080, "auth": 8081, "user": 8082, "product": 8083, "cart": 8084, "order": 8085, "payment": 8086,
    "notification": 8087, "delivery": 8088, "analytics": 8089, "admin": 8090,
}  # fmt: skip
DATABASES = {
    "auth": "revcart_auth", "user": "revcart_users", "product": "revcart_products", "order": "revcart_orders",
    "payment": "revcart_payments", "delivery": "revcart_delivery", "admin": "revcart_admin",
}  # fmt: skip
DOCUMENTS = {"notification": "revcart_notifications", "analytics": "revcart_analytics"}
TOPICS = {"order-events", "payment-events", "notification-events", "analytics-events"}
STATES = {"PENDING", "CONFIRMED", "PREPARING", "OUT_FOR_DELIVERY", "DELIVERED", "CANCELLED"}


@pytest.mark.regression("R32")
def test_r32_order_states_are_the_seeds() -> None:
    assert {state.value for state in order.Status} == STATES
    foreign = re.compile(r"\b(PROCESSING|SHIPPED|PACKED|PLACED_ORDER)\b")
    for path in (ROOT / "services" / "revcart" / "order").rglob("*.py"):
        assert not foreign.search(path.read_text()), path


@pytest.mark.regression("R55")
def test_r55_names_are_the_seeds() -> None:
    services = catalogue.BY_NAME
    assert {name: services[name].port for name in PORTS} == PORTS
    assert {service.name for service in catalogue.SERVICES} == set(PORTS)
    assert {name: services[name].database for name in DATABASES} == DATABASES
    assert {name: services[name].documents for name in DOCUMENTS} == DOCUMENTS
    assert {topic.name for topic in topics.TOPICS} == TOPICS
    for name, port in PORTS.items():
        module = importlib.import_module(f"revcart.{name}.app")
        fields = module.Settings.model_fields
        assert (fields["service"].default, fields["port"].default) == (name, port)


def test_roles_are_the_seeds() -> None:
    from revcart.kit import tokens

    assert set(get_args(tokens.Role)) == {"CUSTOMER", "ADMIN", "DELIVERY_AGENT"}
