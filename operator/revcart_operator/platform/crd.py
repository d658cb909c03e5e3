"""The CRD, made from the models: structural OpenAPI with inlined references, no titles, no defaults, and the CEL rules.

`python -m revcart_operator.platform.crd`, from the repository's root, writes it, and a copy for the Helm chart, which
cannot refer to files outside of it; a test fails when one differs.
"""

from pathlib import Path
from typing import Any

import yaml

from revcart_operator.platform import model, spec, status

FILES = (Path("crds/revcartplatforms.yaml"), Path("charts/revcart-operator/crds/revcartplatforms.yaml"))
_HEADER = "# Made by `python -m revcart_operator.platform.crd`; change the models, not this file.\n"
# Kubernetes forbids the first in structural schemas and ignores or misreads the others.
_DROPPED = ("additionalProperties", "title", "default", "examples", "$defs", "const")
_COLUMNS = (
    ("Version", "string", ".status.version", 0),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Services", "string", ".status.summary.services", 0),
    ("Stores", "string", ".status.summary.stores", 0),
    ("Endpoint", "string", ".status.endpoint", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 1),
    ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1),
    ("Policy", "string", ".spec.reconcilePolicy", 1),
)


def build() -> dict[str, Any]:
    """The CustomResourceDefinition object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"revcartplatforms.{spec.GROUP}"},
        "spec": {
            "group": spec.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": spec.KIND,
                "listKind": f"{spec.KIND}List",
                "plural": "revcartplatforms",
                "singular": "revcartplatform",
                "shortNames": ["rcp"],
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": spec.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "priority": priority}
                        for name, kind, path, priority in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def text() -> str:
    """The file `crds/revcartplatforms.yaml`."""
    return _HEADER + yaml.dump(build(), sort_keys=False, width=120, allow_unicode=True, Dumper=_Dumper)


def structural(of: type[model.Model]) -> dict[str, Any]:
    """A model as a structural schema: references inlined, nullable unions opened, nothing that Kubernetes refuses."""
    whole = of.model_json_schema(by_alias=True)
    cleaned = _clean(whole, whole.get("$defs", {}))
    assert isinstance(cleaned, dict)
    return cleaned


def _root() -> dict[str, Any]:
    return {
        "description": "A whole RevCart shop: stores, services, exposure.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(spec.Spec),
            "status": structural(status.Status),
        },
        "x-kubernetes-validations": [
            {
                "rule": "self.metadata.name.size() <= 40",
                "message": "the name is too long for the objects made from it: write a metadata.name of at most "
                "40 characters",
            }
        ],
    }


def _clean(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_clean(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    node = _opened(node, definitions)
    if not node.keys() - {"title", "default", "description"}:  # any value
        return {**_described(node), "x-kubernetes-preserve-unknown-fields": True}
    kept = {key: value for key, value in node.items() if key not in _DROPPED}
    values = node.get("additionalProperties")
    if isinstance(values, dict):
        kept["additionalProperties"] = _clean(values, definitions)
    elif values is True:
        kept["x-kubernetes-preserve-unknown-fields"] = True
    if "properties" in kept:
        kept["properties"] = {name: _clean(value, definitions) for name, value in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _clean(kept["items"], definitions)
    return kept


def _opened(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and read `X or null` as X: a key that is absent says null. What stands beside wins."""
    while "$ref" in node or "anyOf" in node:
        beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
        if "$ref" in node:
            target = definitions[node["$ref"].rpartition("/")[2]]
        else:
            (target,) = [arm for arm in node["anyOf"] if arm.get("type") != "null"]
        node = {**target, **beside}
    return node


def _described(node: dict[str, Any]) -> dict[str, Any]:
    return {"description": node["description"]} if "description" in node else {}


class _Dumper(yaml.SafeDumper):
    """Repeats equal parts in full: anchors are legal YAML that nobody likes to review."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


if __name__ == "__main__":
    for file in FILES:
        file.write_text(text(), encoding="utf-8")
