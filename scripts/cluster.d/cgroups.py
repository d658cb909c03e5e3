"""The control group that holds every process of the native node, so that stopping it forgets none and hits no other.

Pods and their shims outlive containerd, and a process started by a killed script has no parent to ask; the kernel's
list of the group's members has them all. Both versions of control groups are known, and version 1 beside version 2.
"""

import os
import signal
import time
from pathlib import Path

import places
import trouble

NAME = f"/{places.CLUSTER}"
TIMEOUT = 30.0  # seconds


def make() -> Path:
    """Make the group in all hierarchies; the file that a process of the node writes its number into."""
    for root in _roots():
        group = root / places.CLUSTER
        _share_controllers(root)
        group.mkdir(exist_ok=True)
        _share_controllers(group)
    node = _root_of_processes() / places.CLUSTER / "node"
    node.mkdir(exist_ok=True)
    return node / "cgroup.procs"


def members() -> set[int]:
    found: set[int] = set()
    for file in (file for root in _roots() for file in (root / places.CLUSTER).rglob("cgroup.procs")):
        try:
            found |= {int(word) for word in file.read_text().split()}
        except OSError:  # gone meanwhile
            continue
    return found - {0}


def kill() -> None:
    """Kill all members. Raises Trouble when some do not die."""
    deadline = time.monotonic() + TIMEOUT
    while left := members():
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise trouble.Trouble(f"These processes of the node do not die: {', '.join(map(str, sorted(left)))}.")
        time.sleep(0.05)


def remove() -> None:
    """Remove the empty group."""
    deadline = time.monotonic() + TIMEOUT
    groups = [group for root in _roots() if (group := root / places.CLUSTER).exists()]
    while groups:
        for group in groups:
            for folder, _, _ in os.walk(group, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:  # the kernel needs a moment to bury the last member
                    continue
        groups = [group for group in groups if group.exists()]
        if groups and time.monotonic() > deadline:
            raise trouble.Trouble(f"The control group {groups[0]} cannot be removed.")
        if groups:
            time.sleep(0.1)


def _mounts() -> list[tuple[Path, str]]:
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [(Path(place), kind) for _, place, kind, *_ in lines if kind in ("cgroup", "cgroup2")]


def _roots() -> list[Path]:
    return [place for place, _ in _mounts()]


def _root_of_processes() -> Path:
    """One hierarchy is enough to find them again: the unified one, or beside version 1 that of `pids`."""
    mounts = _mounts()
    chosen = [place for place, _ in mounts if place.name == "pids"] or [place for place, _ in mounts]
    if not chosen:
        raise trouble.CannotBeHad("No control groups are mounted under /sys/fs/cgroup.")
    return chosen[0]


def _share_controllers(group: Path) -> None:
    """Version 2: let the groups below have what this one has, as the kubelet wants it. Version 1 does so anyway."""
    try:
        controllers = (group / "cgroup.controllers").read_text().split()
    except FileNotFoundError:
        return
    for controller in controllers:
        try:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:  # some cannot be shared here, and the kubelet may do without
            continue
