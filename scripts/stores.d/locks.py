"""One process at a time, per folder."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import say


@contextlib.contextmanager
def held(file: Path, *, waiting: str) -> Iterator[None]:
    """Hold `file` against other processes; the kernel lets go of it when this one dies."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        if not _taken(handle.fileno()):
            with say.during(waiting):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def free(file: Path) -> Iterator[bool]:
    """Whether nobody else holds `file`; if so it is held."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        yield _taken(handle.fileno())


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
