"""Renders of platforms for tests: with facts that are the same every time, and secrets that are easy to find again."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from revcart_operator.platform import effective, loading, spec
from revcart_operator.render import credentials, manifests, names, references

SAMPLES = Path(__file__).parents[1] / "manifests" / "samples"
UID = "11111111-2222-3333-4444-555555555555"
CREDENTIALS = {name: f"generated-{name}" for name in credentials.NAMES}


def platform(name: str = "shop", **fields: Any) -> spec.RevCartPlatform:
    """An effective platform with these fields of `spec`."""
    document = {
        "apiVersion": spec.API_VERSION,
        "kind": spec.KIND,
        "metadata": {"name": name},
        "spec": {"version": "0.1.0", **fields},
    }
    return effective.resolve(loading.parse(yaml.safe_dump(document)))


def sample(name: str) -> spec.RevCartPlatform:
    return effective.resolve(loading.read(SAMPLES / f"{name}.yaml"))


def facts(*, referred: dict[str, dict[str, str]] | None = None, **given: str) -> manifests.Facts:
    """`given`: credentials with other values, `mysql_root_password="x"`."""
    changed = {name.replace("_", "-"): value for name, value in given.items()}
    return manifests.Facts(
        namespace="shops",
        uid=UID,
        credentials={**CREDENTIALS, **changed},
        referred=references.References(values=referred or {}),
    )


def steps(of: spec.RevCartPlatform, *, known: manifests.Facts | None = None) -> tuple[manifests.Step, ...]:
    """A Secret that the platform names has every key that the render looks for, unless `known` has that Secret."""
    given = known or facts()
    referred: dict[str, dict[str, str]] = defaultdict(dict, {k: dict(v) for k, v in given.referred.values.items()})
    while True:
        try:
            return manifests.steps(
                of,
                facts=manifests.Facts(
                    namespace=given.namespace,
                    uid=given.uid,
                    credentials=given.credentials,
                    referred=references.References(values=referred),
                ),
            )
        except references.MissingSecret as missing:
            is_host = missing.key in ("host", "bootstrap-servers")
            value = f"{missing.name}.example.com" if is_host else f"secret-{missing.name}-{missing.key}"
            referred[missing.name][missing.key] = value


def objects(of: spec.RevCartPlatform, *, known: manifests.Facts | None = None) -> list[names.Manifest]:
    return [made for step in steps(of, known=known) for made in step.objects]


def one(found: list[names.Manifest], kind: str, name: str) -> names.Manifest:
    (only,) = [each for each in found if each["kind"] == kind and each["metadata"]["name"] == name]
    return only


def pod_templates(found: list[names.Manifest]) -> Iterator[tuple[names.Manifest, dict[str, Any]]]:
    """Every object that makes pods, and its template."""
    for each in found:
        if "template" in each.get("spec", {}):
            yield each, each["spec"]["template"]


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
