"""The CRD is the models' own, and something a Kubernetes API server takes: a structural schema with CEL rules."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from revcart_operator.platform import crd, model, spec, store, workload

ROOT = Path(__file__).parents[2]
FILES = [ROOT / file for file in crd.FILES]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    (version,) = crd.build()["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key])


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_committed_file_is_what_the_models_make(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == crd.text(), "run: make crd"


def test_the_schema_is_structural(schema: dict[str, Any]) -> None:
    for node in nodes(schema):
        forbidden = {"$ref", "$defs", "anyOf", "allOf", "oneOf", "title", "default", "const", "prefixItems", "examples"}
        assert not forbidden & set(node)
        assert node.get("additionalProperties") is not False
        assert "type" in node or node.get("x-kubernetes-preserve-unknown-fields")


def test_every_field_of_the_spec_is_there(schema: dict[str, Any]) -> None:
    keys = {field.alias for field in spec.Spec.model_fields.values()}
    assert set(schema["properties"]["spec"]["properties"]) == keys
    assert schema["properties"]["spec"]["required"] == ["version"]


def test_list_map_keys_are_required_fields_of_their_items(schema: dict[str, Any]) -> None:
    keyed = [node for node in nodes(schema) if node.get("x-kubernetes-list-type") == "map"]
    assert keyed
    for node in keyed:
        assert set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"])


@pytest.mark.parametrize("owner", [spec.Spec, spec.Exposure, spec.Destination, store.Store, workload.Razorpay])
def test_rules_carry_the_sentence_that_the_command_line_says(schema: dict[str, Any], owner: type[model.Model]) -> None:
    told = {rule["message"] for node in nodes(schema) for rule in node.get("x-kubernetes-validations", ())}
    assert {rule.message for rule in owner.RULES if rule.cel} <= told


def test_a_rule_blames_a_field_that_exists(schema: dict[str, Any]) -> None:
    for node in nodes(schema):
        for rule in node.get("x-kubernetes-validations", ()):
            found = node
            for key in rule.get("fieldPath", "").split(".")[1:]:
                found = found["properties"][key]


def test_status_is_a_subresource_and_the_line_in_kubectl_tells_the_truth() -> None:
    (version,) = crd.build()["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    shown = [column["name"] for column in version["additionalPrinterColumns"] if column["priority"] == 0]
    assert shown == ["Version", "Ready", "Services", "Stores", "Endpoint", "Age"]


def test_the_committed_file_is_yaml_without_anchors() -> None:
    text = FILES[0].read_text(encoding="utf-8")
    assert yaml.safe_load(text)["metadata"]["name"] == "revcartplatforms.platform.revcart.io"
    assert "&id" not in text
