"""One store of one state folder: its ports, password, log and process.

Everything in the folder may be deleted while it is down. Two processes may use it at once.
"""

import collections
import functools
import json
import random
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import fetch
import locks
import processes
import refusals
import say
import table

START_TIMEOUT, STOP_PATIENCE = 90.0, 20.0  # seconds
LOWEST_PORT = 10_000


@dataclass(frozen=True, kw_only=True)
class Status:
    state: str
    """up, silent (it runs and does not answer) or down."""
    pid: int | None
    url: str
    memory: int
    """Resident bytes."""


class Instance:
    def __init__(self, store: table.Store, *, state: Path) -> None:
        self.store = store
        self.home = state.absolute() / store.name
        self._engine = engines.ENGINES[store.name]
        self._record = self.home / "process"
        self._log = self.home / "log"
        self._lock = functools.partial(
            locks.held, self.home / "lock", waiting=f"{store.name}: another process starts or stops it"
        )

    def up(self) -> None:
        """Start it unless it runs, and wait until it answers. Raises CannotBeHad, DoesNotStart."""
        with self._lock():
            program = fetch.obtain(self.store)
            if processes.alive(self._record) is not None:
                place = self._place(program)
            else:
                place = self._place(program, renew_taken_ports=True)
                with say.during(f"{self.store.name}: making an empty {self.store.server}"):
                    self._engine.prepare(place)
                self._log.unlink(missing_ok=True)
                child = processes.start(
                    self._engine.command(place),
                    record=self._record,
                    log=self._log,
                    env=fetch.libraries(program),
                    cwd=self.home,
                )
                # Its record is written by itself; until then there is nothing to watch.
                while processes.alive(self._record) is None and child.poll() is None:
                    time.sleep(processes.POLL)
            with say.during(f"{self.store.name}: waiting for an answer"):
                self._wait(place)

    def down(self, *, kill: bool = False) -> bool:
        """End it if this script started it; False: it did not run."""
        with self._lock():
            if processes.alive(self._record) is None:
                self._record.unlink(missing_ok=True)
                return False
            with say.during(f"{self.store.name}: stopping"):
                if not processes.end(self._record, kill=kill, patience=STOP_PATIENCE):
                    say.line(f"  {self.store.name} did not stop within {STOP_PATIENCE:.0f} s and was killed")
            return True

    def status(self) -> Status:
        pid = processes.alive(self._record)
        if pid is None:
            return Status(state="down", pid=None, url="", memory=0)
        place = self._place(Path())
        try:
            self._engine.ask(place)
            state = "up"
        except (OSError, ValueError):
            state = "silent"
        return Status(state=state, pid=pid, url=self._engine.url(place), memory=processes.memory(pid))

    def _wait(self, place: engines.Place) -> None:
        deadline, reason = time.monotonic() + START_TIMEOUT, "it was not asked"
        while time.monotonic() < deadline:
            try:
                self._engine.ask(place)
            except (OSError, ValueError) as error:
                reason = str(error)
            else:
                return
            if processes.alive(self._record) is None:
                reason = "it ended"
                break
            time.sleep(processes.POLL)
        raise refusals.DoesNotStart(f"no answer on port {place.port} ({reason}); its log ends with:\n{self._tail()}")

    def _tail(self) -> str:
        try:
            with self._log.open(errors="replace") as lines:
                return "".join(f"    {line}" for line in collections.deque(lines, maxlen=15)).rstrip()
        except OSError:
            return "    (there is no log)"

    def _place(self, program: Path, *, renew_taken_ports: bool = False) -> engines.Place:
        """What was remembered; a port that somebody else took meanwhile is replaced when asked."""
        file = self.home / "instance.json"
        kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        ports = dict(kept.get("ports", {}))
        for name in self.store.ports:
            if name not in ports:
                ports[name] = _free_port()
            elif renew_taken_ports and not _is_free(ports[name]):
                taken, ports[name] = ports[name], _free_port()
                say.line(f"  {self.store.name}: port {taken} was taken by another process, {ports[name]} replaces it")
        password = kept.get("password") or secrets.token_hex(12)
        if (remembered := {"ports": ports, "password": password}) != kept:
            self.home.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(json.dumps(remembered))
            new.rename(file)
        return engines.Place(home=self.home, program=program, ports=ports, password=password)


def _free_port() -> int:
    """A free port below those that the kernel gives to clients.

    With one of theirs, a client that keeps trying while the server is down may be given that very port as its own,
    connect to itself, and keep the server from coming back.
    """
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = range(LOWEST_PORT, highest) if highest > LOWEST_PORT else range(LOWEST_PORT, 65_536)
    return next(port for port in random.sample(candidates, k=200) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port whose last connections have not quite died out may be listened on again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((engines.HOST, port))
        except OSError:
            return False
    return True
