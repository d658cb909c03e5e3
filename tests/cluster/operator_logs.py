"""The log of every operator process that lives during the tests, kept although pods and containers come and go."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster import clusters

NAMESPACE = "revcart-system"
_LOOK_SECONDS = 1.0
_SELECTOR = "app.kubernetes.io/name=revcart-operator"


@dataclass
class Logs:
    """One file for each process, in `folder`."""

    cluster: clusters.Cluster
    folder: Path
    followers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def lines(self) -> list[str]:
        return [line for file in sorted(self.folder.glob("*.log")) for line in file.read_text().splitlines()]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines() if line.startswith("{")]

    def look(self, *, since: str = "") -> None:
        """Follow whoever is new; `since`: of their past, such as 1s."""
        found = self.cluster.attempt("get", "pods", f"--namespace={NAMESPACE}", f"--selector={_SELECTOR}", "-ojson")
        for pod in json.loads(found.stdout or '{"items": []}')["items"]:
            for status in pod["status"].get("containerStatuses", []):
                self._follow(pod["metadata"]["name"], status, since=since)

    def _follow(self, pod: str, status: clusters.Object, *, since: str) -> None:
        process = f"{pod}-{status['restartCount']}"
        if process in self.followers or not ({"running", "terminated"} & status.get("state", {}).keys()):
            return
        command = [self.cluster.program, f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={NAMESPACE}", "logs"]
        command += [pod, "--follow", *([f"--since={since}"] if since else [])]
        with (self.folder / f"{process}.log").open("wb") as file:
            self.followers[process] = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def following(cluster: clusters.Cluster, folder: Path) -> Iterator[Logs]:
    """From now on; not what was before."""
    logs, over = Logs(cluster, folder), threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            logs.look()

    logs.look(since="1s")
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield logs
    finally:
        over.set()
        thread.join()
        for process in logs.followers.values():
            process.kill()
            process.wait()
