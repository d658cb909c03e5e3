"""The native provider: a Kubernetes node of plain processes in namespaces of its own, on Linux, as root."""

import collections
import dataclasses
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import api
import builds
import cgroups
import components
import images
import namespaces
import objects
import packages
import pki
import places
import processes
import say
import shell
import trouble

START_TIMEOUT = 180.0  # seconds; 10 s on an idle machine
POLL = 0.2  # seconds
LOAD_TIMEOUT = 900.0  # seconds
NAME = "native"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Process:
    pid: int | None
    memory: int
    """Resident bytes."""


class Native:
    def __init__(self) -> None:
        self.state = places.state()
        self._holder = self.state / "processes" / "namespaces"

    def up(self) -> None:
        """Bring it to run, whatever of it runs already. Raises Trouble."""
        packages.ensure()
        for name in builds.NODE:
            builds.obtain(builds.BUILDS[name])
        self._own_the_machine()
        began = time.monotonic()
        place = components.Place(state=self.state)
        group = self._begin(place)
        started = self._start(place, group=group)
        if started:
            say.line(f"The node is ready after {time.monotonic() - began:.1f} s; started: {', '.join(started)}.")
        else:
            say.line("The node runs already.")

    def down(self) -> None:
        """End all its processes and delete all that it has but the cached programs. Raises Trouble."""
        if (owner := _owner()) not in (None, self.state):
            say.line(f"The native cluster of {owner} is another and stays.")
            return
        with say.during("stopping"):
            self._stop()
            cgroups.remove()
        namespaces.remove(self.state)
        places.OWNER.unlink(missing_ok=True)

    def load(self, archive: IO[bytes]) -> str:
        """Import the images of a tar; what containerd says about them."""
        return shell.run(*self._ctr("images", "import", "-"), timeout=LOAD_TIMEOUT, stdin=archive)

    def ctr(self, *words: str) -> tuple[int, str]:
        return shell.attempt(*self._ctr(*words))

    def processes(self) -> dict[str, Process]:
        found = {}
        for name in ("namespaces", *components.COMPONENTS):
            pid = processes.alive(self.state / "processes" / name)
            found[name] = Process(pid=pid, memory=processes.memory(pid) if pid else 0)
        return found

    def is_ready(self) -> bool:
        """All processes run and the API server says that it and the node are ready."""
        if not all(process.pid for process in self.processes().values()):
            return False
        try:
            client = api.Api(self.state / "pki")
            return client.get("/readyz")["text"] == "ok" and self._node_is_ready(client, since=0.0)
        except (OSError, KeyError, api.Refused):
            return False

    def _own_the_machine(self) -> None:
        """There is one place for a native cluster per machine. Raises Trouble when another state folder has it."""
        namespaces.check_addresses()
        if (owner := _owner()) not in (None, self.state) and cgroups.members():
            raise trouble.Trouble(f"Another native cluster runs on this machine, with its state in {owner}.")
        places.OWNER.write_text(f"{self.state}\n")

    def _begin(self, place: components.Place) -> Path:
        """Make namespaces unless they are there; the file through which processes join the node's control group."""
        fresh = processes.alive(self._holder) is None
        if fresh:
            # What still runs of a killed node lives in mounts and networks that nobody can enter any more. The kubelet
            # would wait 3 s for each container whose control group is left.
            with say.during("clearing away what was killed"):
                self._stop()
                cgroups.remove()
            namespaces.remove(self.state)
        group = cgroups.make()
        if fresh:
            for record in place.records.iterdir():
                record.unlink()
            pki.ensure(place.pki)
            components.configure(place)
            namespaces.make(self._holder, state=self.state, log=place.logs / "namespaces.log", group=group)
        return group

    def _start(self, place: components.Place, *, group: Path) -> list[str]:
        """Start those components that do not run, wait for all; the names of those that were started."""
        started: list[str] = []
        since = time.time()
        client = api.Api(place.pki)
        with say.during("starting the node"):
            for name, component in components.COMPONENTS.items():
                if processes.alive(place.records / name) is None:
                    self._launch(component, place=place, group=group)
                    started.append(name)
                if name == "containerd":
                    self._wait("containerd", self._has_pause_image)
                if name == components.API_SERVER:
                    self._wait(name, lambda: client.get("/readyz")["text"] == "ok")
                    for path, body in objects.BASE.items():
                        client.apply(path, body)
            # Until the kubelet has renewed its lease, the node that is called ready is the one that was killed.
            lately = since if "kubelet" in started else 0.0
            self._wait("kubelet", lambda: self._node_is_ready(client, since=lately))
            looping = f"/api/v1/nodes/{places.CLUSTER}/proxy/healthz/syncloop"
            self._wait("kubelet", lambda: client.get(looping)["text"] == "ok")
            accounts = "/api/v1/namespaces/default/serviceaccounts/default"
            self._wait("kube-controller-manager", lambda: bool(client.get(accounts)))
            self._wait("coredns", lambda: _listens(53))
            self._wait("ingress", lambda: _listens(80))
        pki.write_kubeconfig(places.kubeconfig(), client="admin", folder=place.pki)
        return started

    def _launch(self, component: components.Component, *, place: components.Place, group: Path) -> None:
        log, record = place.logs / f"{component.name}.log", place.records / component.name
        if log.exists():
            log.replace(log.with_suffix(".log.old"))
        command = namespaces.inside(self._holder, namespaces.grouped(component.command(place), group=group))
        child = processes.start(command, record=record, log=log, env={"PATH": shell.PATH}, cwd=self.state)
        # Its record is written by itself; until then there is nothing to watch.
        while processes.alive(record) is None and child.poll() is None:
            time.sleep(processes.POLL)

    def _wait(self, name: str, holds: Callable[[], bool]) -> None:
        """Wait until it holds, or the component `name` has ended. Raises Trouble with the end of its log."""
        deadline, reason = time.monotonic() + START_TIMEOUT, "it is not ready"
        while time.monotonic() < deadline:
            try:
                if holds():
                    return
                reason = "it is not ready"
            except (OSError, KeyError, api.Refused, trouble.Trouble) as error:
                reason = str(error)
            if processes.alive(self.state / "processes" / name) is None:
                reason = "it ended"
                break
            time.sleep(POLL)
        raise trouble.Trouble(
            f"{name} does not start ({reason}); its log ends with:\n{self._tail(name)}\n"
            "If that does not help, `scripts/cluster down` and `up` begin with an empty cluster."
        )

    def _tail(self, name: str) -> str:
        try:
            with (self.state / "logs" / f"{name}.log").open(errors="replace") as lines:
                return "".join(f"    {line}" for line in collections.deque(lines, maxlen=12)).rstrip()
        except OSError:
            return "    (there is no log)"

    def _ctr(self, *words: str) -> list[str]:
        return namespaces.inside(self._holder, ["ctr", "--namespace=k8s.io", *words])

    def _has_pause_image(self) -> bool:
        """Whether containerd answers and has the image, which is imported if it lacks."""
        listed = shell.run(*self._ctr("images", "list", "-q"))
        if places.PAUSE_IMAGE not in listed.split():
            with tempfile.TemporaryFile() as archive:
                archive.write(images.pause(builds.folder(builds.BUILDS["pause"]) / "pause"))
                archive.seek(0)
                self.load(archive)
        return True

    @staticmethod
    def _node_is_ready(client: api.Api, *, since: float) -> bool:
        node = client.get(f"/api/v1/nodes/{places.CLUSTER}")
        conditions = {condition["type"]: condition["status"] for condition in node["status"].get("conditions", [])}
        lease: dict[str, Any] = client.get(
            f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{places.CLUSTER}"
        )
        renewed = datetime.fromisoformat(lease["spec"]["renewTime"].replace("Z", "+00:00")).timestamp()
        return conditions.get("Ready") == "True" and renewed >= since

    def _stop(self) -> None:
        """Kill everything that this script started, and all that came of it; the machine's one place must be ours."""
        records = self.state / "processes"
        for name in (*components.COMPONENTS, "namespaces"):
            processes.end(records / name, kill=True, patience=0.0)
        cgroups.kill()


def _owner() -> Path | None:
    """The state folder of the native cluster that was started last since the machine started."""
    try:
        return Path(places.OWNER.read_text().strip())
    except FileNotFoundError:
        return None


def _listens(port: int) -> bool:
    """True, or OSError."""
    with socket.create_connection((places.NODE_ADDRESS, port), timeout=2.0):
        return True


def lacks() -> list[str]:
    """Why this machine cannot have it: sentences' parts, none if it can."""
    found = [] if sys.platform == "linux" else ["it needs Linux"]
    return found if os.geteuid() == 0 else [*found, "it needs root"]


def archive_of(image: str) -> "subprocess.Popen[bytes]":
    """`docker save` of an image by name, as a process to read from."""
    return subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)  # noqa: S603, S607
