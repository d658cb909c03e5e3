"""Schemas for kubeconform from what an API server itself publishes, so that nothing is downloaded and nothing is stale.

The server's OpenAPI v3 leaves objects open; here whatever it does not name is refused, as with kubeconform's own
strict schemas.
"""

import copy
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests import control_plane

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"  # how kubeconform finds a file: deployment-apps-v1.json
_PUBLISH_SECONDS = 60
_PREFIX = "#/components/schemas/"

Schema = dict[str, Any]


def write(plane: control_plane.ControlPlane, folder: Path, *, api_versions: Iterable[str]) -> None:
    """One file in `folder` for each kind of these API versions."""
    for api_version in api_versions:
        found = _published(plane, f"apis/{api_version}" if "/" in api_version else f"api/{api_version}")
        closed = {name: _closed(schema) for name, schema in found.items()}
        for name, schema in found.items():
            for it in schema.get("x-kubernetes-group-version-kind", ()):
                if "/".join(part for part in (it["group"], it["version"]) if part) == api_version:
                    file = folder / _file(it["group"], it["version"], it["kind"])
                    file.write_text(json.dumps(_standalone(name, closed)), encoding="utf-8")


def _published(plane: control_plane.ControlPlane, where: str) -> dict[str, Schema]:
    """The server publishes a custom resource a moment after it took it."""
    deadline = time.monotonic() + _PUBLISH_SECONDS
    while where not in plane.ask("GET", "/openapi/v3")[1]["paths"]:
        assert time.monotonic() < deadline, f"{where} is not served"
        time.sleep(0.2)
    status, document = plane.ask("GET", f"/openapi/v3/{where}")
    assert status == 200, document
    found: dict[str, Schema] = document["components"]["schemas"]
    return found


def _file(group: str, version: str, kind: str) -> str:
    parts = [kind.lower(), *([group.partition(".")[0]] if group else []), version]
    return "-".join(parts) + ".json"


def _standalone(name: str, schemas: dict[str, Schema]) -> Schema:
    """The schema with everything that it refers to."""
    needed: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in needed:
            needed[current] = schemas[current]
            waiting += _referred(schemas[current])
    return {"$ref": f"#/definitions/{name}", "definitions": needed}


def _referred(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if isinstance(value.get("$ref"), str) else []
        return own + [name for held in value.values() for name in _referred(held)]
    return [name for held in value for name in _referred(held)] if isinstance(value, list) else []


def _closed(schema: Schema) -> Schema:
    made: Schema = _close(copy.deepcopy(schema))
    return made


def _close(value: Any) -> Any:
    if isinstance(value, list):
        return [_close(held) for held in value]
    if not isinstance(value, dict):
        return value
    made = {key: _close(held) for key, held in value.items() if key != "description" or not isinstance(held, str)}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = made["$ref"].replace(_PREFIX, "#/definitions/")
    is_open = made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
    if made.get("type") == "object" and isinstance(made.get("properties"), dict) and not is_open:
        made["additionalProperties"] = False
    return made
