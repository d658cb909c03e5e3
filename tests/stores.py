"""Real stores of one's own, through `scripts/stores`: for tests that stop, kill, pause or fill them.

    with stores.private(tmp_path, "redis", "kafka") as own:
        own.url("redis"); own.stop("redis"); own.start("redis")  # same port, same data

Each call blocks until it is done; under asyncio wrap it: `await asyncio.to_thread(own.stop, "redis")`.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "stores"
NOT_HERE = 4  # exit status: what was named cannot be had on this machine
FETCHING = 1800.0  # seconds; only the first time on a machine


class Stores:
    """Instances in a state folder of their own; the names are those of `scripts/stores`."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def url(self, name: str) -> str:
        """As in the environment of tests, e.g. `mysql+aiomysql://root:…@127.0.0.1:…`; it must run."""
        return str(self._status(name)["url"])

    def pid(self, name: str) -> int:
        return int(str(self._status(name)["pid"]))

    def start(self, *names: str) -> None:
        """Start and wait until each answers. Skips the test, saying why, when one cannot be had here."""
        done = script(self.state, "up", *names)
        if done.returncode == NOT_HERE:
            pytest.skip(next(line for line in done.stderr.splitlines() if "cannot be had" in line))
        assert done.returncode == 0, done.stderr

    def stop(self, *names: str) -> None:
        """In good order; connections are closed, then the port refuses."""
        self._down(*names)

    def kill(self, *names: str) -> None:
        """kill -9: nothing is flushed or said goodbye to."""
        self._down("--kill", *names)

    def pause(self, name: str) -> None:
        """It accepts connections and says nothing, like a server that hangs; until `resume`, `stop` or `kill`."""
        os.kill(self.pid(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        os.kill(self.pid(name), signal.SIGCONT)

    def _down(self, *words: str) -> None:
        done = script(self.state, "down", *words)
        assert done.returncode == 0, done.stderr

    def _status(self, name: str) -> dict[str, object]:
        status: dict[str, object] = json.loads(script(self.state, "status", "--json", name).stdout)[name]
        assert status["pid"], f"{name} does not run"
        return status


@contextlib.contextmanager
def private(folder: Path, *names: str) -> Iterator[Stores]:
    """Fresh instances of `names` for one test, stopped and deleted after it."""
    own = Stores(folder / "stores")
    try:
        own.start(*names)
        yield own
    finally:
        own.kill()
        shutil.rmtree(own.state, ignore_errors=True)


def script(state: Path, *words: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(SCRIPT), "--state", str(state), *words], env=env, capture_output=True, text=True, timeout=FETCHING
    )
