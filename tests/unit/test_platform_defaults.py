"""The effective spec: the profile's defaults below, the user's words on top."""

from typing import Any

import yaml

from revcart_operator.platform import catalogue, effective, loading, spec, store


def resolved(**fields: Any) -> spec.RevCartPlatform:
    document = {
        "apiVersion": spec.API_VERSION,
        "kind": spec.KIND,
        "metadata": {"name": "shop"},
        "spec": {"version": "0.1.0", **fields},
    }
    return effective.resolve(loading.parse(yaml.safe_dump(document)))


SIMULATED = {"payment": {"razorpay": {"mode": "Simulated"}}}


def test_development_is_small() -> None:
    platform = resolved()
    order = platform.spec.services.order
    assert (order.replicas, order.autoscaling.type, order.spread) == (1, "None", "None")
    assert platform.spec.demo_data is spec.Switch.DISABLED
    assert platform.spec.services.payment.razorpay.mode == "Simulated"


def test_every_service_and_every_store_is_spelled_out() -> None:
    written = effective.as_document(resolved())["spec"]
    assert set(written["services"]) == set(catalogue.NAMES)
    assert {name: entry["mode"] for name, entry in written["stores"].items()} == dict.fromkeys(store.NAMES, "Managed")
    assert written["stores"]["mysql"]["managed"]["version"] == "8.4"


def test_standard_survives_the_loss_of_a_node() -> None:
    order = resolved(profile="Standard", services=SIMULATED).spec.services.order
    assert (order.replicas, order.pod_disruption_budget.max_unavailable, order.spread) == (2, 1, "Node")


def test_service_words_win_over_service_defaults_and_those_over_the_profile() -> None:
    services = resolved(
        profile="Standard",
        serviceDefaults={"replicas": 4, "logLevel": "WARNING", "env": [{"name": "A", "value": "1"}]},
        services={**SIMULATED, "order": {"replicas": 5, "env": [{"name": "B", "value": "2"}]}},
    ).spec.services
    assert (services.order.replicas, services.cart.replicas) == (5, 4)
    assert services.order.log_level == "WARNING"
    assert [(variable.name, variable.value) for variable in services.order.env] == [("A", "1"), ("B", "2")]
    assert services.order.spread == "Node"


def test_a_service_replaces_a_default_variable_of_the_same_name() -> None:
    services = resolved(
        serviceDefaults={"env": [{"name": "A", "value": "1"}]},
        services={"order": {"env": [{"name": "A", "value": "2"}]}},
    ).spec.services
    assert [variable.value for variable in services.order.env] == ["2"]
    assert [variable.value for variable in services.cart.env] == ["1"]


def test_one_end_of_the_autoscaling_range_moves_the_other() -> None:
    scaling = resolved(services={"order": {"autoscaling": {"type": "HPA", "minReplicas": 12}}}).spec.services.order
    assert (scaling.autoscaling.min_replicas, scaling.autoscaling.max_replicas) == (12, 12)


def test_a_budget_replaces_the_profiles_budget() -> None:
    budget = resolved(
        profile="Standard",
        services={**SIMULATED, "order": {"podDisruptionBudget": {"minAvailable": 1}}},
    ).spec.services.order.pod_disruption_budget
    assert (budget.min_available, budget.max_unavailable) == (1, None)


def test_an_external_store_gets_no_managed_part() -> None:
    mysql = resolved(
        stores={"mysql": {"mode": "External", "external": {"secretRef": {"name": "rds"}}}}
    ).spec.stores.mysql
    assert mysql.managed is None
    assert mysql.external is not None
    assert mysql.external.tls.mode == "VerifyFull"


def test_resolving_twice_changes_nothing() -> None:
    once = resolved(profile="Standard", services=SIMULATED)
    assert effective.as_document(effective.resolve(once)) == effective.as_document(once)
