"""Whatever is sent, a service answers as its OpenAPI document says, and never with a 5xx."""

from collections.abc import Iterator
from typing import Any

import httpx2
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import CHECKS

from revcart.auth import demo
from revcart.kit import tokens
from revcart_operator.local import secrets
from revcart_operator.platform import catalogue
from tests import shop as shops

EXAMPLES = 12  # per operation, half of them against the schema
NAMES = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[shops.Shop]:
    """A shop of its own: what is sent here deletes products and ends sessions."""
    with shops.running(tmp_path_factory.mktemp("fuzzed")) as running:
        yield running


def headers(shop: shops.Shop, service: str) -> tuple[dict[str, str], tokens.ServiceTokens]:
    """An ADMIN's header for `/api`, and what signs for `/internal`."""
    answer = httpx2.post(
        f"{shop.url(catalogue.BY_NAME['auth'].port)}/api/auth/login",
        json={"email": demo.PEOPLE[0][3], "password": demo.PASSWORD},
    )
    secret = secrets.load_or_make(shop.data / "secrets.json").service_token
    return {"Authorization": f"Bearer {answer.json()['token']}"}, tokens.ServiceTokens([secret])


def callers(operation: Any) -> tuple[str, ...]:
    """Every service, since the document does not say which of them may call."""
    return tuple(service.name for service in catalogue.SERVICES)


@pytest.mark.parametrize("service", [service.name for service in catalogue.SERVICES if service.name != "gateway"])
def test_nothing_breaks_a_service(fuzzed: shops.Shop, service: str) -> None:
    base = fuzzed.url(catalogue.BY_NAME[service].port)
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    user, signer = headers(fuzzed, service)
    session = requests.Session()
    checks = CHECKS.get_by_names(list(NAMES))
    failures: list[str] = []
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        internal = operation.path.startswith("/internal")
        modes = schemathesis.GenerationMode
        cases = st.one_of(
            operation.as_strategy(generation_mode=modes.POSITIVE), operation.as_strategy(generation_mode=modes.NEGATIVE)
        )

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=cases, caller=st.sampled_from(callers(operation)))
        def attack(case: schemathesis.Case, caller: str, *, internal: bool = internal) -> None:
            signed = {"Authorization": f"Bearer {signer.mint(caller, service)}"}
            answer = case.call(headers=signed if internal else user, session=session, base_url=base, timeout=20)
            case.validate_response(answer, checks=checks)

        try:
            attack()
        except Exception as failure:  # collected, so that one run shows them all
            failures.append(f"{operation.method.upper()} {operation.path}: {failure!s:.1500}")
        tried += 1
    assert tried > 0
    assert not failures, "\n\n".join(failures)
