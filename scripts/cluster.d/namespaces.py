"""The node's own network and view of the file system, so that it neither meets nor changes those of the machine.

The network is a namespace with a name, joined to the machine by a pair of virtual cables. The file system is the
machine's, but with mounts of its own that the machine does not see and that end with the node's last process.
"""

import shlex
import time
from pathlib import Path

import places
import processes
import say
import shell
import trouble

NETWORK = Path("/run/netns") / places.CLUSTER
TIMEOUT = 20.0  # seconds
OPEN_FILES = 65_536

# Folders whose place cannot be chosen, or where tools look first; the node has its own there.
_OWN = {
    "/var/lib/cni": "networks",
    "/var/lib/containerd": "containerd",
    "/var/lib/kubelet": "kubelet",
    "/var/log/containers": "logs/containers",
    "/var/log/pods": "logs/pods",
}
_EMPTY = ("/run/containerd", "/run/netns")
"""Folders that are empty after a start of the machine, hence after one of the node."""


def check_addresses() -> None:
    """Raises CannotBeHad when the machine uses the node's addresses for something else."""
    for link in shell.run("ip", "-oneline", "-4", "address", "show").splitlines():
        _, name, _, address, *_ = link.split()
        ours = places.HOST_ADDRESS.rpartition(".")[0]
        if address.startswith(f"{ours}.") and name != places.HOST_LINK:
            raise trouble.CannotBeHad(f"The node's network is {ours}.0/{places.PREFIX}, which {name} uses here.")


def make(record: Path, *, state: Path, log: Path, group: Path) -> None:
    """Make both; `record` becomes that of the process that holds them. Only after remove()."""
    _make_network()
    ready = state / "namespaces-ready"
    ready.unlink(missing_ok=True)
    made = [place for place in (*_OWN, *_EMPTY) if not Path(place).exists()]
    # Noted before they are made, so that down() removes them whatever happens.
    if made:
        with (state / "made-folders").open("a") as note:
            note.write("".join(f"{place}\n" for place in made))
    for place in (*_OWN, *_EMPTY):
        Path(place).mkdir(parents=True, exist_ok=True)
    script = _script(state, ready=ready)
    command = ["nsenter", f"--net={NETWORK}", "unshare", "--mount", "--propagation", "slave", "sh", "-c", script]
    processes.start(grouped(command, group=group), record=record, log=log, env={}, cwd=state)
    deadline = time.monotonic() + TIMEOUT
    while not ready.exists():
        if time.monotonic() > deadline:
            raise trouble.Trouble(f"The node's namespaces cannot be made: {shell.reason(log.read_text())}")
        time.sleep(processes.POLL)


def remove(state: Path) -> None:
    """Remove the network and the folders that make() made; the mounts ended with the node's last process."""
    # The machine's end first: its twin would live on for a moment after its namespace and be in the way of the next.
    shell.attempt("ip", "link", "delete", places.HOST_LINK)
    shell.attempt("ip", "netns", "delete", places.CLUSTER)
    note = state / "made-folders"
    for place in note.read_text().split() if note.exists() else []:
        try:
            Path(place).rmdir()
        except OSError:  # somebody else has use for it
            continue
    note.unlink(missing_ok=True)


def inside(record: Path, command: list[str]) -> list[str]:
    """The command, to be run in the node. Raises Trouble when there is none."""
    holder = processes.alive(record)
    if holder is None:
        raise trouble.Trouble("The node does not run: scripts/cluster up")
    return ["nsenter", "--target", str(holder), "--mount", "--net", "--", *command]


def grouped(command: list[str], *, group: Path) -> list[str]:
    """The command, to be run in the node's control group and without the environment of whoever runs the script.

    A proxy that is meant for the internet would otherwise be asked for the API server.
    """
    join = f"echo $$ >{shlex.quote(str(group))}"
    # Containers inherit it from containerd; a shell's usual 1,024 is too little for a database.
    files = f"ulimit -n {OPEN_FILES} 2>/dev/null || true"
    run = f'exec env -i PATH={shlex.quote(shell.PATH)} HOME=/root "$@"'
    return ["sh", "-c", f"{join} && {{ {files}; }} && {run}", "node", *command]


def _make_network() -> None:
    shell.run("ip", "netns", "add", places.CLUSTER)
    link = ("name", places.HOST_LINK, "type", "veth", "peer", "name", "eth0", "netns", places.CLUSTER)
    shell.run("ip", "link", "add", *link)
    shell.run("ip", "address", "add", f"{places.HOST_ADDRESS}/{places.PREFIX}", "dev", places.HOST_LINK)
    shell.run("ip", "link", "set", places.HOST_LINK, "up")
    node = ("ip", "-netns", places.CLUSTER)
    shell.run(*node, "address", "add", f"{places.NODE_ADDRESS}/{places.PREFIX}", "dev", "eth0")
    shell.run(*node, "link", "set", "eth0", "up")
    shell.run(*node, "link", "set", "lo", "up")
    shell.run(*node, "route", "add", "default", "via", places.HOST_ADDRESS)
    shell.attempt("modprobe", "--all", "br_netfilter", "overlay")  # they may be part of the kernel, too
    settings = "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables"
    status, _ = shell.attempt("nsenter", f"--net={NETWORK}", "sh", "-c", settings)
    if status:
        say.line("  The kernel lacks br_netfilter: a pod may not reach itself or a neighbour through a Service.")


def _script(state: Path, *, ready: Path) -> str:
    """Mount the node's own folders and wait for ever."""
    # After unshare's "slave", shared: the node's processes share mounts among themselves, see what the machine mounts
    # and unmounts later, if it shares that, and show nothing. A copy of a container's root that the machine cannot
    # unmount here would keep Docker or Podman from mounting it again.
    lines = ["set -e", "mount --make-rshared /"]
    lines.append("while read -r _ place _; do")
    lines.append("case $place in */merged) umount --lazy $place ;; esac; done </proc/mounts")
    lines += [f"mount -t tmpfs -o mode=0755 tmpfs {place}" for place in _EMPTY]
    for place, own in _OWN.items():
        source = state / own
        source.mkdir(parents=True, exist_ok=True)
        lines.append(f"mount --bind {shlex.quote(str(source))} {place}")
        # Else what is mounted below would show up below `source` too.
        lines.append(f"mount --make-private {place} && mount --make-shared {place}")
    return "\n".join([*lines, f"touch {shlex.quote(str(ready))}", "exec sleep infinity"])
