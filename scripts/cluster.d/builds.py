"""Programs that no package of the distribution has: built from their Go modules, once, into the cache.

Go checks each module against the committed go.sum and its checksum database, as this machine has it configured.
"""

import dataclasses
import os
import platform
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import locks
import places
import say
import shell
import trouble

TIMEOUT = 7200.0  # seconds; a cold build of Kubernetes on a busy machine takes its time
SAY_EVERY = 15.0  # seconds
OLDEST_GO = (1, 24)
_VERSION = "k8s.io/component-base/version"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Build:
    name: str
    """Of the folder with its go.mod, too."""
    version: str
    programs: tuple[str, ...]
    package: str = "tool"
    """What `go build` is given."""
    built_as: str = ""
    """What Go calls the one program, if that is not its name."""
    linking: str = ""
    """What is told to the linker beyond leaving out symbols."""
    minutes: float
    """From nothing, on two cores."""


BUILDS = {
    build.name: build
    for build in (
        Build(name="pause", version="1", programs=("pause",), package=".", minutes=0.2),
        Build(name="etcd", version="3.6.6", programs=("etcd",), built_as="server", minutes=1.5),
        Build(name="coredns", version="1.13.1", programs=("coredns",), minutes=1.5),
        Build(
            name="kubernetes",
            version="1.34.4",
            programs=(
                "kube-apiserver",
                "kube-controller-manager",
                "kube-proxy",
                "kube-scheduler",
                "kubectl",
                "kubelet",
            ),
            linking=f"-X {_VERSION}.gitVersion=v1.34.4 -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34",
            minutes=4,
        ),
        Build(
            name="helm",
            version="3.19.2",
            programs=("helm",),
            linking="-X helm.sh/helm/v3/internal/version.version=v3.19.2",
            minutes=1,
        ),
        Build(name="kubeconform", version="0.7.0", programs=("kubeconform",), minutes=0.2),
    )
}
NODE = ("pause", "etcd", "coredns", "kubernetes")
"""What the native node needs."""


def maker(program: str) -> Build | None:
    """Whose build makes `program`."""
    return next((build for build in BUILDS.values() if program in build.programs), None)


def folder(build: Build) -> Path:
    return places.cache() / f"{build.name}-{build.version}-{platform.machine()}"


def obtain(build: Build) -> Path:
    """The folder of its programs, built if need be. Raises CannotBeHad."""
    home = folder(build)
    with locks.held(home.with_name(f"{home.name}.lock"), waiting=f"{build.name}: another process is building it"):
        if not home.exists():
            _check_go()
            # Built beside its place and moved in whole: what a crash leaves half-made is never taken for the programs.
            part = home.with_name(f"{home.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _build(build, into=part)
            if build.built_as:
                (part / build.built_as).rename(part / build.programs[0])
            if missing := [program for program in build.programs if not (part / program).exists()]:
                raise trouble.CannotBeHad(f"{build.name} {build.version} was built without {', '.join(missing)}")
            part.rename(home)
    return home


def _check_go() -> None:
    if not shell.find("go"):
        raise trouble.CannotBeHad("The node's programs are built with Go 1.24 or newer, and `go` is not on the PATH.")
    # Asked inside a module, Go has already switched to a newer toolchain of its own if it is allowed to.
    _, version = shell.attempt("go", "env", "GOVERSION", cwd=places.HERE / "pause", timeout=TIMEOUT)
    numbers = re.search(r"go(\d+)\.(\d+)", version)
    if not numbers or (int(numbers[1]), int(numbers[2])) < OLDEST_GO:
        raise trouble.CannotBeHad(f"The node's programs are built with Go 1.24 or newer; here is {version.strip()}.")


def _build(build: Build, *, into: Path) -> None:
    began = time.monotonic()
    say.line(f"{build.name} {build.version}: building, about {_duration(build.minutes * 60)} from nothing on two cores")
    source = places.HERE / build.name
    with say.during(f"{build.name}: getting its modules"):
        listed = shell.run(
            "go", "list", "-mod=readonly", "-deps", build.package, cwd=source, env={"CGO_ENABLED": "0"}, timeout=TIMEOUT
        )
    # Not static, a program would need the C compiler here and the C library in the pause image.
    command = ["go", "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += [f"-ldflags=-s -w {build.linking}".strip(), "-o", f"{into}/", build.package]
    with subprocess.Popen(  # noqa: S603
        command,
        cwd=source,
        env=os.environ | {"CGO_ENABLED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        stopper = threading.Timer(TIMEOUT, child.kill)
        stopper.start()
        try:
            errors = _follow(child, packages=set(listed.split()), name=build.name)
        except BaseException:
            child.kill()
            raise
        finally:
            stopper.cancel()
    if child.returncode:
        raise trouble.CannotBeHad(f"{build.name} {build.version} cannot be built: {shell.reason(errors)}")
    say.line(f"{build.name} {build.version}: built in {_duration(time.monotonic() - began)}")


def _follow(child: "subprocess.Popen[str]", *, packages: set[str], name: str) -> str:
    """Say now and then how far it is and how long it may last; what Go printed that is no progress."""
    began = time.monotonic()
    done, others = 0, []
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(SAY_EVERY):
            taken = time.monotonic() - began
            # What is in Go's cache is not named, so this is the longest that it may take.
            left = f", at most {_duration(taken / done * (len(packages) - done))} left" if done else ""
            say.line(f"  {name}: {done} of {len(packages)} packages in {_duration(taken)}{left}")

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        for line in child.stdout or ():
            if line.strip() in packages:
                done += 1
            elif not line.startswith("go: downloading"):
                others.append(line)
        child.wait()
    finally:
        ended.set()
        reporter.join()
    return "".join(others[-50:])


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
