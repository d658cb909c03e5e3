"""docs/platform.md is a reference: it names every field that the resource has, and no condition that it has not."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from revcart_operator.platform import spec, status

DOCS = (Path(__file__).parents[2] / "docs" / "platform.md").read_text(encoding="utf-8")


def fields(model: type[pydantic.BaseModel], seen: set[type]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield field.alias or name
        for part in flat(field.annotation):
            if isinstance(part, type) and issubclass(part, pydantic.BaseModel):
                yield from fields(part, seen)


def flat(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in typing.get_args(annotation):
        yield from flat(part)


@pytest.mark.parametrize(
    "name", sorted(set(fields(spec.Spec, set())) - {"key", "operator", "effect", "tolerationSeconds"})
)
def test_every_field_is_named(name: str) -> None:
    assert re.search(rf"\b{name}\b", DOCS)


def test_every_condition_is_named() -> None:
    assert [name for name in status.CONDITIONS if f"`{name}`" not in DOCS] == []
