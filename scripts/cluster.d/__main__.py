"""The command `scripts/cluster`: a real Kubernetes on this machine, in Docker with kind or without either."""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import archives
import builds
import kind
import locks
import native
import places
import say
import shell
import trouble

PROVIDERS = {kind.NAME: kind, native.NAME: native}
CHOICE = "provider"
"""The file in the state folder that says which one made the cluster."""
CONFIRMED = ("unpacking ", "Loaded image")


def main() -> int:
    arguments = _parser().parse_args()
    try:
        status: int = arguments.run(arguments)
    except trouble.Trouble as error:
        say.line(str(error))
        return error.status
    except KeyboardInterrupt:
        say.line("Interrupted; the same command again goes on.")
        return 130
    except BrokenPipeError:  # whoever read the output has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/cluster", description=__doc__, epilog="More: docs/cluster.md")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("up", _up, "bring the cluster to run, whatever of it runs already").add_argument(
        "--provider", choices=PROVIDERS, help="which kind of cluster, where this machine can have both"
    )
    command("down", _down, "delete the cluster and all its data; the built programs stay in the cache")
    command("status", _status, "say how it is").add_argument(
        "-o", "--output", choices=["text", "json"], default="text", help="json is for programs"
    )
    command("load", _load, "put images into the cluster").add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="a tar of `docker save` or in OCI's layout, or a name that Docker has",
    )
    command("kubeconfig", _kubeconfig, "print the path of the kubeconfig")
    command("fetch", _fetch, "build what lacks in the cache, and nothing else").add_argument(
        "builds", nargs="*", metavar="BUILD", help=f"of {', '.join(builds.BUILDS)}; all if none"
    )
    programs = [program for build in builds.BUILDS.values() for program in build.programs]
    command("tool", _tool, "print the path of a program of the cache, built if need be").add_argument(
        "program", choices=programs, metavar="PROGRAM", help=f"of {', '.join(programs)}"
    )
    return parser


def _up(arguments: argparse.Namespace) -> int:
    with _held():
        provider = _choose(arguments.provider)
        _check_rights(provider)
        (places.state() / CHOICE).write_text(f"{provider}\n")
        _cluster(provider).up()
    _describe(provider)
    return 0


def _choose(asked: str | None) -> str:
    """That of the cluster that is there, or the one asked for, or the first that this machine can have."""
    if there := _existing():
        if asked not in (None, there):
            raise trouble.WrongWords(f"There is a cluster by {there}; `scripts/cluster down` deletes it.")
        return there
    candidates = [asked] if asked else list(PROVIDERS)
    lacking = {}
    for name in candidates:
        lacking[name] = PROVIDERS[name].lacks()
        if not lacking[name]:
            return name
    reasons = ", ".join(f"{name} ({' and '.join(why)})" for name, why in lacking.items())
    raise trouble.CannotBeHad(f"This machine cannot have a cluster by {reasons}; docs/cluster.md says how to get one.")


def _check_rights(provider: str) -> None:
    if provider == native.NAME and (why := native.lacks()):
        raise trouble.CannotBeHad(f"The native cluster cannot be changed: {' and '.join(why)}.")


def _cluster(provider: str) -> kind.Kind | native.Native:
    return kind.Kind() if provider == kind.NAME else native.Native()


def _existing() -> str | None:
    """Who made the cluster that is there, running or not."""
    try:
        provider = (places.state() / CHOICE).read_text().strip()
    except FileNotFoundError:
        return None
    return provider if provider in PROVIDERS else None


def _describe(provider: str) -> None:
    say.line(f"export KUBECONFIG={places.kubeconfig()}", stream="out")
    reached = places.NODE_ADDRESS if provider == native.NAME else "127.0.0.1"
    say.line(f"Ingresses are served on http://{reached} (send the host's name in the Host header).")


def _down(_: argparse.Namespace) -> int:
    if not places.state().exists():
        say.line("There is no cluster.")
        return 0
    with _held():
        if provider := _existing():
            _check_rights(provider)
            _cluster(provider).down()
    shutil.rmtree(places.state())
    say.line("The cluster is deleted." if provider else "There is no cluster.")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    """Exit status 0 when it is up, else 3."""
    provider = _existing()
    cluster = _cluster(provider) if provider else None
    processes = cluster.processes() if isinstance(cluster, native.Native) else {}
    ready = cluster is not None and cluster.is_ready()
    state = "up" if ready else "partial" if any(process.pid for process in processes.values()) else "down"
    if arguments.output == "json":
        shown = {name: dataclasses.asdict(process) for name, process in processes.items()}
        found = {
            "state": state,
            "provider": provider,
            "kubeconfig": str(places.kubeconfig()) if ready else None,
            "processes": shown,
        }
        say.line(json.dumps(found), stream="out")
    else:
        say.line(f"{state}{f', by {provider}' if provider else ''}", stream="out")
        for name, process in processes.items():
            about = f"process {process.pid}, {process.memory >> 20} MB" if process.pid else "does not run"
            say.line(f"  {name:24} {about}", stream="out")
    return 0 if ready else 3


def _load(arguments: argparse.Namespace) -> int:
    with _held():
        provider = _existing()
        if not provider:
            raise trouble.WrongWords("There is no cluster to load images into: scripts/cluster up")
        _check_rights(provider)
        cluster = _cluster(provider)
        for image in arguments.images:
            if Path(image).is_file() and archives.is_loaded(Path(image), cluster.ctr):
                say.line(f"{image} is there already.")
                continue
            with say.during(f"loading {image}"), _archive(image) as archive:
                output = cluster.load(archive)
            for line in output.splitlines():
                if line.startswith(CONFIRMED):
                    say.line(f"  {line.removeprefix('unpacking ')}")
            say.line(f"{image} is loaded.")
    return 0


@contextlib.contextmanager
def _archive(image: str) -> Iterator[IO[bytes]]:
    """The tar of an image that is given as a file or by a name that Docker knows."""
    if Path(image).is_file():
        with Path(image).open("rb") as file:
            yield file
        return
    if shell.attempt("docker", "image", "inspect", image, timeout=20.0)[0]:
        raise trouble.WrongWords(f"There is no file {image}, and Docker has no image of that name.")
    with native.archive_of(image) as child:
        assert child.stdout is not None
        yield child.stdout
    if child.returncode:
        raise trouble.Trouble(f"`docker save {image}` failed.")


def _kubeconfig(_: argparse.Namespace) -> int:
    if not places.kubeconfig().exists():
        raise trouble.Trouble("There is no cluster: scripts/cluster up")
    say.line(str(places.kubeconfig()), stream="out")
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    if unknown := [name for name in arguments.builds if name not in builds.BUILDS]:
        raise trouble.WrongWords(f"There is no build {', '.join(unknown)}; there are {', '.join(builds.BUILDS)}.")
    for build in builds.BUILDS.values():
        if not arguments.builds or build.name in arguments.builds:
            say.line(f"{build.name} {build.version} is in {builds.obtain(build)}")
    return 0


def _tool(arguments: argparse.Namespace) -> int:
    build = builds.maker(arguments.program)
    assert build is not None
    say.line(str(builds.obtain(build) / arguments.program), stream="out")
    return 0


@contextlib.contextmanager
def _held() -> Iterator[None]:
    """One command at a time that changes the cluster."""
    os.makedirs(places.state(), mode=0o700, exist_ok=True)
    with locks.held(places.state() / "lock", waiting="another process changes the cluster"):
        yield


if __name__ == "__main__":
    sys.exit(main())
