"""A wrong platform is refused by the API server itself, when it is applied, with a sentence that says what to write."""

from typing import Any

import pytest
import yaml
from tests import control_plane

STANDARD = "profile: Standard, services: {payment: {razorpay: {mode: Simulated}}}"


def platform(spec: str, name: str = "shop") -> dict[str, Any]:
    return {
        "apiVersion": "platform.revcart.io/v1alpha1",
        "kind": "RevCartPlatform",
        "metadata": {"name": name},
        "spec": {"version": "0.1.0", **yaml.safe_load("{" + spec + "}")},
    }


@pytest.fixture(scope="module")
def namespace(control_plane: control_plane.ControlPlane) -> str:
    return control_plane.namespace()


def applied(plane: control_plane.ControlPlane, namespace: str, body: dict[str, Any]) -> tuple[int, str]:
    """As `kubectl apply --dry-run=server` does it."""
    status, answer = plane.ask("POST", plane.platforms(namespace) + "?dryRun=All&fieldValidation=Strict", body)
    return status, answer.get("message", "")


@pytest.mark.parametrize(
    ("spec", "field", "sentence"),
    [
        ("profil: Standard", "spec.profil", "unknown field"),
        ("profile: Standart", "spec.profile", 'supported values: "Development", "Standard", "HighAvailability"'),
        ("services: {order: {replicas: 101}}", "spec.services.order.replicas", "less than or equal to 100"),
        ("stores: {redis: {managed: {}}}", "spec.stores.redis.mode", "Required value"),
        ("images: {overrides: [{name: a, image: x}, {name: a, image: z}]}", "spec.images.overrides[1]", "Duplicate"),
        (
            "stores: {mysql: {mode: External}}",
            "spec.stores.mysql.external",
            "mode External needs to know the server: write external beside mode",
        ),
        (
            "stores: {mysql: {mode: Managed, external: {host: db}}}",
            "spec.stores.mysql.external",
            "mode Managed does not take external: remove it, or write mode: External",
        ),
        (
            "stores: {kafka: {mode: External, external: {}}}",
            "spec.stores.kafka.external.bootstrapServers",
            "say where the brokers are: write bootstrapServers: [broker-1.example.com:9096]",
        ),
        ("exposure: {type: Ingress}", "spec.exposure.host", "write host: shop.example.com"),
        ("exposure: {type: Gateway, host: a.example}", "spec.exposure.gateway", "needs gateway.parentRefs"),
        ("backup: {destination: {}}", "spec.backup.destination", "write exactly one of pvc and s3"),
        (
            "services: {payment: {razorpay: {mode: Live}}}",
            "spec.services.payment.razorpay.secretRef",
            "mode Live needs the account's keys: write secretRef",
        ),
        ("profile: Standard", "spec.services", "say on purpose how this shop takes money"),
        (f"{STANDARD}, demoData: Enabled", "spec.demoData", "write demoData: Disabled, or profile: Development"),
        (
            "patches: [{target: {kind: Deployment, name: order}, operations: [{op: remove, path: /spec/hostPID}]}]",
            "spec.patches[0].operations[0].path",
            "patches may not change security",
        ),
        (
            f"{STANDARD}".replace("Standard", "HighAvailability"),
            "spec.stores.kafka",
            "profile HighAvailability needs kafka run by others (a Managed store is one node)",
        ),
        (
            "services: {user: {podDisruptionBudget: {minAvailable: 1, maxUnavailable: 1}}}",
            "spec.services.user.podDisruptionBudget.maxUnavailable",
            "write either minAvailable or maxUnavailable, not both",
        ),
    ],
)
def test_a_mistake_is_refused_with_its_field_and_what_to_write(
    control_plane: control_plane.ControlPlane, namespace: str, spec: str, field: str, sentence: str
) -> None:
    status, message = applied(control_plane, namespace, platform(spec))
    assert status in (400, 422), message
    assert field in message
    assert sentence in message


def test_a_name_that_leaves_no_room_for_its_parts_is_refused(
    control_plane: control_plane.ControlPlane, namespace: str
) -> None:
    status, message = applied(control_plane, namespace, platform("", name="x" * 41))
    assert status == 422
    assert "write a metadata.name of at most 40 characters" in message
    assert applied(control_plane, namespace, platform("", name="x" * 40))[0] == 201


@pytest.mark.parametrize("file", sorted((control_plane.ROOT / "manifests" / "samples").glob("*.yaml")), ids=str)
def test_each_sample_is_taken(control_plane: control_plane.ControlPlane, namespace: str, file: Any) -> None:
    body = yaml.safe_load(file.read_text(encoding="utf-8"))
    body["metadata"].pop("namespace", None)
    status, message = applied(control_plane, namespace, body)
    assert status == 201, message


def test_a_store_does_not_change_hands_by_accident(control_plane: control_plane.ControlPlane, namespace: str) -> None:
    assert control_plane.ask("POST", control_plane.platforms(namespace), platform("", name="moving"))[0] == 201
    path = control_plane.platforms(namespace, "moving")
    moved: dict[str, Any] = {"stores": {"mysql": {"mode": "External", "external": {"host": "db.example.com"}}}}
    status, answer = control_plane.ask("PATCH", path, {"spec": moved})
    assert status == 422
    assert "write unsafeFlags.storeModeChange: true with this change" in answer["message"]
    status, _ = control_plane.ask("PATCH", path, {"spec": {**moved, "unsafeFlags": {"storeModeChange": True}}})
    assert status == 200
