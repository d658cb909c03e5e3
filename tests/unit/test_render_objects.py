"""What a platform's words do to the objects that it becomes."""

import base64
import json
from typing import Any

import pytest
from tests import renders

from revcart_operator.platform import catalogue, spec
from revcart_operator.render import manifests, network, references, site

SIMULATED = {"payment": {"razorpay": {"mode": "Simulated"}}}
INGRESS = {"type": "Ingress", "host": "shop.example.com"}


def pod(found: list[dict[str, Any]], kind: str, part: str) -> dict[str, Any]:
    spec_: dict[str, Any] = renders.one(found, kind, f"shop-{part}")["spec"]["template"]
    return spec_


def secret(found: list[dict[str, Any]], name: str) -> dict[str, str]:
    data = renders.one(found, "Secret", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def names_of(found: list[dict[str, Any]], kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in found if each["kind"] == kind}


def test_the_waves_of_a_platform_and_of_one_that_goes_to_sleep() -> None:
    ordered = ["foundation", "stores", "migrations", "services", "gateway", "exposure"]
    assert [step.name for step in renders.steps(renders.platform())] == ordered
    asleep = renders.steps(renders.platform(runState="Hibernated"))
    assert [step.name for step in asleep] == ["foundation", "exposure", "gateway", "services", "stores"]
    at_once = renders.steps(renders.platform(updateStrategy={"type": "AllAtOnce"}))
    assert "shop-gateway" in names_of(list(next(s for s in at_once if s.name == "services").objects), "Deployment")


def test_a_platform_that_sleeps_has_no_pods_and_keeps_volumes_and_secrets() -> None:
    awake, asleep = (renders.objects(renders.platform(runState=state)) for state in ("Running", "Hibernated"))
    workloads = [each for each in asleep if each["kind"] in ("Deployment", "StatefulSet")]
    assert {each["spec"]["replicas"] for each in workloads} == {0}
    assert names_of(asleep, "Job") == set()
    kept = {name for name in names_of(awake, "Secret") if "-migrate-" not in name}
    assert names_of(asleep, "Secret") == kept
    for each in (each for each in workloads if each["kind"] == "StatefulSet"):
        assert each["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
        before = renders.one(awake, "StatefulSet", each["metadata"]["name"])
        assert each["spec"]["volumeClaimTemplates"] == before["spec"]["volumeClaimTemplates"]


def test_volumes_go_with_the_platform_where_it_says_so() -> None:
    found = renders.objects(renders.platform(deletionPolicy={"stores": "Delete"}))
    policies = [each["spec"]["persistentVolumeClaimRetentionPolicy"] for each in found if each["kind"] == "StatefulSet"]
    assert len(policies) == 6
    assert all(policy == {"whenDeleted": "Delete", "whenScaled": "Retain"} for policy in policies)


def test_a_changed_secret_restarts_the_pods_that_read_it_and_no_other() -> None:
    before = renders.objects(renders.platform())
    after = renders.objects(renders.platform(), known=renders.facts(delivery_otp_key="another"))
    changed = {
        owner["metadata"]["name"]
        for (owner, template), (_, other) in zip(
            renders.pod_templates(before), renders.pod_templates(after), strict=True
        )
        if template != other
    }
    assert changed == {"shop-delivery"}


def test_a_new_password_runs_the_migrations_of_its_database_again() -> None:
    before = names_of(renders.objects(renders.platform()), "Job")
    after = names_of(renders.objects(renders.platform(), known=renders.facts(mysql_order_password="another")), "Job")
    assert {name.rpartition("-")[0] for name in before - after} == {"shop-migrate-order"}


def test_a_new_release_runs_all_migrations_again() -> None:
    old, new = (names_of(renders.objects(renders.platform(version=release)), "Job") for release in ("0.1.0", "0.2.0"))
    assert len(old) == len(new) == 9
    assert not old & new


def test_a_service_holds_its_own_password_and_no_other() -> None:
    found = renders.objects(renders.platform())
    order = secret(found, "shop-order")
    assert order["REVCART_DATABASE_URL"] == (
        "mysql+aiomysql://revcart_order:generated-mysql-order-password@shop-mysql:3306/revcart_orders"
    )
    text = json.dumps(order)
    assert "root" not in text
    assert "mysql-payment-password" not in text
    assert "generated-mysql-migrate" not in text


def test_only_the_jobs_know_root() -> None:
    found = renders.objects(renders.platform())
    knowing = {
        each["metadata"]["name"]
        for each in found
        if each["kind"] == "Secret"
        and any(b"root-password" in base64.b64decode(value) for value in each["data"].values())
    }
    jobs = {f"shop-migrate-{service.name}" for service in catalogue.SERVICES if service.database or service.documents}
    assert knowing == jobs | {"shop-mysql", "shop-mongodb"}


def test_managed_and_external_stores_are_found_by_the_same_keys() -> None:
    found = renders.objects(renders.platform())
    binding = secret(found, "shop-mysql-binding")
    assert (binding["type"], binding["host"], binding["port"]) == ("mysql", "shop-mysql", "3306")
    external = renders.platform(
        stores={"mysql": {"mode": "External", "external": {"secretRef": {"name": "mine"}, "tls": {"mode": "Disabled"}}}}
    )
    moved = renders.objects(external, known=renders.facts(referred={"mine": binding}))
    assert secret(moved, "shop-order") == secret(found, "shop-order")
    assert "shop-mysql" not in names_of(moved, "StatefulSet")


def test_an_authority_is_mounted_where_its_store_is_used() -> None:
    tls = {"mode": "VerifyFull", "caSecretRef": {"name": "db-ca"}}
    store = {"mode": "External", "external": {"host": "db.example.com", "tls": tls}}
    found = renders.objects(renders.platform(stores={"mysql": store}))
    url = secret(found, "shop-order")["REVCART_DATABASE_URL"]
    assert url.endswith("?tls=true&ca=/run/revcart/authorities/db-ca/ca.crt")
    volumes = {each["name"]: each for each in pod(found, "Deployment", "order")["spec"]["volumes"]}
    (source,) = volumes["authorities"]["projected"]["sources"]
    assert source["secret"] == {"name": "db-ca", "items": [{"key": "ca.crt", "path": "db-ca/ca.crt"}]}
    assert "authorities" not in {each["name"] for each in pod(found, "Deployment", "cart")["spec"]["volumes"]}


def test_a_secret_that_is_missing_is_told_with_its_place() -> None:
    platform = renders.platform(services={"payment": {"razorpay": {"mode": "Live", "secretRef": {"name": "rzp"}}}})
    assert manifests.needs(platform) == ("rzp",)
    with pytest.raises(references.MissingSecret, match=r"spec\.services\.payment\.razorpay\.secretRef .* rzp"):
        manifests.steps(platform, facts=renders.facts())


def test_the_needed_secrets_are_those_that_the_platform_refers_to() -> None:
    assert manifests.needs(renders.sample("high-availability")) == (
        "consul", "docdb", "docdb-ca", "elasticache", "msk", "razorpay", "rds", "smtp",
    )  # fmt: skip


def test_images() -> None:
    images = {
        "registry": "r.example.com/x",
        "pullPolicy": "Always",
        "pullSecrets": [{"name": "pull"}],
        "overrides": [{"name": "mysql", "image": "my:1"}, {"name": "cart", "image": "cart:1"}],
    }
    found = renders.objects(
        renders.platform(images=images, stores={"redis": {"mode": "Managed", "managed": {"version": "7"}}})
    )
    parts = {"order": "Deployment", "cart": "Deployment", "mysql": "StatefulSet", "redis": "StatefulSet"}
    image = {part: pod(found, kind, part)["spec"]["containers"][0]["image"] for part, kind in parts.items()}
    assert image == {"order": "r.example.com/x/platform:0.1.0", "cart": "cart:1", "mysql": "my:1", "redis": "redis:7"}
    for _, template in renders.pod_templates(found):
        assert template["spec"]["imagePullSecrets"] == [{"name": "pull"}]
        assert all(each["imagePullPolicy"] == "Always" for each in renders.containers(template))
    other = renders.objects(renders.platform(images={"overrides": [{"name": "platform", "image": "p:1"}]}))
    assert pod(other, "StatefulSet", "paysim")["spec"]["containers"][0]["image"] == "p:1"


def test_autoscaling_leaves_the_number_of_pods_to_the_autoscaler() -> None:
    found = renders.objects(renders.platform(services={"order": {"autoscaling": {"type": "HPA", "maxReplicas": 4}}}))
    assert "replicas" not in renders.one(found, "Deployment", "shop-order")["spec"]
    scaler = renders.one(found, "HorizontalPodAutoscaler", "shop-order")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (1, 4)
    assert renders.one(found, "Deployment", "shop-cart")["spec"]["replicas"] == 1


def test_what_the_user_puts_on_pods_never_hides_them_from_their_service() -> None:
    template = {"labels": {"team": "a", "app.kubernetes.io/component": "x"}, "annotations": {"note": ""}}
    found = renders.objects(renders.platform(serviceDefaults={"podTemplate": template, "spread": "Zone"}))
    order = pod(found, "Deployment", "order")
    assert order["metadata"]["labels"]["team"] == "a"
    assert order["metadata"]["labels"]["app.kubernetes.io/component"] == "order"
    assert order["metadata"]["annotations"]["note"] == ""
    keys = [each["topologyKey"] for each in order["spec"]["topologySpreadConstraints"]]
    assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]


def test_a_pod_ends_later_than_its_service_drains() -> None:
    order = pod(renders.objects(renders.platform()), "Deployment", "order")["spec"]
    sleep = order["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert order["terminationGracePeriodSeconds"] > sleep + 25  # REVCART_SHUTDOWN_SECONDS


def test_services_find_each_other_by_consul_and_by_names() -> None:
    found = renders.objects(renders.platform())
    order = pod(found, "Deployment", "order")["spec"]["containers"][0]
    plain = renders.environment(order)
    assert plain["REVCART_REGISTRY_DNS_TEMPLATE"] == "shop-{service}:{port}"
    assert json.loads(plain["REVCART_REGISTRY_PORTS"])["cart"] == 8084
    assert secret(found, "shop-order")["REVCART_REGISTRY_URL"] == "consul://shop-consul:8500"
    assert {each["name"] for each in order["env"] if "valueFrom" in each} == {"REVCART_ADVERTISE_HOST"}


def test_an_ingress_leads_to_the_gateway_and_browsers_to_paysim() -> None:
    exposed = {**INGRESS, "tls": {"secretName": "t"}, "ingress": {"className": "nginx", "annotations": {"a/b": "c"}}}
    found = renders.objects(renders.platform(exposure=exposed))
    ingress = renders.one(found, "Ingress", "shop-gateway")
    backends = {
        rule["host"]: rule["http"]["paths"][0]["backend"]["service"]["name"] for rule in ingress["spec"]["rules"]
    }
    assert backends == {"shop.example.com": "shop-gateway", "paysim.shop.example.com": "shop-paysim"}
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["metadata"]["annotations"] == {"a/b": "c"}
    assert ingress["spec"]["tls"] == [{"hosts": ["shop.example.com", "paysim.shop.example.com"], "secretName": "t"}]
    payment = renders.environment(pod(found, "Deployment", "payment")["spec"]["containers"][0])
    assert payment["REVCART_PAYMENT_RAZORPAY_URL"] == "http://shop-paysim:8091"
    assert payment["REVCART_PAYMENT_CHECKOUT_SCRIPT"] == "https://paysim.shop.example.com/v1/checkout.js"
    gateway = renders.environment(pod(found, "Deployment", "gateway")["spec"]["containers"][0])
    assert gateway["REVCART_PUBLIC_URL"] == "https://shop.example.com"
    assert "10.0.0.0/8" in gateway["REVCART_GATEWAY_TRUSTED_PROXIES"]


def test_live_payments_have_no_double() -> None:
    live = {"payment": {"razorpay": {"mode": "Live", "secretRef": {"name": "rzp"}}}}
    found = renders.objects(renders.platform(services=live, exposure=INGRESS))
    assert "shop-paysim" not in names_of(found, "StatefulSet")
    assert [rule["host"] for rule in renders.one(found, "Ingress", "shop-gateway")["spec"]["rules"]] == [
        INGRESS["host"]
    ]


def test_metrics_are_scraped_where_the_platform_asks_for_it() -> None:
    assert names_of(renders.objects(renders.platform()), "ServiceMonitor") == set()
    found = renders.objects(renders.platform(observability={"serviceMonitor": "Enabled"}))
    assert names_of(found, "ServiceMonitor") == {"shop-services"}
    rules = renders.one(found, "NetworkPolicy", "shop-order")["spec"]["ingress"]
    assert any("prometheus" in json.dumps(rule) for rule in rules)


def arrows(platform: spec.RevCartPlatform) -> set[tuple[str, str, int]]:
    place = site.of(platform, facts=renders.facts())
    return {(arrow.source, arrow.target, arrow.port) for arrow in network.arrows(place)}


def test_who_may_ask_whom() -> None:
    found = arrows(renders.platform())
    assert ("gateway", "order", 8085) in found
    assert ("order", "mysql", 3306) in found
    assert ("migrate-order", "mysql", 3306) in found
    assert ("*", "gateway", 8080) in found
    assert {source for source, target, _ in found if target == "mongodb"} == {
        "notification", "analytics", "admin", "migrate-notification", "migrate-analytics", "migrate-admin",
    }  # fmt: skip
    assert not {arrow for arrow in found if arrow[1] == "*"}  # nobody leaves the cluster
    assert {target for source, target, _ in found if source == "cart"} == {
        "auth", "product", "order", "redis", "kafka", "consul",
    }  # fmt: skip


def test_default_deny_holds_for_every_pod_and_each_has_its_own_policy() -> None:
    found = renders.objects(renders.platform())
    denied = renders.one(found, "NetworkPolicy", "shop-default-deny")["spec"]
    assert denied == {
        "podSelector": {"matchLabels": {"platform.revcart.io/platform": "shop"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    for owner, _ in renders.pod_templates(found):
        part = owner["metadata"]["labels"]["app.kubernetes.io/component"]
        assert renders.one(found, "NetworkPolicy", f"shop-{part}")
    disabled = renders.objects(renders.platform(security={"networkPolicy": "Disabled"}))
    assert names_of(disabled, "NetworkPolicy") == set()
