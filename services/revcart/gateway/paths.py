"""Paths as segments, and a tree that finds what is registered for them: a dictionary per segment, no expressions."""

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
Segments = tuple[str, ...]


def segments(path: str) -> Segments | None:
    """The segments of a percent-decoded path, without a trailing slash.

    None for a path that two readers could take for two different ones: empty or dot segments, backslashes, control
    characters. No route has such a path, and a service must never see it.
    """
    if not path.startswith("/") or "\\" in path or any(character < " " or character == "\x7f" for character in path):
        return None
    trimmed = path[1:].rstrip("/")
    if not trimmed:
        return ()
    parts = tuple(trimmed.split("/"))
    return None if any(part in ("", ".", "..") for part in parts) else parts


def quote(segments: Segments) -> str:
    """The path as on the wire."""
    return "/" + "/".join(urllib.parse.quote(part, safe="!$&'()*+,;=:@~-._") for part in segments)


@dataclass(slots=True)
class _Node(Generic[T]):
    children: "dict[str, _Node[T]]" = field(default_factory=dict)
    any: "_Node[T] | None" = None
    here: list[T] = field(default_factory=list)
    below: list[T] = field(default_factory=list)


class Tree(Generic[T]):
    """Values by pattern: `*` or `{name}` is one segment, `**` at the end any number, none included."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, pattern: str, value: T) -> None:
        node = self._root
        parts = pattern.strip("/").split("/")
        for at, part in enumerate(parts):
            if part == "**":
                assert at == len(parts) - 1, f"** ends a pattern: {pattern}"
                node.below.append(value)
                return
            if part == "*" or part.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.children.setdefault(part, _Node())
        node.here.append(value)

    def find(self, path: Segments) -> Iterator[tuple[T, Segments]]:
        """What fits, most specific first (at each segment itself, then `*`, then `**`), and what the stars took."""
        return self._find(self._root, path, 0, ())

    def _find(self, node: _Node[T], path: Segments, at: int, taken: Segments) -> Iterator[tuple[T, Segments]]:
        if at == len(path):
            for value in node.here:
                yield value, taken
        else:
            child = node.children.get(path[at])
            if child is not None:
                yield from self._find(child, path, at + 1, taken)
            if node.any is not None:
                yield from self._find(node.any, path, at + 1, (*taken, path[at]))
        for value in node.below:
            yield value, (*taken, *path[at:])
