"""Start a process that outlives us, know it again later by its start time, and end it and no other."""

import os
import signal
import subprocess
import time
from pathlib import Path

# The child writes its own record before it becomes the server: we may die at any moment and still leave no stranger.
# Renamed into place, the record is whole or absent; the boot's id tells process 4711 of today from that of yesterday.
_LAUNCH = 'cat /proc/sys/kernel/random/boot_id /proc/$$/stat >"$0.new" && mv "$0.new" "$0" && exec "$@"'
POLL = 0.05  # seconds


def start(command: list[str], *, record: Path, log: Path, env: dict[str, str], cwd: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", _LAUNCH, str(record), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | env,
            cwd=cwd,
        )


def alive(record: Path) -> int | None:
    """The id of the process that wrote `record`, if that very process still runs."""
    try:
        boot, stat = record.read_text().split("\n", 1)
        if boot != Path("/proc/sys/kernel/random/boot_id").read_text().strip():
            return None
        pid = int(stat.split(" ", 1)[0])
        state, started = _state_and_start(Path(f"/proc/{pid}/stat").read_text())
    except (OSError, ValueError):
        return None
    return pid if started == _state_and_start(stat)[1] and state != "Z" else None


def _state_and_start(stat: str) -> tuple[str, str]:
    # The second field is the program's name in brackets and may hold anything, so count from its end (proc(5)).
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]


def memory(pid: int) -> int:
    """Resident bytes, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def end(record: Path, *, kill: bool, patience: float) -> bool:
    """End the recorded process; at once with `kill`, else the hard way after `patience` seconds and False."""
    if not kill and _signal(record, signal.SIGTERM):
        # A paused process would not hear it.
        _signal(record, signal.SIGCONT)
        deadline = time.monotonic() + patience
        while alive(record) and time.monotonic() < deadline:
            time.sleep(POLL)
    forced = _signal(record, signal.SIGKILL)
    while alive(record):
        time.sleep(POLL)
    record.unlink(missing_ok=True)
    return kill or not forced


def _signal(record: Path, number: signal.Signals) -> bool:
    pid = alive(record)
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
