"""The kind provider: a Kubernetes node in a container of Docker, for those who have Docker and kind."""

import os
import tempfile
from pathlib import Path
from typing import IO

import builds
import places
import say
import shell

NAME = "kind"
TIMEOUT = 900.0  # seconds; the first time the node's image is pulled
CONFIGURATION = places.HERE / "kind.yaml"
NODE = f"{places.CLUSTER}-control-plane"
INGRESS = places.HERE / "kind-ingress.yaml"


class Kind:
    def up(self) -> None:
        """Create it unless it is there, with an ingress controller. Raises Trouble."""
        if places.CLUSTER not in self._clusters():
            with say.during("creating the kind cluster"):
                shell.run(*self._kind("create", "cluster"), f"--config={CONFIGURATION}", "--wait=180s", timeout=TIMEOUT)
            say.line("The kind cluster is created.")
        else:
            # Docker starts its container again after a restart of the machine, unless it was stopped by hand.
            shell.run("docker", "start", NODE, timeout=TIMEOUT)
            say.line("The kind cluster is there already.")
        shell.run(*self._kind("export", "kubeconfig"))
        os.chmod(places.kubeconfig(), 0o600)
        kubectl = [self._kubectl(), f"--kubeconfig={places.kubeconfig()}"]
        with say.during("starting the ingress controller"):
            shell.run(*kubectl, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s", timeout=TIMEOUT)
            shell.run(*kubectl, "apply", "--server-side", "-f", str(INGRESS))
            rollout = ("-n", "revcart-ingress", "rollout", "status", "deployment/traefik", "--timeout=300s")
            shell.run(*kubectl, *rollout, timeout=TIMEOUT)

    def down(self) -> None:
        with say.during("deleting the kind cluster"):
            shell.run(*self._kind("delete", "cluster"), timeout=TIMEOUT)

    def load(self, archive: IO[bytes]) -> str:
        """Import the images of a tar. kind wants a file that it can read twice."""
        with tempfile.NamedTemporaryFile(suffix=".tar") as whole:
            while block := archive.read(1 << 20):
                whole.write(block)
            whole.flush()
            return shell.run("kind", "load", "image-archive", whole.name, f"--name={places.CLUSTER}", timeout=TIMEOUT)

    def ctr(self, *words: str) -> tuple[int, str]:
        return shell.attempt("docker", "exec", NODE, "ctr", "--namespace=k8s.io", *words)

    def is_ready(self) -> bool:
        if not places.kubeconfig().exists():
            return False
        command = [self._kubectl(), f"--kubeconfig={places.kubeconfig()}", "--request-timeout=5s"]
        status, output = shell.attempt(*command, "get", "--raw", "/readyz")
        return status == 0 and output.strip() == "ok"

    @staticmethod
    def _clusters() -> list[str]:
        return shell.run("kind", "get", "clusters").split()

    @staticmethod
    def _kind(*words: str) -> list[str]:
        return ["kind", *words, f"--name={places.CLUSTER}", f"--kubeconfig={places.kubeconfig()}"]

    @staticmethod
    def _kubectl() -> str:
        if found := shell.find("kubectl"):
            return found
        return str(Path(builds.obtain(builds.BUILDS["kubernetes"])) / "kubectl")


def lacks() -> list[str]:
    """Why this machine cannot have it: sentences' parts, none if it can."""
    found = [] if shell.find("kind") else ["`kind` is not on the PATH"]
    status, _ = shell.attempt("docker", "info", timeout=20.0)
    return [*found, "`docker info` gets no answer"] if status else found
