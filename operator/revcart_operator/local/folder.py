"""The data folder of a local platform (`.revcart/`): what lies where, who holds it, and what runs on it.

lock            held by the running process
run.json        who runs: pid, its start time, addresses
secrets.json    generated once, 0600
secrets/        secrets that the platform refers to: <name>/<key>
databases/      one SQLite file per database
documents/      one file per document database
bus.sqlite, cache.sqlite, logs/<service>.log
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from revcart_operator.local import refusals

STARTING = "starting"
SERVING = "serving"
EMBEDDED = "embedded"
EXTERNAL = "external"


@dataclass(frozen=True, kw_only=True)
class Store:
    """A store that a platform runs on. `kind`: EMBEDDED, EXTERNAL; `address`: `host:port` of an external one."""

    name: str
    kind: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """A running platform. `started`: when its process began, as the system tells it, so that a reused pid is seen."""

    pid: int
    started: str
    platform: str
    state: str  # STARTING, SERVING
    since: str  # RFC 3339
    addresses: Mapping[str, str]
    stores: Sequence[Store]

    def alive(self) -> bool:
        return start_time(self.pid) == self.started


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.secrets = self.path / "secrets.json"

    def prepare(self) -> None:
        """Make the folder and its rooms; readable for nobody else. Raises BrokenFolder."""
        if "?" in str(self.path):
            raise refusals.BrokenFolder(path=str(self.path), why="URLs of databases cannot hold a ?")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for room in ("databases", "documents", "logs"):
                (self.path / room).mkdir(exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise refusals.BrokenFolder(path=str(self.path), why=error.strerror or str(error)) from error

    def database(self, name: str) -> Path:
        return self.path / "databases" / f"{name}.sqlite"

    def documents(self, name: str) -> Path:
        return self.path / "documents" / f"{name}.sqlite"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder as long as the block runs. The lock ends with the process, however that ends."""
        with open(self.path / "lock", "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                run = self.run()
                raise refusals.AlreadyRunning(folder=str(self.path), pid=run.pid if run else None) from error
            try:
                yield
            finally:
                self._run_file.unlink(missing_ok=True)

    def note(self, run: Run) -> None:
        """Say who runs. Written whole or not at all."""
        draft = self._run_file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(run)), encoding="utf-8")
        draft.replace(self._run_file)

    def run(self) -> Run | None:
        """The platform that runs on this folder; None when there is none, or only the trace of one that died."""
        try:
            noted = json.loads(self._run_file.read_text(encoding="utf-8"))
            run = Run(**{**noted, "stores": [Store(**each) for each in noted["stores"]]})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return run if run.alive() else None

    def secret(self, name: str, key: str) -> Path:
        return self.path / "secrets" / name / key

    def referred(self) -> dict[str, dict[str, str]]:
        """The secrets that a platform may refer to, as `secrets/<name>/<key>`, like a mounted Secret."""
        root = self.path / "secrets"
        if not root.is_dir():
            return {}
        return {
            folder.name: {
                file.name: file.read_text(encoding="utf-8").rstrip("\n") for file in folder.iterdir() if file.is_file()
            }
            for folder in root.iterdir()
            if folder.is_dir()
        }

    @property
    def _run_file(self) -> Path:
        return self.path / "run.json"


def start_time(pid: int) -> str:
    """When a process began, in its system's own words; empty when there is no such process."""
    if not Path("/proc/self/stat").exists():
        return _alive(pid)
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    state, *fields = text.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]  # field 22 of proc(5): clock ticks since boot


def _alive(pid: int) -> str:
    """Without /proc only that it lives; the lock still keeps two platforms apart."""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "unknown"
