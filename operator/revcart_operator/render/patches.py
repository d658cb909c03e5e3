"""`spec.patches`: JSON Patch (RFC 6902) on rendered objects, which may not weaken a pod."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from revcart_operator.platform import spec
from revcart_operator.render import names, pods

Json = Any


class DoesNotApply(Exception):
    """A patch finds nothing to change, or is refused; the text begins with its place in the platform."""


def apply(patches: Sequence[spec.Patch], objects: Sequence[names.Manifest]) -> list[names.Manifest]:
    """The objects in the same order, patched. Raises DoesNotApply."""
    made = list(objects)
    for number, patch in enumerate(patches):
        where = f"spec.patches[{number}]"
        found = [index for index, each in enumerate(made) if _is_target(patch.target, each)]
        if not found:
            raise DoesNotApply(f"{where}: there is no {patch.target.kind} {patch.target.name} in this platform")
        for index in found:
            made[index] = _patched(made[index], patch.operations, where=where)
    return made


def document(value: Json, operations: Sequence[spec.Operation]) -> Json:
    """Any JSON document, patched. Raises DoesNotApply, which names the operation."""
    made = copy.deepcopy(value)
    for number, operation in enumerate(operations):
        try:
            made = _OPERATIONS[operation.op](made, operation)
        except (LookupError, TypeError, ValueError) as error:
            why = f"{operation.path} is not there" if isinstance(error, LookupError) else str(error)
            raise DoesNotApply(f"operations[{number}] ({operation.op} {operation.path}): {why}") from error
    return made


def _is_target(target: spec.Target, manifest: names.Manifest) -> bool:
    metadata = manifest["metadata"]
    known = (metadata["name"], metadata["labels"][names.COMPONENT])
    return bool(manifest["kind"] == target.kind and target.name in known)


def _patched(manifest: names.Manifest, operations: Sequence[spec.Operation], *, where: str) -> names.Manifest:
    try:
        made: names.Manifest = document(manifest, operations)
    except DoesNotApply as error:
        raise DoesNotApply(f"{where}.{error}") from error
    if not isinstance(made, dict) or _identity(made) != _identity(manifest):
        raise DoesNotApply(f"{where}: a patch may not change an object's kind, name, labels of RevCart or owner")
    if weak := list(pods.weaknesses(made["spec"]["template"]["spec"]) if "template" in made.get("spec", {}) else ()):
        raise DoesNotApply(f"{where}: it would weaken the pod's security ({', '.join(weak)})")
    return made


def _identity(manifest: names.Manifest) -> Json:
    metadata = manifest.get("metadata", {})
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key in _OURS}
    return [manifest.get(key) for key in ("apiVersion", "kind")] + [
        metadata.get("name"),
        metadata.get("namespace"),
        metadata.get("ownerReferences"),
        labels,
    ]


_OURS = names.Shop(name="", namespace="", uid="").labels("")


def _add(value: Json, operation: spec.Operation) -> Json:
    return _put(value, operation.path, copy.deepcopy(operation.value))


def _remove(value: Json, operation: spec.Operation) -> Json:
    parent, key = _parent(value, operation.path)
    del parent[_index(parent, key)]
    return value


def _replace(value: Json, operation: spec.Operation) -> Json:
    parent, key = _parent(value, operation.path)
    parent[_index(parent, key)] = copy.deepcopy(operation.value)
    return value


def _move(value: Json, operation: spec.Operation) -> Json:
    source = str(operation.source)
    if operation.path.startswith(f"{source}/"):
        raise ValueError("a value cannot move into itself")
    parent, key = _parent(value, source)
    moved = parent.pop(_index(parent, key))
    return _put(value, operation.path, moved)


def _copy(value: Json, operation: spec.Operation) -> Json:
    parent, key = _parent(value, str(operation.source))
    return _put(value, operation.path, copy.deepcopy(parent[_index(parent, key)]))


def _test(value: Json, operation: spec.Operation) -> Json:
    parent, key = _parent(value, operation.path)
    if not _same(parent[_index(parent, key)], operation.value):
        raise ValueError("the value there is another one")
    return value


_OPERATIONS: dict[str, Callable[[Json, spec.Operation], Json]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _put(value: Json, path: str, new: Json) -> Json:
    parent, key = _parent(value, path)
    if isinstance(parent, list):
        parent.insert(len(parent) if key == "-" else _number(key, upto=len(parent)), new)
    else:
        parent[key] = new
    return value


def _parent(value: Json, path: str) -> tuple[Any, str]:
    """The map or list that holds the last part of a JSON Pointer (RFC 6901), and that part. Raises LookupError."""
    *way, last = (part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:])
    for part in way:
        value = value[_index(value, part)]
    if not isinstance(value, dict | list):
        raise LookupError(path)
    return value, last


def _index(parent: Json, key: str) -> Any:
    if isinstance(parent, dict):
        if key not in parent:
            raise LookupError(key)
        return key
    if isinstance(parent, list):
        return _number(key, upto=len(parent) - 1)
    raise LookupError(key)


def _number(key: str, *, upto: int) -> int:
    if not (key.isascii() and key.isdigit()) or (key != "0" and key.startswith("0")) or int(key) > upto:
        raise LookupError(key)
    return int(key)


def _same(one: Json, other: Json) -> bool:
    """Equal as JSON: in Python, 1 is True."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
