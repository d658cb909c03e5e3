"""Is what is there what was asked for? Every rendered field must equal the live one; fields beyond are not ours.

Server-side apply keeps what others add (defaults, injected containers), so lists that it merges by a key are compared
by that key here too, and all others item by item.
"""

from collections.abc import Iterator, Mapping
from typing import Any

ABSENT = "(absent)"

# Lists that the API server merges, by the two last names on the path to them, or by the last one alone.
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ownerReferences": "uid",
    "containers.ports": "containerPort",
    "initContainers.ports": "containerPort",
    "spec.ports": "port",
    "spec.imagePullSecrets": "name",
}


def differences(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """Path of a rendered field → the other value that the live object has there. Empty: no drift."""
    return dict(_compare(wanted, live, ()))


def _compare(wanted: Any, live: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            yield from _compare(value, live.get(key, ABSENT), (*path, key))
    elif isinstance(wanted, list | tuple) and isinstance(live, list):
        yield from _compare_lists(wanted, live, path)
    elif type(wanted) is not type(live) or wanted != live:
        yield ".".join(path), live


def _compare_lists(wanted: Any, live: list[Any], path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    key = _merge_key(path)
    if key:
        found = {item.get(key): item for item in live}
        for item in wanted:
            yield from _compare(item, found.get(item[key], ABSENT), (*path, f"[{item[key]}]"))
    elif len(wanted) != len(live):
        yield ".".join(path), live
    else:
        for index, (item, other) in enumerate(zip(wanted, live, strict=True)):
            yield from _compare(item, other, (*path, f"[{index}]"))


def _merge_key(path: tuple[str, ...]) -> str | None:
    names = [name for name in path if not name.startswith("[")]
    return _KEYS.get(".".join(names[-2:])) or _KEYS.get(names[-1])
