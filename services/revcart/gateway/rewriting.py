"""Applies the aliases: what a request to an old path becomes."""

import json
import re
import urllib.parse
from dataclasses import dataclass, field

from revcart.gateway import aliases, paths
from revcart.kit import errors

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})(\.\d{1,6})?")
_NAMES = re.compile(r"\{(\w+)\}")
_SESSION_PREFIX = "gs_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """The request as it goes on. `owner`: the id that the caller must have, unless an ADMIN goes to `for_admin`."""

    method: str
    path: str
    query: str
    body: bytes | None = None
    headers: dict[bytes, bytes] = field(default_factory=dict)
    owner: str = ""
    for_admin: "Rewritten | None" = None

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


class Rewriter:
    """Knows the aliases, and the paths that stay closed."""

    def __init__(self) -> None:
        self._aliases: paths.Tree[aliases.Alias] = paths.Tree()
        for alias in aliases.ALIASES:
            self._aliases.add(alias.path, alias)
        self._closed: paths.Tree[str] = paths.Tree()
        for method, path in aliases.CLOSED:
            self._closed.add(path, method)

    def rewrite(self, method: str, path: paths.Segments, *, query: str, has_body: bool) -> Rewritten | None:
        """None when the path is none of the old ones. Raises NotFound for one that stays closed."""
        if any(closed in ("", method) for closed, _ in self._closed.find(path)):
            raise errors.NotFound
        wanted = "GET" if method == "HEAD" else method
        for alias, taken in self._aliases.find(path):
            if alias.methods and wanted not in alias.methods:
                continue
            if alias.body and (has_body or not any(name in alias.body for name, _ in urllib.parse.parse_qsl(query))):
                continue
            values = dict(zip(_names(alias.path), taken, strict=False))
            if alias.session and not values["session"].startswith(_SESSION_PREFIX):
                continue
            return _apply(alias, method=method, taken=taken, values=values, query=query)
        return None


def _apply(
    alias: aliases.Alias,
    *,
    method: str,
    taken: paths.Segments,
    values: dict[str, str],
    query: str,
) -> Rewritten:
    path, fixed = _fill(alias.to, taken=taken, values=values)
    admin = _fill(alias.for_admin, taken=taken, values=values) if alias.for_admin else None
    return Rewritten(
        method=alias.becomes or method,
        path=path,
        query="" if alias.body else _merged(fixed, query),
        body=_body(alias.body, query) if alias.body else None,
        headers={b"x-cart-session": values["session"].encode("latin-1", "replace")} if alias.session else {},
        owner=values["uid"] if alias.own else "",
        for_admin=Rewritten(method=method, path=admin[0], query=_merged(admin[1], query)) if admin else None,
    )


def _fill(template: str, *, taken: paths.Segments, values: dict[str, str]) -> tuple[str, str]:
    """Path and query of a template, filled and quoted."""
    path, _, query = template.partition("?")
    parts: list[str] = []
    for part in path.strip("/").split("/"):
        if part == "**":
            parts.extend(taken[len(values) :])
        else:
            parts.append(values[part[1:-1]] if part.startswith("{") else part)
    filled = _NAMES.sub(lambda name: urllib.parse.quote(values[name[1]], safe=""), query)
    return paths.quote(tuple(parts)), filled


def _names(pattern: str) -> list[str]:
    return _NAMES.findall(pattern)


def _merged(fixed: str, query: str) -> str:
    ours = {pair.partition("=")[0] for pair in fixed.split("&")}
    theirs = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in ours]
    return "&".join(part for part in (fixed, *theirs) if part)


def _body(names: tuple[str, ...], query: str) -> bytes:
    """The parameters `names` as a JSON object; what looks like a number is one. All others are left out."""
    given = dict(urllib.parse.parse_qsl(query))
    return json.dumps({name: _value(given[name]) for name in names if name in given}).encode()


def _value(text: str) -> object:
    return json.loads(text) if _NUMBER.fullmatch(text) else text
