"""`revcart logs`: the JSON lines of a service, made readable."""

import collections
import difflib
import json
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from revcart_operator.local import folder
from revcart_operator.platform import catalogue

POLL_SECONDS = 0.2
DONE = 0
REFUSED = 1
PROCESS = "revcart"
_COLOURS = {"DEBUG": "dim", "WARN": "yellow", "ERROR": "red"}
_SHOWN_APART = ("at", "level", "event", "service", "logger", "error", "fields", "spanId", "traceId")


def show(service: str, *, data: Path, follow: bool, lines: int, as_json: bool) -> int:
    """Print the last `lines` lines, and with `follow` those that come; the exit code."""
    known = (*catalogue.NAMES, catalogue.PAYSIM.name, PROCESS)
    if service not in known:
        close = difflib.get_close_matches(service, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else f" Known: {', '.join(known)}."
        print(f"There is no service {service}.{hint}", file=sys.stderr)
        return REFUSED
    file = folder.Folder(data).logs / f"{service}.log"
    if not file.exists() and not follow:
        print(f"{service} has not written a log yet ({file}).", file=sys.stderr)
        return REFUSED
    console = Console(soft_wrap=True, highlight=False)
    interrupted = threading.Event()
    # The way to end a follow. A KeyboardInterrupt could be raised, and lost, anywhere in the printing of a line.
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    for line in _lines(file, last=lines, follow=follow, interrupted=interrupted):
        console.print(Text(line) if as_json else pretty(line))
    return DONE


def pretty(line: str) -> Text:
    """One line for people: time, level, event, then what belongs to it; a stack below it."""
    try:
        record: dict[str, Any] = json.loads(line)
        clock = str(record["at"])[11:23]
        level = str(record["level"])
    except (ValueError, KeyError, TypeError):
        return Text(line)
    members = {key: value for key, value in record.items() if key not in _SHOWN_APART} | dict(record.get("fields", {}))
    text = Text(f"{clock} ", style="dim")
    text.append(f"{level:<5} ", style=_COLOURS.get(level, "green"))
    text.append(str(record.get("event", "")), style="bold")
    for key, value in members.items():
        text.append(f" {key}=", style="dim")
        text.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    if error := record.get("error"):
        text.append("\n" + str(error.get("stack") or f"{error.get('type')}: {error.get('message')}").rstrip(), "red")
    return text


def _lines(file: Path, *, last: int, follow: bool, interrupted: threading.Event) -> Iterator[str]:
    position = 0
    if file.exists():
        with open(file, encoding="utf-8", errors="replace") as read:
            yield from (line.rstrip("\n") for line in collections.deque(read, maxlen=last))
            position = read.tell()
    while follow and not interrupted.wait(POLL_SECONDS):
        if not file.exists():
            continue
        if file.stat().st_size < position:  # turned over: a new file has begun
            position = 0
        with open(file, encoding="utf-8", errors="replace") as read:
            read.seek(position)
            while (line := read.readline()).endswith("\n"):
                yield line.rstrip("\n")
                position = read.tell()
