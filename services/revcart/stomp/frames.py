"""One STOMP frame and how it is written down, so that parser, session and tests share a single idea of it.

Header escapes differ by version: 1.2 knows `\\r \\n \\c \\\\`, 1.1 has no `\\r`, 1.0 has none; CONNECT, STOMP and
CONNECTED are never escaped, because the version is not yet agreed when they travel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Version = Literal["1.0", "1.1", "1.2"]
VERSIONS: Final[tuple[Version, ...]] = ("1.2", "1.1", "1.0")  # best first
HEART_BEAT: Final = b"\n"
UNESCAPED: Final = frozenset({"CONNECT", "STOMP", "CONNECTED"})
WITH_BODY: Final = frozenset({"SEND", "MESSAGE", "ERROR"})

_ESCAPES: Final[dict[Version, dict[str, str]]] = {
    "1.2": {"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"},
    "1.1": {"\\": "\\\\", "\n": "\\n", ":": "\\c"},
    "1.0": {},
}
_UNESCAPES: Final = {version: {to[1]: of for of, to in table.items()} for version, table in _ESCAPES.items()}


class FrameError(Exception):
    """What was read or is to be written is no STOMP frame. The text is safe to show to the peer."""


class FrameTooLarge(FrameError):
    """A frame, a header line or the number of headers is over its limit."""


@dataclass(frozen=True)
class Limits:
    """Bytes of a whole frame and of one line of its head; number of headers."""

    frame_bytes: int = 64 * 1024
    line_bytes: int = 8 * 1024
    headers: int = 64


@dataclass(frozen=True)
class Frame:
    """Headers keep their order and repeats; `get` answers the first, as the specification rules."""

    command: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The first header of that name, or None."""
        return next((value for key, value in self.headers if key == name), None)


def frame(command: str, headers: Iterable[tuple[str, str | None]] = (), *, body: bytes = b"") -> Frame:
    """A frame from headers of which the absent (None) are left out."""
    return Frame(command, tuple((name, value) for name, value in headers if value is not None), body)


def encode(value: Frame, version: Version | None) -> bytes:
    """The bytes of a frame; a body always travels under `content-length`. None = version not yet agreed.

    Raises FrameError when that version cannot express a header (1.0 has no way to write a line feed).
    """
    table = _ESCAPES[version] if version and value.command not in UNESCAPED else {}
    lines = [_plain(value.command)]
    for name, text in value.headers:
        lines.append(f"{_written(name, table, is_name=True)}:{_written(text, table, is_name=False)}")
    if value.body and value.get("content-length") is None:
        lines.append(f"content-length:{len(value.body)}")
    try:
        head = "\n".join(lines).encode()
    except UnicodeEncodeError:
        raise FrameError("a header is not valid Unicode") from None
    return head + b"\n\n" + value.body + b"\x00"


def unescape(text: str, version: Version | None) -> str:
    """A header part as it was before `encode`. Raises FrameError for an escape this version does not define."""
    if version is None or version == "1.0" or "\\" not in text:
        return text
    table = _UNESCAPES[version]
    parts: list[str] = []
    position = 0
    while (found := text.find("\\", position)) >= 0:
        original = table.get(text[found + 1 : found + 2])
        if original is None:
            raise FrameError("undefined escape sequence in a header")
        parts += [text[position:found], original]
        position = found + 2
    parts.append(text[position:])
    return "".join(parts)


def _written(text: str, table: dict[str, str], *, is_name: bool) -> str:
    escaped = "".join(table.get(letter, letter) for letter in text)
    if is_name and (not escaped or ":" in escaped):
        raise FrameError("this header name cannot be written in this version")
    return _plain(escaped)


def _plain(line: str) -> str:
    # A carriage return at the end of a line would be read as part of the line's end, so it is refused with the others.
    if any(letter in line for letter in "\n\r\x00"):
        raise FrameError("a line end or NUL cannot be written in this version")
    return line
