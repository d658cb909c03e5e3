"""Bytes to frames, however the bytes were cut. Incremental, bounded, and raising nothing but its own error."""

from __future__ import annotations

from typing import Final

from revcart.stomp import frames

_NUL: Final = b"\x00"


class Parser:
    """Feed it what arrives, then take frames until there is none.

    `version` is set by the session once it is agreed, between two frames: it decides how the following headers are
    unescaped. After an error the stream cannot be trusted any more, so every further call raises the same error.
    """

    def __init__(self, limits: frames.Limits | None = None, *, version: frames.Version | None = None) -> None:
        self.version = version
        self._limits = limits or frames.Limits()
        self._buffer = bytearray()
        self._error: frames.FrameError | None = None
        self._reset()

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self._buffer += data

    def next_frame(self) -> frames.Frame | None:
        """The next complete frame, or None until more is fed. Raises FrameError, FrameTooLarge."""
        if self._error is not None:
            raise self._error
        try:
            return self._next_frame()
        except frames.FrameError as error:
            self._error = error
            self._buffer.clear()
            raise

    def _reset(self) -> None:
        self._command: str | None = None
        self._headers: list[tuple[str, str]] = []
        self._head_done = False
        self._length: int | None = None  # of the body, when content-length gave it
        self._taken = 0  # bytes of the current frame already out of the buffer
        self._scanned = 0  # bytes of the buffer known to hold no delimiter, so that no byte is searched twice

    def _next_frame(self) -> frames.Frame | None:
        if self._command is None:
            self._skip_line_ends()
        while not self._head_done:
            line = self._line()
            if line is None:
                return None
            self._read_line(line)
        body = self._body()
        if body is None:
            return None
        assert self._command is not None, "the head is read before the body"
        if body and self._command not in frames.WITH_BODY:
            raise frames.FrameError(f"a {_shown(self._command)} frame has no body")
        result = frames.Frame(self._command, tuple(self._headers), body)
        self._reset()
        return result

    def _skip_line_ends(self) -> None:
        buffer = self._buffer
        end = 0
        while end < len(buffer):
            if buffer[end] == 0x0A:
                end += 1
            elif buffer[end : end + 2] == b"\r\n":
                end += 2
            else:
                break
        del buffer[:end]

    def _line(self) -> bytes | None:
        if not self._buffer or (self._buffer == b"\r" and self._taken == 0):
            return None  # a lone CR may still become a stray line end
        end = self._buffer.find(b"\n", self._scanned)
        line = self._buffer[: end if end >= 0 else len(self._buffer)]
        if 0 <= line.find(_NUL, self._scanned) <= self._limits.line_bytes:
            raise frames.FrameError("NUL before the end of the headers")
        if len(line) > self._limits.line_bytes:
            raise frames.FrameTooLarge(f"a header line is longer than {self._limits.line_bytes} bytes")
        self._check_size(len(line))
        if end < 0:
            self._scanned = len(self._buffer)
            return None
        del self._buffer[: end + 1]
        self._taken += end + 1
        self._scanned = 0
        # 1.0 and 1.1 end lines with LF alone: there a CR belongs to the value.
        if self.version in (None, "1.2") and line.endswith(b"\r"):
            del line[-1:]
        return bytes(line)

    def _read_line(self, line: bytes) -> None:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise frames.FrameError("a header is not valid UTF-8") from None
        if self._command is None:
            self._command = text
        elif text:
            self._add_header(text)
        else:
            self._end_head()

    def _add_header(self, text: str) -> None:
        if len(self._headers) >= self._limits.headers:
            raise frames.FrameTooLarge(f"more than {self._limits.headers} headers")
        name, colon, value = text.partition(":")
        if not colon or not name:
            raise frames.FrameError("a header line is not name:value")
        version = None if self._command in frames.UNESCAPED else self.version
        self._headers.append((frames.unescape(name, version), frames.unescape(value, version)))

    def _end_head(self) -> None:
        self._head_done = True
        declared = next((value for name, value in self._headers if name == "content-length"), None)
        if declared is None:
            return
        digits = declared.strip()
        if not (digits.isascii() and digits.isdigit()):
            raise frames.FrameError("content-length is not a number")
        if len(digits) > 10:
            raise frames.FrameTooLarge(f"a frame is longer than {self._limits.frame_bytes} bytes")
        self._length = int(digits)
        self._check_size(self._length)

    def _body(self) -> bytes | None:
        if self._length is None:
            end = self._buffer.find(_NUL, self._scanned)
            self._check_size(end if end >= 0 else len(self._buffer))
            if end < 0:
                self._scanned = len(self._buffer)
                return None
        else:
            end = self._length
            if len(self._buffer) <= end:
                return None
            if self._buffer[end] != 0:
                raise frames.FrameError("the body does not end where content-length says")
        body = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return body

    def _check_size(self, pending: int) -> None:
        if self._taken + pending > self._limits.frame_bytes:
            raise frames.FrameTooLarge(f"a frame is longer than {self._limits.frame_bytes} bytes")


def _shown(command: str) -> str:
    return command[:32] if command.isalpha() and command.isascii() else "unknown"
