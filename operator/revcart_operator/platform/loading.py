"""From a YAML file to a `RevCartPlatform`, or to one sentence per mistake: where, on which line, what to write."""

import difflib
import enum
import json
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import pydantic
import yaml

from revcart_operator.platform import effective, spec

Path = tuple[str | int, ...]
_ROOT: Path = ()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake. `line` counts from 1; 0 where no line can be named."""

    path: Path
    line: int
    sentence: str

    def __str__(self) -> str:
        place = _dotted(self.path) or "the document"
        return f"{place} (line {self.line}): {self.sentence}" if self.line else f"{place}: {self.sentence}"


class InvalidPlatform(Exception):
    """The file does not hold a valid platform; `problems` says why, in the order of the file."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.source = source
        self.problems = problems


def read(file: File) -> spec.RevCartPlatform:
    """The platform that `file` holds. Raises InvalidPlatform, also when the file cannot be read."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidPlatform(str(file), [_problem(f"cannot be read: {reason}")]) from error
    except UnicodeDecodeError as error:
        raise InvalidPlatform(str(file), [_problem("is not UTF-8 text")]) from error
    return parse(text, source=str(file))


def parse(text: str, *, source: str = "platform.yaml") -> spec.RevCartPlatform:
    """The one platform in a YAML text. Raises InvalidPlatform with every mistake that can be seen at once."""
    node = _compose(text, source)
    lines: dict[Path, int] = {}
    repeated: list[Problem] = []
    _walk(node, _ROOT, lines, repeated)
    if repeated:
        raise InvalidPlatform(source, repeated)
    document = yaml.constructor.SafeConstructor().construct_document(node)
    if not isinstance(document, dict):
        raise InvalidPlatform(source, [_problem("must be an object that begins with apiVersion and kind", line=1)])
    try:
        # JSON mode: text becomes an enum, but no number becomes text and no text a number, as on the API server.
        platform = spec.RevCartPlatform.model_validate_json(
            json.dumps(document, default=str), strict=True, by_alias=True, by_name=False
        )
        effective.resolve(platform)
    except pydantic.ValidationError as error:
        problems = [problem for details in _told(error) for problem in _explained(details, lines)]
        raise InvalidPlatform(source, sorted(problems, key=lambda problem: problem.line)) from error
    return platform


def _compose(text: str, source: str) -> yaml.Node:
    try:
        documents = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    except yaml.YAMLError as error:
        raise InvalidPlatform(source, [_syntax(error)]) from error
    if len(documents) != 1:
        what = "holds no document" if not documents else f"holds {len(documents)} documents"
        raise InvalidPlatform(source, [_problem(f"{what}; write exactly one {spec.KIND}")])
    return documents[0]


def _syntax(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return _problem(f"is not YAML: {what}", line=mark.line + 1 if mark else 0)


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], repeated: list[Problem]) -> None:
    """Note the line of every key and item; YAML takes the last of two equal keys without a word, we do not."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            child = (*path, key.value)
            line = key.start_mark.line + 1
            if child in lines:
                repeated.append(
                    Problem(path=child, line=line, sentence=f"is written twice, first on line {lines[child]}; keep one")
                )
            lines[child] = line
            _walk(value, child, lines, repeated)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, repeated)


def _told(error: pydantic.ValidationError) -> Iterator[Any]:
    """What to tell of pydantic's list: a wrong item makes its list also "too short", which is nobody's mistake."""
    told = error.errors()
    for details in told:
        path = details["loc"]
        deeper = any(other["loc"][: len(path)] == path and other is not details for other in told)
        if not (details["type"] == "too_short" and deeper):
            yield details


def _explained(details: Any, lines: Mapping[Path, int]) -> Iterator[Problem]:
    path: Path = details["loc"]
    if details["type"] == "rules":
        for field, message in details["ctx"]["broken"]:
            blamed = (*path, *field.split(".")) if field else path
            yield Problem(path=blamed, line=_line(blamed, lines), sentence=message)
        return
    yield Problem(path=path, line=_line(path, lines), sentence=_sentence(details, path))


def _sentence(details: Any, path: Path) -> str:
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return _unknown_key(path)
        case "missing":
            return f"is missing; write {path[-1]}: {_example(path)}"
        case "enum" | "literal_error":
            return _not_one_of(given, _choices(path, context))
        case "string_pattern_mismatch":
            field = _field(path)
            what = (field.description if field else None) or f"text like {context['pattern']}"
            return f"{_shown(given)} is not {what}; write for example {_example(path)}"
        case "greater_than_equal":
            return f"must be at least {context['ge']}; {_shown(given)} is not"
        case "less_than_equal":
            return f"must be at most {context['le']}; {_shown(given)} is not"
        case "string_too_long":
            return f"is longer than {context['max_length']} characters"
        case "too_short":
            return f"needs at least {context['min_length']} item"
        case "too_long":
            return f"takes at most {context['max_length']} items"
    return _wrong_type(kind, given)


_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "float_type": "a number",
    "tuple_type": "a list (- item)",
    "list_type": "a list (- item)",
    "model_type": "an object (key: value)",
    "model_attributes_type": "an object (key: value)",
    "dict_type": "an object (key: value)",
}


def _wrong_type(kind: str, given: Any) -> str:
    wanted = _WANTED.get(kind, "something else")
    if given is None:
        return f"is empty; write {wanted}, or remove the key"
    if kind == "string_type" and not isinstance(given, dict | list):
        return f"must be text; put it in quotes: {json.dumps(_shown(given))}"
    return f"must be {wanted}; {_shown(given)} is {_kind(given)}"


def _unknown_key(path: Path) -> str:
    known = _keys(path[:-1])
    close = difflib.get_close_matches(str(path[-1]).lower(), [key.lower() for key in known], n=1, cutoff=0.6)
    if close:
        (meant,) = [key for key in known if key.lower() == close[0]]
        return f"is unknown. Did you mean {meant}?"
    return f"is unknown. Known here: {', '.join(known)}" if known else "is unknown"


def _not_one_of(given: Any, choices: list[str]) -> str:
    if isinstance(given, bool):
        return f"must be one of {', '.join(choices)}; YAML reads On, Off, Yes and No as true and false: use quotes"
    if not isinstance(given, str):
        return f"must be one of {', '.join(choices)}; {_shown(given)} is {_kind(given)}"
    close = difflib.get_close_matches(given.lower(), [choice.lower() for choice in choices], n=1, cutoff=0.5)
    hint = "".join(f" Did you mean {choice}?" for choice in choices if close and choice.lower() == close[0])
    return f"must be one of {', '.join(choices)}; {_shown(given)} is not.{hint}"


def _choices(path: Path, context: Mapping[str, Any]) -> list[str]:
    field = _field(path)
    for candidate in _flat(field.annotation) if field else ():
        if isinstance(candidate, type) and issubclass(candidate, enum.StrEnum):
            return [str(member) for member in candidate]
    return str(context.get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")


def _example(path: Path) -> str:
    field = _field(path)
    if field is None:
        return "…"
    if field.examples:
        return str(field.examples[0])
    return "{…}" if any(_is_model(candidate) for candidate in _flat(field.annotation)) else "…"


def _keys(path: Path) -> list[str]:
    """The keys that the object at `path` may have."""
    found = _model(path)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _field(path: Path) -> pydantic.fields.FieldInfo | None:
    """The declaration of the field at `path`; for an item of a list, that of the list."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    owner = _model(path[:-1]) if path else None
    if owner is None:
        return None
    return next((field for name, field in owner.model_fields.items() if (field.alias or name) == path[-1]), None)


def _model(path: Path) -> type[pydantic.BaseModel] | None:
    if not path:
        return spec.RevCartPlatform
    field = _field(path)
    models = [candidate for candidate in _flat(field.annotation) if _is_model(candidate)] if field else []
    return models[0] if models else None


def _flat(annotation: Any) -> Iterator[Any]:
    """The plain types inside an annotation: `tuple[Patch, ...] | None` holds Patch."""
    arguments = typing.get_args(annotation)
    if not arguments:
        yield annotation
    for argument in arguments:
        yield from _flat(argument)


def _is_model(candidate: Any) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, pydantic.BaseModel)


def _line(path: Path, lines: Mapping[Path, int]) -> int:
    """The line of the field, or of the nearest object around it that the file does hold."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _problem(sentence: str, *, line: int = 0) -> Problem:
    return Problem(path=_ROOT, line=line, sentence=sentence)


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return f'"{text[:60]}"' if isinstance(value, str) else text[:60]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "empty"
