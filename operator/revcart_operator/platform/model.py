"""The base of every model of the custom resource, and the cross-field rules that Python and the CRD share.

One `Rule` holds one sentence, once as a Python check (for `revcart validate` and `revcart up`) and once as CEL (for the
API server), so that a wrong CR is refused with the same words wherever it is met first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, cast

import pydantic
import pydantic_core
from pydantic import alias_generators


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One sentence about an object.

    `cel` is empty where CEL cannot see the field; `check` is absent where the rule compares the object with its former
    self, which only the API server knows.
    """

    field: str  # the key to blame, below the object that carries the rule; dotted
    message: str  # what to write instead
    cel: str = ""
    check: Callable[[Any], bool] | None = None


def _add_rules(schema: dict[str, Any], model: type[pydantic.BaseModel]) -> None:
    rules: tuple[Rule, ...] = getattr(model, "RULES", ())
    validations = [
        {"rule": rule.cel, "message": rule.message, **({"fieldPath": f".{rule.field}"} if rule.field else {})}
        for rule in rules
        if rule.cel
    ]
    if validations:
        schema["x-kubernetes-validations"] = validations


class Model(pydantic.BaseModel):
    """An object of the custom resource: camelCase in YAML, unknown keys refused, never changed once read."""

    model_config = pydantic.ConfigDict(
        alias_generator=alias_generators.to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        json_schema_extra=_add_rules,
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @pydantic.model_validator(mode="after")
    def _keep_rules(self) -> Self:
        broken = [(rule.field, rule.message) for rule in self.RULES if rule.check and not rule.check(self)]
        broken += self._repeated()
        if broken:
            raise pydantic_core.PydanticCustomError("rules", "breaks a rule", {"broken": broken})
        return self

    def _repeated(self) -> list[tuple[str, str]]:
        """Keys that occur twice in a keyed list; the API server refuses those by itself."""
        found = []
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and (keys := extra.get("x-kubernetes-list-map-keys")):
                (key,) = cast(list[str], keys)
                values = [getattr(item, key) for item in getattr(self, name)]
                twice = sorted({value for value in values if values.count(value) > 1})
                found += [(field.alias or name, f"{key} {value} is written twice; keep one") for value in twice]
        return found


def _text(pattern: str, *, is_a: str, example: str, longest: int = 253) -> Any:
    return pydantic.Field(pattern=pattern, max_length=longest, description=is_a, examples=[example])


_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
Name = Annotated[str, _text(_NAME, is_a="a Kubernetes name", example="shop", longest=63)]
Release = Annotated[
    str,
    _text(
        r"^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$", is_a="a release number in quotes", example="0.1.0", longest=64
    ),
]
Quantity = Annotated[
    str,
    _text(r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", is_a="a Kubernetes quantity", example="20Gi", longest=32),
]
Host = Annotated[
    str,
    _text(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", is_a="a host name without scheme or path", example="shop.example.com"),
]
Email = Annotated[
    str, _text(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", is_a="an e-mail address", example="admin@example.com", longest=254)
]
Url = Annotated[
    str, _text(r"^https?://[^\s]+$", is_a="an http or https URL", example="https://shop.example.com", longest=2048)
]
Image = Annotated[
    str,
    _text(r"^[a-z0-9][a-zA-Z0-9._:/@-]*$", is_a="an image reference", example="ghcr.io/revcart/mysql:8.4", longest=512),
]
Variable = Annotated[
    str,
    _text(
        r"^[A-Z][A-Z0-9_]*$", is_a="an environment variable's name", example="REVCART_ORDER_UNPAID_SECONDS", longest=128
    ),
]
Cron = Annotated[
    str,
    _text(
        r"^[0-9*,/-]+( [0-9A-Za-z*,/-]+){4}$", is_a="a cron schedule of five fields", example="0 3 * * *", longest=64
    ),
]
Port = Annotated[int, pydantic.Field(ge=1, le=65535, description="a TCP port", examples=["3306"])]
Text = Annotated[str, pydantic.Field(max_length=4096)]


def keyed_list(key: str, *, longest: int, description: str) -> Any:
    """A list whose items are told apart by `key`: merged by that key on the server, and never the same key twice."""
    return pydantic.Field(
        default=(),
        max_length=longest,
        description=description,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]},
    )
