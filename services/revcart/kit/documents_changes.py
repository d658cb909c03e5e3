"""What the update operators do to one document; pure, for adapters whose store does not do it itself."""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

_SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def path(field: str) -> list[str]:
    """The segments of a dotted path. Raises ValueError: 1–8 segments of letters, digits, `_` and `-`."""
    segments = field.split(".")
    if len(segments) > 8 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(f"not a field path: {field!r}")
    return segments


def apply(document: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]], *, inserting: bool) -> dict[str, Any]:
    """`document` after `changes`; `$setOnInsert` counts when `inserting`. Raises ValueError on anything unknown."""
    changed = copy.deepcopy(dict(document))
    for operator, fields in changes.items():
        if operator == "$setOnInsert":
            if inserting:
                _each(changed, fields, _set)
        elif operator in _OPERATORS:
            _each(changed, fields, _OPERATORS[operator])
        else:
            raise ValueError(f"not an update operator: {operator!r}")
    if not inserting and changed.get("_id") != document.get("_id"):
        raise ValueError("_id cannot be changed")
    return changed


def _each(
    document: dict[str, Any], fields: Mapping[str, Any], change: Callable[[dict[str, Any], str, Any], None]
) -> None:
    for field, value in fields.items():
        *parents, last = path(field)
        place = document
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ValueError(f"{field!r} leads through a value that is no object")
        change(place, last, copy.deepcopy(value))


def _set(place: dict[str, Any], name: str, value: Any) -> None:
    place[name] = value


def _unset(place: dict[str, Any], name: str, _: Any) -> None:
    place.pop(name, None)


def _inc(place: dict[str, Any], name: str, value: Any) -> None:
    before = place.get(name, 0)
    if isinstance(before, bool) or not isinstance(before, int | float):
        raise ValueError(f"{name!r} is no number")
    place[name] = before + value


def _push(place: dict[str, Any], name: str, value: Any) -> None:
    values = _array(place, name)
    if not (isinstance(value, dict) and "$each" in value):
        values.append(value)
        return
    values.extend(value["$each"])
    if (kept := value.get("$slice")) is not None:
        place[name] = values[kept:] if kept < 0 else values[:kept]


def _pull(place: dict[str, Any], name: str, value: Any) -> None:
    if name in place:
        place[name] = [item for item in _array(place, name) if not _fits(item, value)]


def _fits(item: Any, value: Any) -> bool:
    if isinstance(value, dict) and isinstance(item, dict):
        return all(item.get(name) == wanted for name, wanted in value.items())
    return bool(item == value)


def _array(place: dict[str, Any], name: str) -> list[Any]:
    values = place.setdefault(name, [])
    if not isinstance(values, list):
        raise ValueError(f"{name!r} is no array")
    return values


_OPERATORS: dict[str, Callable[[dict[str, Any], str, Any], None]] = {
    "$set": _set,
    "$unset": _unset,
    "$inc": _inc,
    "$push": _push,
    "$pull": _pull,
}
