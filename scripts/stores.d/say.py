"""What a person watching sees: one line per event on standard error, and signs of life while something takes long."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

FIRST, EVERY = 2.0, 5.0  # seconds
_one_line_at_a_time = threading.Lock()


def line(text: str, *, stream: str = "err") -> None:
    """One whole line, also when several stores talk at once."""
    with _one_line_at_a_time:
        target = sys.stdout if stream == "out" else sys.stderr
        target.write(f"{text}\n")
        target.flush()


@contextlib.contextmanager
def during(what: str) -> Iterator[None]:
    """Say every few seconds that `what` still goes on, beginning after two."""
    ended = threading.Event()
    started = time.monotonic()

    def report() -> None:
        wait = FIRST
        while not ended.wait(wait):
            line(f"  {what}, {time.monotonic() - started:.0f} s")
            wait = EVERY

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        reporter.join()
