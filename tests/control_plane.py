"""A real API server for tests: etcd and kube-apiserver as `scripts/cluster` built them, on free ports, without a node.

It knows what no imitation does: CEL rules, server-side apply, admission, resource versions, RBAC. Nothing runs on it.
"""

import contextlib
import json
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CRD = ROOT / "crds" / "revcartplatforms.yaml"
_START_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """`kubeconfig` is an administrator's."""

    kubeconfig: Path
    url: str
    token: str

    def ask(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        """One request; (status, answer). PATCH is a merge patch unless `content_type` says otherwise."""
        if method == "PATCH" and content_type == "application/json":
            content_type = "application/merge-patch+json"
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
        )
        try:
            with _OPENER.open(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def namespace(self) -> str:
        """A new one."""
        name = f"test-{secrets.token_hex(4)}"
        status, answer = self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert status == 201, answer
        return name

    def platforms(self, namespace: str, name: str = "") -> str:
        """The path of the platforms of a namespace, or of one."""
        return f"/apis/platform.revcart.io/v1alpha1/namespaces/{namespace}/revcartplatforms" + (name and f"/{name}")

    def kubectl(self, *arguments: str, standard_input: str = "") -> str:
        """What kubectl prints; it must succeed."""
        command: list[str | Path] = [program("kubectl"), "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(command, input=standard_input, capture_output=True, encoding="utf-8", timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def as_user(self, token: str, folder: Path) -> Path:
        """A kubeconfig of somebody else."""
        return _kubeconfig(folder / f"kubeconfig-{secrets.token_hex(4)}", url=self.url, token=token)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """Up, with the CRD; skips the test when its programs are not there."""
    etcd, api = program("etcd"), program("kube-apiserver")
    client, peer, port = _free_port(), _free_port(), _free_port()
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,1,"system:masters"\n')
    subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
    stores = [f"--listen-client-urls=http://127.0.0.1:{client}", f"--advertise-client-urls=http://127.0.0.1:{client}",
              f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
              f"--initial-cluster=default=http://127.0.0.1:{peer}"]  # fmt: skip
    serves = [f"--etcd-servers=http://127.0.0.1:{client}", f"--secure-port={port}", "--bind-address=127.0.0.1",
              f"--cert-dir={folder / 'certs'}", f"--token-auth-file={folder / 'tokens.csv'}",
              f"--service-account-key-file={folder / 'sa.key'}", "--service-account-issuer=https://tests.revcart.example",
              f"--service-account-signing-key-file={folder / 'sa.key'}", "--authorization-mode=RBAC",
              "--service-cluster-ip-range=10.99.0.0/16"]  # fmt: skip
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process([etcd, f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", *stores], folder))
        server = stack.enter_context(_process([api, *serves], folder))
        url = f"https://127.0.0.1:{port}"
        plane = ControlPlane(kubeconfig=_kubeconfig(folder / "kubeconfig", url=url, token=token), url=url, token=token)
        _wait(plane, "/version", server, folder)
        _prepare(plane)
        _wait(plane, "/apis/platform.revcart.io/v1alpha1/revcartplatforms", server, folder)
        yield plane


def program(name: str) -> Path:
    """One that `scripts/cluster` built; skips the test when it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "revcart" / "cluster"
    found = sorted(cache.glob(f"*/{name}"))
    if not found:
        pytest.skip(f"{name} is not there: scripts/cluster up builds it")
    return found[-1]


_OPENER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),  # its certificate is made at its start
)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(command: list[Any], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{command[0].name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            yield process
        finally:
            process.kill()  # its data is thrown away
            process.wait()


def _wait(plane: ControlPlane, path: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError, ValueError):
            if plane.ask("GET", path)[0] == 200:
                return
        log = (folder / "kube-apiserver.log").read_text(errors="replace")[-2000:]
        assert server.poll() is None, f"kube-apiserver ended: {log}"
        assert time.monotonic() < deadline, f"{path} does not answer: {log}"
        time.sleep(0.2)


def _prepare(plane: ControlPlane) -> None:
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    deadline = time.monotonic() + _START_SECONDS
    while True:  # namespaces and CRDs are writable a moment after the server answers
        made = plane.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        system = plane.ask("GET", "/api/v1/namespaces/default")
        if made[0] in (201, 409) and system[0] == 200:
            return
        assert time.monotonic() < deadline, (made, system)
        time.sleep(0.3)


def _kubeconfig(file: Path, *, url: str, token: str) -> Path:
    file.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "tests",
        "clusters": [{"name": "tests", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "tests", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
    }))  # fmt: skip
    file.chmod(0o600)
    return file
