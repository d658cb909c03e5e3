"""The command `scripts/stores`: the five real stores on this machine, for tests and for trying things out."""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fetch
import instances
import locks
import refusals
import say
import table

STATE = Path(__file__).parents[2] / ".revcart-stores"


@dataclasses.dataclass
class Outcome:
    """Which of the stores that were asked for are not there: missing, with the reason, or failed."""

    missing: dict[str, str] = dataclasses.field(default_factory=dict)
    failed: list[str] = dataclasses.field(default_factory=list)


def main() -> int:
    arguments = _parser().parse_args()
    status: int = arguments.run(arguments)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/stores", description=__doc__, epilog="More: docs/stores.md")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of data, logs and ports (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        if name != "run":
            added.add_argument("stores", nargs="*", metavar="STORE", help=f"of {', '.join(table.STORES)}; all if none")
        return added

    command("fetch", _fetch, "get the servers into the cache")
    command("up", _up, "start them, unless they run, and wait until they answer")
    command("down", _down, "stop those that this script started").add_argument(
        "--kill", action="store_true", help="at once, as a crash would"
    )
    command("status", _status, "say how they are").add_argument("--json", action="store_true", help="for programs")
    command("env", _env, "print export lines with the URLs of those that run")
    run = command("run", _run, "run a command with stores of its own and stop them after it")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    return parser


def _fetch(arguments: argparse.Namespace) -> int:
    return _exit(_each(_chosen(arguments), fetch.obtain, "is here"), arguments)


def _up(arguments: argparse.Namespace) -> int:
    return _exit(_start(_chosen(arguments), state=arguments.state), arguments)


def _start(stores: list[table.Store], *, state: Path) -> Outcome:
    return _each(stores, lambda store: instances.Instance(store, state=state).up(), "answers")


def _each(stores: list[table.Store], act: Callable[[table.Store], object], success: str) -> Outcome:
    """Do it with all stores at once, saying how each went and how long it took."""
    outcome = Outcome()

    def one(store: table.Store) -> None:
        began = time.monotonic()
        try:
            act(store)
            say.line(f"{store.name:8} {store.title} {success} ({time.monotonic() - began:.1f} s)")
        except refusals.CannotBeHad as refusal:
            outcome.missing[store.name] = str(refusal)
            say.line(f"{store.name:8} {store.title} cannot be had: {refusal}")
        except Exception as error:  # the other stores go on
            outcome.failed.append(store.name)
            say.line(f"{store.name:8} {store.title} does not start: {error}")

    with concurrent.futures.ThreadPoolExecutor(max_workers=len(table.STORES)) as pool:
        list(pool.map(one, stores))
    return outcome


def _exit(outcome: Outcome, arguments: argparse.Namespace) -> int:
    """1: one does not start. 4: one cannot be had, which is only a failure for those who asked for it by name."""
    if outcome.failed:
        return 1
    return 4 if outcome.missing and arguments.stores else 0


def _down(arguments: argparse.Namespace) -> int:
    for name in _stop(_chosen(arguments), state=arguments.state, kill=arguments.kill):
        say.line(f"{name:8} stopped")
    return 0


def _stop(stores: list[table.Store], *, state: Path, kill: bool = False) -> list[str]:
    """The names of those that ran."""

    def one(store: table.Store) -> bool:
        return (state / store.name).exists() and instances.Instance(store, state=state).down(kill=kill)

    with concurrent.futures.ThreadPoolExecutor(max_workers=len(table.STORES)) as pool:
        ran = list(pool.map(one, stores))
    return [store.name for store, did in zip(stores, ran, strict=True) if did]


def _status(arguments: argparse.Namespace) -> int:
    """Exit status 0 when all are up, else 3."""
    found = {store.name: instances.Instance(store, state=arguments.state).status() for store in _chosen(arguments)}
    if arguments.json:
        say.line(json.dumps({name: dataclasses.asdict(status) for name, status in found.items()}), stream="out")
    else:
        for name, status in found.items():
            about = f"process {status.pid}, {status.memory >> 20} MB, {status.url}" if status.pid else ""
            say.line(f"{name:8} {status.state:7} {about}".rstrip(), stream="out")
    return 0 if all(status.state == "up" for status in found.values()) else 3


def _env(arguments: argparse.Namespace) -> int:
    """Exit status 1 when one that was named does not run."""
    running = _urls(_chosen(arguments), state=arguments.state)
    for variable, url in running.items():
        say.line(f"export {variable}={shlex.quote(url)}", stream="out")
    return int(len(running) < len(arguments.stores))


def _urls(stores: list[table.Store], *, state: Path) -> dict[str, str]:
    found = ((store.variable, instances.Instance(store, state=state).status().url) for store in stores)
    return {variable: url for variable, url in found if url}


def _run(arguments: argparse.Namespace) -> int:
    """The command's exit status, or 1 when a store that is on this machine does not start.

    A store whose variable is set already is taken as given and not started.
    """
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not words:
        say.line("usage: scripts/stores run -- COMMAND …")
        return 2
    if not shutil.which(words[0]):
        say.line(f"There is no command {words[0]}.")
        return 127
    stores = [store for store in table.STORES.values() if store.variable not in os.environ]
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with _private_state(arguments.state) as state:
        outcome = Outcome()
        try:
            outcome = _start(stores, state=state)
            with subprocess.Popen(words, env=os.environ | _urls(stores, state=state)) as child:  # noqa: S603
                # Ctrl-C reaches the command too, which ends in its own way; SIGTERM does not and is passed on.
                signal.signal(signal.SIGINT, lambda *_: None)
                try:
                    status = child.wait()
                finally:
                    child.terminate()  # nothing to a process that has ended
        finally:
            _stop(stores, state=state)
    for name, reason in outcome.missing.items():
        say.line(f"Not tested on this machine: {table.STORES[name].title} ({name}), because {reason}.")
    for name in outcome.failed:
        say.line(
            f"Not tested, though it is on this machine: {table.STORES[name].title} ({name}) did not start, see above."
        )
    return status or int(bool(outcome.failed))


@contextlib.contextmanager
def _private_state(state: Path) -> Iterator[Path]:
    """A state folder for one run, deleted after it; what killed runs left behind is stopped and deleted first."""
    runs = state / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as until_the_end:
        with locks.held(state / "runs.lock", waiting="another run tidies up"):
            for left in runs.iterdir():
                with locks.free(left / "run.lock") as abandoned:
                    if abandoned:
                        _stop(list(table.STORES.values()), state=left, kill=True)
                        shutil.rmtree(left, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(dir=runs))
            until_the_end.enter_context(locks.free(folder / "run.lock"))
        until_the_end.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _chosen(arguments: argparse.Namespace) -> list[table.Store]:
    unknown = [name for name in arguments.stores if name not in table.STORES]
    if unknown:
        say.line(f"There is no store {', '.join(unknown)}; there are {', '.join(table.STORES)}.")
        raise SystemExit(2)
    return [store for store in table.STORES.values() if not arguments.stores or store.name in arguments.stores]


if __name__ == "__main__":
    sys.exit(main())
