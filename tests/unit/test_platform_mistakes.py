"""A wrong platform file is refused with one sentence per mistake: where, on which line, what to write instead."""

from pathlib import Path

import pytest

from revcart_operator.platform import loading

HEAD = """\
apiVersion: platform.revcart.io/v1alpha1
kind: RevCartPlatform
metadata:
  name: shop
spec:
  version: "0.1.0"
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(loading.InvalidPlatform) as refused:
        loading.parse(text)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("  profil: Standard", "spec.profil (line 7): is unknown. Did you mean profile?"),
        (
            "  profile: Standart",
            "spec.profile (line 7): must be one of Development, Standard, HighAvailability; "
            '"Standart" is not. Did you mean Standard?',
        ),
        (
            "  services: {gateway: {https: Off}}",
            "spec.services.gateway.https (line 7): must be one of Disabled, Redirect; "
            "YAML reads On, Off, Yes and No as true and false: use quotes",
        ),
        (
            '  services: {order: {replicas: "2"}}',
            'spec.services.order.replicas (line 7): must be a whole number; "2" is text',
        ),
        (
            "  services: {order: {replicas: 101}}",
            "spec.services.order.replicas (line 7): must be at most 100; 101 is not",
        ),
        (
            "  services: {order: {replicas: true}}",
            "spec.services.order.replicas (line 7): must be a whole number; true is true or false",
        ),
        ("  services: {ordr: {}}", "spec.services.ordr (line 7): is unknown. Did you mean order?"),
        (
            "  services: {auth: {firstAdmin: {}}}",
            "spec.services.auth.firstAdmin.email (line 7): is missing; write email: admin@example.com",
        ),
        (
            "  stores:\n    redis:\n      mode: Managed\n      managed: {storage: {size: 2 gigs}}",
            'spec.stores.redis.managed.storage.size (line 10): "2 gigs" is not a Kubernetes quantity; '
            "write for example 20Gi",
        ),
        (
            "  stores: {mysql: {mode: External}}",
            "spec.stores.mysql.external (line 7): mode External needs to know the server: write external beside mode",
        ),
        (
            "  stores: {mysql: {mode: Managed, external: {secretRef: {name: rds}}}}",
            "spec.stores.mysql.external (line 7): mode Managed does not take external: "
            "remove it, or write mode: External",
        ),
        (
            "  stores: {mysql: {mode: External, external: {port: 3306}}}",
            "spec.stores.mysql.external.host (line 7): say where the server is: write host, or secretRef: {name: …}, "
            "a Secret with the key host or uri",
        ),
        (
            "  stores: {kafka: {mode: External, external: {}}}",
            "spec.stores.kafka.external.bootstrapServers (line 7): say where the brokers are: write bootstrapServers: "
            "[broker-1.example.com:9096], or secretRef: {name: …}, a Secret with the key bootstrap-servers or uri",
        ),
        (
            "  stores: {redis: {mode: External, external: {host: r, port: 0}}}",
            "spec.stores.redis.external.port (line 7): must be at least 1; 0 is not",
        ),
        (
            "  exposure: {type: Ingress}",
            "spec.exposure.host (line 7): an exposed platform needs its host name: write host: shop.example.com",
        ),
        (
            "  backup: {destination: {}}",
            "spec.backup.destination (line 7): write exactly one of pvc and s3",
        ),
        (
            "  updateStrategy:",
            "spec.updateStrategy (line 7): is empty; write an object (key: value), or remove the key",
        ),
        (
            "  images: {overrides: [{name: a, image: x}, {name: a, image: y}]}",
            "spec.images.overrides (line 7): name a is written twice; keep one",
        ),
        (
            "  patches: [{target: {kind: Deployment, name: order},\n"
            "    operations: [{op: remove, path: /spec/template/spec/securityContext}]}]",
            "spec.patches[0].operations[0].path (line 8): patches may not change security: "
            "no securityContext, hostNetwork, hostPID, hostIPC or hostPath",
        ),
        (
            "  patches: [{target: {kind: Deployment, name: order}, operations: [{op: add, path: /x}]}]",
            "spec.patches[0].operations[0].value (line 7): add, replace and test need a value",
        ),
        (
            "  services: {payment: {razorpay: {mode: Live}}}",
            "spec.services.payment.razorpay.secretRef (line 7): mode Live needs the account's keys: "
            "write secretRef: {name: …}, a Secret with key-id, key-secret and webhook-secret",
        ),
        (
            "  profile: Standard\n  services: {payment: {razorpay: {mode: Simulated}}}\n  demoData: Enabled",
            "spec.demoData (line 9): demoData makes accounts with a public password: "
            "write demoData: Disabled, or profile: Development",
        ),
        (
            "  profile: Standard",
            "spec.services (line 5): say on purpose how this shop takes money: write "
            "services.payment.razorpay.mode: Live with secretRef, or mode: Simulated",
        ),
        (
            "  profile: Development\n  profile: Standard",
            "spec.profile (line 8): is written twice, first on line 7; keep one",
        ),
    ],
)
def test_one_mistake_is_one_sentence(lines: str, sentence: str) -> None:
    assert mistakes(HEAD + lines + "\n") == [sentence]


def test_every_mistake_is_told_at_once_in_the_order_of_the_file() -> None:
    told = mistakes(HEAD.replace('"0.1.0"', "0.1").replace("shop", "Shop") + "  profile: Tiny\n  runstate: Running\n")
    assert [line.split(":")[0] for line in told] == [
        "metadata.name (line 4)",
        "spec.version (line 6)",
        "spec.profile (line 7)",
        "spec.runstate (line 8)",
    ]
    assert 'put it in quotes: "0.1"' in told[1]
    assert "Did you mean runState?" in told[3]


def test_high_availability_names_each_store_that_is_not_external() -> None:
    told = mistakes(HEAD + "  profile: HighAvailability\n  services: {payment: {razorpay: {mode: Simulated}}}\n")
    assert [line.split(" ")[0] for line in told] == [
        f"spec.stores.{name}" for name in ("mysql", "mongodb", "redis", "kafka", "consul")
    ]


def test_no_store_with_only_managed_settings_lacks_its_mode() -> None:
    assert mistakes(HEAD + "  stores: {mysql: {managed: {}}}\n") == [
        "spec.stores.mysql.mode (line 7): is missing; write mode: Managed"
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: [1", "line 1): is not YAML"),
        ("", "holds no document"),
        ("a: 1\n---\nb: 2\n", "holds 2 documents"),
        ("just words", "must be an object"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {version: '0.1.0'}\n", "kind (line 2): must be one of"),
    ],
)
def test_what_is_no_platform_at_all_is_told_so(text: str, part: str) -> None:
    assert part in "\n".join(mistakes(text))


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(loading.InvalidPlatform, match=r"nowhere\.yaml: the document: cannot be read: No such file"):
        loading.read(tmp_path / "nowhere.yaml")


def test_snake_case_keys_are_refused() -> None:
    assert mistakes(HEAD + "  demo_data: Enabled\n") == ["spec.demo_data (line 7): is unknown. Did you mean demoData?"]
