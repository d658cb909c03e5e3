"""What filters and changes may say, and what changes do to one document; pure, the same for every adapter."""

import copy
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from revcart.kit import documents

_SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")


def path(field: str) -> list[str]:
    """The segments of a dotted path. Raises ValueError: 1–8 segments of letters, digits, `_` and `-`."""
    segments = field.split(".")
    if len(segments) > 8 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(f"not a field path: {field!r}")
    return segments


def scalar(value: Any) -> Any:
    """`value`, which a filter may look for. Raises ValueError."""
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"a filter compares with a text, number, boolean or null, not with {type(value).__name__}")


def ordered(value: Any) -> str | int | float:
    """`value`, which a filter may put others above or below. Raises ValueError."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    raise ValueError(f"more and less are asked of texts and numbers, not of {type(value).__name__}")


def identified(document: documents.Document) -> documents.Document:
    """`document` with an `_id`, made when it has none. Raises ValueError on one that is no text."""
    identity = document.get("_id", "") if "_id" in document else documents.new_id()
    if not isinstance(identity, str) or not identity:
        raise ValueError("_id must be a text")
    return {"_id": identity, **document}


def check(changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises ValueError on an unknown operator, what is no field path, and two changes of one place."""
    paths: list[list[str]] = []
    for operator, fields in changes.items():
        if operator not in _OPERATORS and operator != "$setOnInsert":
            raise ValueError(f"not an update operator: {operator!r}")
        paths.extend(path(field) for field in fields)
    for first, second in itertools.pairwise(sorted(paths)):
        if second[: len(first)] == first:
            raise ValueError(f"{'.'.join(second)!r} is changed twice at once")


def upserted(filter: documents.Filter, changes: Mapping[str, Mapping[str, Any]]) -> documents.Document:
    """The new document of an upsert that found none: the equalities of the filter, changed. Raises ValueError."""
    equalities: dict[str, Any] = {}
    for field, wanted in filter.items():
        if isinstance(wanted, Mapping):
            equalities |= {field: wanted["$eq"]} if "$eq" in wanted else {}
        elif field != "$or":
            equalities[field] = wanted
    made = apply({}, {"$set": equalities}, inserting=True)
    return identified(apply(made, changes, inserting=True))


def apply(document: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]], *, inserting: bool) -> dict[str, Any]:
    """`document` after `changes`; `$setOnInsert` counts when `inserting`. Raises ValueError, as `check` does."""
    check(changes)
    changed = copy.deepcopy(dict(document))
    for operator, fields in changes.items():
        if operator != "$setOnInsert":
            _each(changed, fields, _OPERATORS[operator], making=operator not in {"$unset", "$pull"})
        elif inserting:
            _each(changed, fields, _set)
    if not inserting and changed.get("_id") != document.get("_id"):
        raise ValueError("_id cannot be changed")
    return changed


def _each(
    document: dict[str, Any],
    fields: Mapping[str, Any],
    change: Callable[[dict[str, Any], str, Any], None],
    *,
    making: bool = True,
) -> None:
    """Do `change` at each field; `making` the objects on the way to it."""
    for field, value in fields.items():
        *parents, last = path(field)
        place = document
        for parent in parents:
            place = place.setdefault(parent, {}) if making else place.get(parent, {})
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
