"""What holds for the objects of every platform, whatever it says."""

import base64
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests import renders

from revcart_operator.platform import catalogue, spec
from revcart_operator.render import manifests, pods, quantities

SERVICES = st.sampled_from(catalogue.NAMES)
WORKLOADS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 5),
        "spread": st.sampled_from(["None", "Node", "Zone"]),
        "logLevel": st.sampled_from(["DEBUG", "WARNING"]),
        "resources": st.sampled_from(
            [{"requests": {"cpu": "0.5", "memory": "1024Mi"}}, {"limits": {"cpu": "1000m", "memory": "1G"}}]
        ),
        "autoscaling": st.sampled_from([{"type": "HPA"}, {"type": "HPA", "minReplicas": 4}, {"type": "None"}]),
        "podDisruptionBudget": st.sampled_from([{"minAvailable": 0}, {"maxUnavailable": 1}, {}]),
        "env": st.sampled_from([[{"name": "REVCART_ORDER_UNPAID_SECONDS", "value": "5"}], []]),
        "podTemplate": st.sampled_from(
            [
                {"labels": {"app.kubernetes.io/component": "evil", "team": "a"}, "annotations": {"empty": ""}},
                {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "a", "operator": "Exists"}]},
                {"affinity": {"podAffinity": {}}, "priorityClassName": "high"},
            ]
        ),
    },
)
EXTERNAL = {
    name: {"mode": "External", "external": {"secretRef": {"name": f"my-{name}"}}}
    for name in ("mysql", "mongodb", "redis", "kafka", "consul")
}
TLS = {"mode": "External", "external": {"host": "h.example.com", "tls": {"caSecretRef": {"name": "my-ca"}}}}
STORES = st.fixed_dictionaries(
    {},
    optional={
        name: st.sampled_from(
            [
                external,
                TLS if name != "kafka" else external,
                {"mode": "Managed", "managed": {"storage": {"size": "0.5Gi", "storageClassName": "fast"}}},
                {"mode": "Managed", "managed": {"version": "9", "resources": {"limits": {"cpu": "1"}}}},
            ]
        )
        for name, external in EXTERNAL.items()
    },
)
EXPOSURES = st.sampled_from(
    [
        {"type": "None"},
        {"type": "Ingress", "host": "shop.example.com"},
        {
            "type": "Ingress",
            "host": "shop.example.com",
            "tls": {"secretName": "t"},
            "ingress": {"className": "nginx", "annotations": {"a/b": ""}},
        },
        {"type": "Gateway", "host": "a.b", "gateway": {"parentRefs": [{"name": "public", "namespace": "gateways"}]}},
    ]
)
LIVE = {"razorpay": {"mode": "Live", "secretRef": {"name": "razorpay"}}}
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(["Development", "Standard"]),
        "runState": st.sampled_from(["Running", "Hibernated"]),
        "deletionPolicy": st.sampled_from([{"stores": "Delete"}, {"secrets": "Delete"}]),
        "images": st.sampled_from(
            [
                {"registry": "r.example.com/x", "pullPolicy": "Always", "pullSecrets": [{"name": "pull"}]},
                {"overrides": [{"name": "mysql", "image": "m:1"}, {"name": "order", "image": "o:1"}]},
            ]
        ),
        "serviceDefaults": WORKLOADS,
        "services": st.dictionaries(SERVICES, WORKLOADS, max_size=3),
        "stores": STORES,
        "exposure": EXPOSURES,
        "security": st.sampled_from([{"networkPolicy": "Enabled"}, {"networkPolicy": "Disabled"}]),
        "updateStrategy": st.sampled_from([{"type": "AllAtOnce"}, {"progressDeadlineSeconds": 60}]),
        "observability": st.sampled_from(
            [{"serviceMonitor": "Enabled"}, {"otlpEndpoint": "http://otel.observability:4318"}]
        ),
    },
)
NAMES = st.sampled_from(["shop", "a", "a-shop-with-a-name-as-long-as-it-may-be1", "revcart"])


@st.composite
def platforms(draw: st.DrawFn) -> spec.RevCartPlatform:
    fields: dict[str, Any] = draw(SPECS)
    modes: list[dict[str, Any]] = [{"razorpay": {"mode": "Simulated"}}, LIVE]
    payment = draw(st.sampled_from(modes))
    services = fields.get("services", {})
    own = {**services.get("payment", {}), **payment}
    return renders.platform(draw(NAMES), **{**fields, "services": {**services, "payment": own}})


many = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(platforms(), platforms())
def test_the_same_platform_is_the_same_objects_whatever_was_rendered_between(
    one: spec.RevCartPlatform, other: spec.RevCartPlatform
) -> None:
    first = renders.steps(one)
    renders.steps(other)
    assert renders.steps(one) == first


@many
@given(platforms())
def test_every_object_is_labelled_owned_and_named_once(platform: spec.RevCartPlatform) -> None:
    found = renders.objects(platform)
    for each in found:
        metadata = each["metadata"]
        assert metadata["namespace"] == "shops"
        assert metadata["labels"]["platform.revcart.io/platform"] == platform.name
        assert metadata["labels"]["app.kubernetes.io/instance"] == platform.name
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "revcart-operator"
        assert metadata["ownerReferences"][0]["uid"] == renders.UID
        assert metadata["name"].startswith(f"{platform.name[:20]}")
        assert max(map(len, (metadata["name"], *metadata["labels"].values()))) <= 63
    identities = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(identities)) == len(identities)


@many
@given(platforms())
def test_no_secret_value_is_outside_a_secret(platform: spec.RevCartPlatform) -> None:
    text = repr([each for each in renders.objects(platform) if each["kind"] != "Secret"])
    # Razorpay's key id is no secret: browsers have it.
    values = set(renders.CREDENTIALS.values()) - {renders.CREDENTIALS["razorpay-key-id"]}
    assert [value for value in values if value in text] == []
    assert "secret-razorpay-key-secret" not in text


@many
@given(platforms())
def test_every_pod_is_restricted_and_bounded(platform: spec.RevCartPlatform) -> None:
    for owner, template in renders.pod_templates(renders.objects(platform)):
        assert list(pods.weaknesses(template["spec"])) == [], owner["metadata"]["name"]
        selector = owner["spec"].get("selector", {}).get("matchLabels", {})
        assert selector.items() <= template["metadata"]["labels"].items()
        for container in renders.containers(template):
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            if owner["kind"] != "Job":
                assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()


@many
@given(platforms())
def test_a_service_selects_the_pods_of_its_own_part_alone(platform: spec.RevCartPlatform) -> None:
    found = renders.objects(platform)
    for service in (each for each in found if each["kind"] == "Service"):
        selector = service["spec"]["selector"].items()
        selected = [
            owner["metadata"]["name"]
            for owner, template in renders.pod_templates(found)
            if selector <= template["metadata"]["labels"].items()
        ]
        assert selected == [service["metadata"]["name"]]


@many
@given(platforms())
def test_everything_that_is_mounted_is_rendered_or_needed(platform: spec.RevCartPlatform) -> None:
    found = renders.objects(platform)
    keys = {each["metadata"]["name"]: set(each["data"]) for each in found if each["kind"] == "Secret"}
    accounts = {each["metadata"]["name"] for each in found if each["kind"] == "ServiceAccount"}
    needed = set(manifests.needs(platform))
    for _, template in renders.pod_templates(found):
        pod = template["spec"]
        assert pod["serviceAccountName"] in accounts
        volumes = {each["name"] for each in pod["volumes"]}
        for volume in pod["volumes"]:
            sources = [volume["secret"]] if "secret" in volume else volume.get("projected", {}).get("sources", [])
            for source in sources:
                name = source["secretName"] if "secretName" in source else source["secret"]["name"]
                assert name in keys or name in needed
                if name in keys:
                    assert {item["key"] for item in source.get("items", ())} <= keys[name]
        for container in renders.containers(template):
            mounted = {each["name"] for each in container["volumeMounts"]}
            assert mounted - volumes <= {"data"}  # of a volumeClaimTemplate
            for variable in container.get("env", ()):
                if ref := variable.get("valueFrom", {}).get("secretKeyRef"):
                    assert ref["key"] in keys[ref["name"]]


def _empties(value: Any, path: str = "") -> list[str]:
    if value is None or value in ({}, []):
        return [path]
    if isinstance(value, dict):
        as_given = {"affinity", "annotations", "data", "labels", "nodeSelector"}
        return [each for key, held in value.items() if key not in as_given for each in _empties(held, f"{path}/{key}")]
    if isinstance(value, list):
        return [each for index, held in enumerate(value) for each in _empties(held, f"{path}/{index}")]
    return []


@many
@given(platforms())
def test_nothing_is_rendered_that_the_server_would_write_otherwise(platform: spec.RevCartPlatform) -> None:
    for each in renders.objects(platform):
        assert _empties(each) == []
        for _, template in renders.pod_templates([each]):
            for container in renders.containers(template):
                assert all(variable.get("value", "x") for variable in container.get("env", ()))
                assert all(isinstance(variable.get("value", ""), str) for variable in container.get("env", ()))
                for amounts in container["resources"].values():
                    assert all(quantities.canonical(amount) == amount for amount in amounts.values())
    for secret in (each for each in renders.objects(platform) if each["kind"] == "Secret"):
        assert all(base64.b64decode(value) for value in secret["data"].values())


def _requested(found: list[dict[str, Any]], resource: str, *, jobs: bool) -> Fraction:
    total = Fraction(0)
    for owner, template in renders.pod_templates(found):
        if (owner["kind"] == "Job") != jobs:
            continue
        amounts = [quantities.amount(each["resources"]["requests"][resource]) for each in renders.containers(template)]
        total += (max(amounts) if jobs else sum(amounts)) * owner["spec"].get("replicas", 1)
    return total


def test_development_fits_on_two_cores_and_eight_gibibytes() -> None:
    """With the control plane beside it; Jobs run while the release before still serves."""
    found = renders.objects(renders.sample("development"))
    cpu = _requested(found, "cpu", jobs=False) + _requested(found, "cpu", jobs=True)
    memory = _requested(found, "memory", jobs=False) + _requested(found, "memory", jobs=True)
    assert cpu <= Fraction(3, 2)
    assert memory <= 4 * 2**30


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1", "1"),
        ("0", "0"),
        ("1024Mi", "1Gi"),
        ("0.5Gi", "512Mi"),
        ("1000Ki", "1000Ki"),
        ("2000M", "2G"),
        ("1500M", "1500M"),
        ("134217728", "134217728"),
        ("1000", "1k"),
        ("0.1Ki", "102400m"),
    ],
)
def test_quantities_are_spelled_as_the_server_spells_them(written: str, canonical: str) -> None:
    assert quantities.canonical(written) == canonical
