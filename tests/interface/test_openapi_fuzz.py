"""Whatever is sent, a service answers as its OpenAPI document says, and never with a 5xx."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import httpx2
import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import CHECKS
from tests import shop as shops

from revcart.auth import demo
from revcart.kit import tokens
from revcart_operator.local import secrets
from revcart_operator.platform import catalogue

EXAMPLES = 8  # per operation, half of them against the schema
NAMES = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[shops.Shop]:
    """A shop of its own: what is sent here deletes products and ends sessions."""
    with shops.running(tmp_path_factory.mktemp("fuzzed")) as running:
        yield running


def headers(shop: shops.Shop) -> tuple[dict[str, str], tokens.ServiceTokens]:
    """An ADMIN's header for `/api`, and what signs for `/internal`."""
    answer = httpx2.post(
        f"{shop.url(catalogue.BY_NAME['auth'].port)}/api/auth/login",
        json={"email": demo.PEOPLE[0][3], "password": demo.PASSWORD},
    )
    secret = secrets.load_or_make(shop.data / "secrets.json").service_token
    return {"Authorization": f"Bearer {answer.json()['token']}"}, tokens.ServiceTokens([secret])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A service under attack."""

    service: str
    base: str
    user: dict[str, str]
    signer: tokens.ServiceTokens
    session: requests.Session

    def attack(self, operation: Any) -> None:
        """Send what fits the schema and what does not; raises what a check found."""
        modes = schemathesis.GenerationMode
        right = operation.as_strategy(generation_mode=modes.POSITIVE)
        wrong = operation.as_strategy(generation_mode=modes.NEGATIVE)
        internal = operation.path.startswith("/internal")
        # The document does not say which services may call: those that may not are answered 403, as documented.
        callers = st.sampled_from([service.name for service in catalogue.SERVICES])

        @hypothesis.settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(case=right | wrong, caller=callers)
        def send(case: schemathesis.Case, caller: str) -> None:
            signed = {"Authorization": f"Bearer {self.signer.mint(caller, self.service)}"}
            answer = case.call(
                base_url=self.base, headers=signed if internal else self.user, session=self.session, timeout=20
            )
            case.validate_response(answer, checks=CHECKS.get_by_names(list(NAMES)))

        send()


@pytest.mark.parametrize("service", [service.name for service in catalogue.SERVICES if service.name != "gateway"])
def test_nothing_breaks_a_service(fuzzed: shops.Shop, service: str) -> None:
    base = fuzzed.url(catalogue.BY_NAME[service].port)
    user, signer = headers(fuzzed)
    target = Target(service=service, base=base, user=user, signer=signer, session=requests.Session())
    operations = [found.ok() for found in schemathesis.openapi.from_url(f"{base}/openapi.json").get_all_operations()]
    assert operations
    failures: list[str] = []
    for operation in operations:
        try:
            target.attack(operation)
        except Exception as failure:  # collected, so that one run shows them all
            failures.append(f"{operation.method.upper()} {operation.path}: {failure!s:.1500}")
    assert not failures, "\n\n".join(failures)
