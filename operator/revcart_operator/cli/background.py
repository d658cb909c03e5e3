"""`revcart up --detach` and `revcart down`: a platform that runs on without a terminal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from revcart_operator.local import folder, refusals
from revcart_operator.platform import spec

START_SECONDS = 90
STOP_SECONDS = 40  # the platform gives itself 25
POLL_SECONDS = 0.05
TAIL = 20
DONE = 0
REFUSED = 1


def start(*, platform: spec.RevCartPlatform, file: Path, data: Path, port_offset: int) -> int:
    """Start `revcart up` in a session of its own and wait until it serves."""
    place = folder.Folder(data)
    try:
        place.prepare()
    except refusals.Refusal as error:
        print(error, file=sys.stderr)
        return REFUSED
    log = place.logs / "up.log"
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(  # noqa: S603 - ourselves, with arguments that were parsed already
            [
                sys.executable,
                "-m",
                "revcart_operator.cli.main",
                "up",
                f"--file={file.absolute()}",
                f"--data={place.path}",
                f"--port-offset={port_offset}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    began = time.monotonic()
    with Console().status(f"Starting {platform.name} …"):
        serves = _wait_until_it_serves(place, child)
    if not serves:
        _give_up(child)
        print("\n".join(log.read_text(encoding="utf-8").splitlines()[-TAIL:]), file=sys.stderr)
        print(f"{platform.name} did not start; the whole log: {log}", file=sys.stderr)
        return REFUSED
    print(log.read_text(encoding="utf-8"), end="")
    print(f"Runs in the background as process {child.pid}, after {time.monotonic() - began:.1f} s.")
    return DONE


def stop(data: Path) -> int:
    """Ask the platform to stop, and wait until its process has ended."""
    place = folder.Folder(data)
    run = place.run()
    if run is None:
        print(f"No platform runs on {place.path}.")
        return DONE
    began = time.monotonic()
    os.kill(run.pid, signal.SIGTERM)
    with Console().status(f"Stopping {run.platform}: requests in flight are finished and events are sent …"):
        while run.alive():
            if time.monotonic() - began > STOP_SECONDS:
                print(f"{run.platform} (process {run.pid}) has not stopped in {STOP_SECONDS} s.", file=sys.stderr)
                return REFUSED
            time.sleep(POLL_SECONDS)
    print(f"{run.platform} has stopped after {time.monotonic() - began:.1f} s. Its data is kept in {place.path}.")
    return DONE


def _wait_until_it_serves(place: folder.Folder, child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        run = place.run()
        if run is not None and run.pid == child.pid and run.state == folder.SERVING:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _give_up(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
