"""Whatever is deleted, edited or killed, the shop is Ready again by itself, and no acknowledged order is lost."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import clusters, repairs

pytestmark = pytest.mark.cluster

RIGHT_SECONDS = 5  # until an object is as it should be: operator.md
DELETED = [
    ("serviceaccount", "shop-platform"),
    ("networkpolicy", "shop-default-deny"),
    ("service", "shop-order"),
    ("secret", "shop-order"),
    ("secret", "shop-credentials"),
    ("ingress", "shop-gateway"),
    ("horizontalpodautoscaler", "shop-cart"),
    ("poddisruptionbudget", "shop-cart"),
    ("job", "shop-migrate-user"),
    ("deployment", "shop-cart"),
    ("deployment", "shop-gateway"),
    ("statefulset", "shop-redis"),
    ("statefulset", "shop-mysql"),
]
EDITED: list[tuple[str, str, str, Any]] = [
    ("service", "shop-order", "/spec/ports/0/port", 9999),
    ("service", "shop-product", "/spec/selector/app.kubernetes.io~1component", "nobody"),
    ("secret", "shop-order", "/data/REVCART_DATABASE_URL", "d3Jvbmc="),
    ("serviceaccount", "shop-platform", "/automountServiceAccountToken", True),
    ("networkpolicy", "shop-order", "/spec/policyTypes", ["Ingress"]),
    ("ingress", "shop-gateway", "/spec/rules/0/host", "other.example"),
    ("ingress", "shop-gateway", "/metadata/labels/platform.revcart.io~1platform", None),
    ("job", "shop-migrate-user", "/metadata/annotations/platform.revcart.io~1hash", "0"),
    ("deployment", "shop-user", "/metadata/labels/app.kubernetes.io~1part-of", "nothing"),
    ("deployment", "shop-user", "/spec/replicas", 3),
    ("deployment", "shop-cart", "/spec/template/spec/containers/0/env/1/value", "wrong"),
    ("deployment", "shop-cart", "/spec/template/spec/containers/0/image", "registry.invalid/cart:9"),
    ("statefulset", "shop-redis", "/spec/replicas", 0),
    ("statefulset", "shop-consul", "/spec/template/spec/containers/0/image", "registry.invalid/consul:9"),
]


@pytest.fixture(scope="module")
def table(timings: clusters.Timings) -> Iterator[repairs.Table]:
    made = repairs.Table()
    yield made
    made.tell(timings)


@pytest.fixture(scope="module")
def scaled(sample: clusters.Platform) -> Iterator[clusters.Platform]:
    """The shop with the two kinds that its profile does not have."""
    sample.wait_ready()
    autoscaling = {"type": "HPA", "minReplicas": 1, "maxReplicas": 2}
    sample.patch(services={"cart": {"autoscaling": autoscaling, "podDisruptionBudget": {"maxUnavailable": 1}}})
    repairs.wait_whole(sample)
    yield sample
    sample.patch(services={"cart": None})
    repairs.wait_whole(sample)


def named(shop: clusters.Platform, kind: str, name: str) -> str:
    """A Job's name ends with a hash."""
    if kind != "job":
        return name
    (found,) = [it["metadata"]["name"] for it in shop.listed("jobs") if it["metadata"]["name"].startswith(name)]
    return str(found)


@pytest.mark.parametrize(("kind", "name"), DELETED)
def test_what_is_deleted_comes_back(scaled: clusters.Platform, table: repairs.Table, kind: str, name: str) -> None:
    name = named(scaled, kind, name)
    before = scaled.get(kind, name)
    assert before is not None

    def is_back() -> bool:
        found = scaled.get(kind, name)
        return (
            found is not None
            and found["metadata"]["uid"] != before["metadata"]["uid"]
            and repairs.content(found) == repairs.content(before)
        )

    with repairs.measured(scaled, table, kind, f"deleted {name}") as damage:
        scaled.kubectl("delete", kind, name, "--wait=false")
        scaled.cluster.wait(f"{kind} {name} is back", is_back, seconds=20, every=0.1)
        damage.is_right()
    assert damage.right is not None
    assert damage.right < RIGHT_SECONDS


@pytest.mark.parametrize(("kind", "name", "path", "value"), EDITED)
def test_what_is_edited_is_put_right(
    scaled: clusters.Platform, table: repairs.Table, kind: str, name: str, path: str, value: Any
) -> None:
    name = named(scaled, kind, name)
    before = scaled.get(kind, name)
    assert before is not None

    def is_right() -> bool:
        found = scaled.get(kind, name)
        return found is not None and repairs.content(found) == repairs.content(before)

    operation = {"op": "remove", "path": path} if value is None else {"op": "add", "path": path, "value": value}
    with repairs.measured(scaled, table, kind, f"edited {name} {path[:30]}") as damage:
        scaled.kubectl("patch", kind, name, "--type=json", f"--patch={json.dumps([operation])}")
        scaled.cluster.wait(f"{kind} {name} is right", is_right, seconds=20, every=0.1)
        damage.is_right()
    assert damage.right is not None
    assert damage.right < RIGHT_SECONDS
