"""What the node takes from the distribution: installed with apt when it is missing, and never started as a service."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import say
import shell
import trouble

NEEDED = {
    "containerd": ("containerd", "ctr", "containerd-shim-runc-v2"),
    "runc": ("runc",),
    "iptables": ("iptables",),
    "iproute2": ("ip",),
    "conntrack": ("conntrack",),
    "haproxy": ("haproxy",),
    "openssl": ("openssl",),
    "kmod": ("modprobe",),
    "util-linux": ("nsenter", "setpriv", "unshare"),
    "mount": ("mount", "umount"),
}
"""Package: the programs that it is needed for."""
CNI = "containernetworking-plugins"
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
TIMEOUT = 900.0  # seconds
_POLICY = Path("/usr/sbin/policy-rc.d")


def ensure() -> None:
    """Install what is missing. Raises CannotBeHad."""
    missing = absent()
    if not missing:
        return
    if not shell.find("apt-get"):
        raise trouble.CannotBeHad(f"The node needs {', '.join(missing)}, and there is no apt-get to install it with.")
    say.line(f"Installing {', '.join(missing)} with apt-get; no service of them is started.")
    with _no_service_started(), say.during("installing"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        shell.attempt("apt-get", "--quiet=2", "update", timeout=TIMEOUT, env=quiet)
        install = ["apt-get", "--quiet=2", "--yes", "--no-install-recommends", "install"]
        status, output = shell.attempt(*install, *missing, timeout=TIMEOUT, env=quiet)
    if status or (missing := absent()):
        raise trouble.CannotBeHad(f"apt-get could not install {', '.join(missing)}: {shell.reason(output)}")


def absent() -> list[str]:
    """The packages of which a program is missing."""
    lacking = [package for package, programs in NEEDED.items() if not all(map(shell.find, programs))]
    return [*lacking, CNI] if cni_folder() is None else lacking


def cni_folder() -> Path | None:
    return next((place for place in CNI_FOLDERS if all((place / name).exists() for name in CNI_PLUGINS)), None)


@contextlib.contextmanager
def _no_service_started() -> Iterator[None]:
    """Debian starts what it installs unless this file says no; one that the machine has is left as it is."""
    try:
        handle = os.open(_POLICY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755)
    except FileExistsError:
        yield
        return
    with open(handle, "w") as policy:
        policy.write("#!/bin/sh\nexit 101\n")
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
