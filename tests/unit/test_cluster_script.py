"""`scripts/cluster` without a cluster: which provider it takes, what it refuses, and what it makes of a dead one."""

import importlib
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
NODE = Path("/run/netns/revcart")

KIND = """#!/bin/sh
echo "kind $*" >>"$CALLS"
case "$1 $2" in
  "get clusters") [ ! -f "$CALLS.clusters" ] || cat "$CALLS.clusters" ;;
  "create cluster") echo revcart >"$CALLS.clusters" ;;
  "export kubeconfig") for word; do case $word in --kubeconfig=*) : >"${word#*=}" ;; esac; done ;;
esac
"""
CALLED = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n'


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine with just these programs besides Python, and with folders of its own."""

    home: Path

    def has(self, program: str, text: str = CALLED) -> None:
        file = self.home / "bin" / program
        file.write_text(text)
        file.chmod(0o755)

    def cluster(self, *words: str, nobody: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run the script; `nobody`: as a user without rights, wherever these tests run as root."""
        command = [sys.executable, "-B", str(SCRIPTS / "cluster.d"), *words]
        if nobody and os.geteuid() == 0:
            # A user namespace without a mapping: the number is that of nobody, and the files stay readable.
            command = ["/usr/bin/unshare", "--user", *command]
        return subprocess.run(
            command,
            env={
                "PATH": str(self.home / "bin"),
                "PYTHONPATH": str(SCRIPTS / "stores.d"),
                "HOME": str(self.home),
                "XDG_STATE_HOME": str(self.home / "state"),
                "XDG_CACHE_HOME": str(self.home / "cache"),
                "CALLS": str(self.home / "calls"),
            },
            capture_output=True,
            text=True,
            timeout=60.0,
        )

    @property
    def state(self) -> Path:
        return self.home / "state" / "revcart" / "cluster"

    def made_by(self, provider: str) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / "provider").write_text(f"{provider}\n")

    def calls(self) -> str:
        file = self.home / "calls"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    found = Machine(home=tmp_path)
    for program in ("sh", "cat", "basename"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or program)
    return found


needs_user_namespaces = pytest.mark.skipif(
    os.geteuid() == 0 and subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode != 0,
    reason="runs as root and cannot become nobody",
)


@needs_user_namespaces
def test_one_sentence_says_what_is_missing_for_each_provider(machine: Machine) -> None:
    answer = machine.cluster("up", nobody=True)
    assert answer.returncode == 4
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "kind (`kind` is not on the PATH and `docker info` gets no answer)" in answer.stderr
    assert "native (it needs root)" in answer.stderr


@needs_user_namespaces
def test_a_docker_client_without_its_daemon_is_not_enough(machine: Machine) -> None:
    machine.has("kind")
    machine.has("docker", "#!/bin/sh\nexit 1\n")
    answer = machine.cluster("up", nobody=True)
    assert answer.returncode == 4
    assert "kind (`docker info` gets no answer)" in answer.stderr
    assert "kind create" not in machine.calls()


def test_kind_is_taken_when_docker_answers_and_kind_is_there(machine: Machine) -> None:
    machine.has("kind", KIND)
    machine.has("docker")
    machine.has("kubectl")
    answer = machine.cluster("up")
    assert answer.returncode == 0, answer.stderr
    kubeconfig = machine.state / "kubeconfig"
    assert answer.stdout == f"export KUBECONFIG={kubeconfig}\n"
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    assert re.search(r"kind create cluster --name=revcart .*--config=\S+/kind\.yaml", machine.calls())
    assert re.search(r"kubectl .*apply --server-side -f \S+/kind-ingress\.yaml", machine.calls())

    again = machine.cluster("up")
    assert again.returncode == 0, again.stderr
    assert machine.calls().count("kind create") == 1

    down = machine.cluster("down")
    assert down.returncode == 0, down.stderr
    assert "kind delete cluster --name=revcart" in machine.calls()
    assert not machine.state.exists()


def test_images_for_kind_are_loaded_from_a_tar_or_from_docker(machine: Machine) -> None:
    machine.has("kind", KIND)
    machine.has("docker", f'{CALLED}[ "$1" != image ] || [ "$3" = shop:1 ]\n')
    machine.made_by("kind")
    archive = machine.home / "images.tar"
    archive.write_bytes(b"a tar")
    answer = machine.cluster("load", str(archive), "shop:1")
    assert answer.returncode == 0, answer.stderr
    assert machine.calls().count("kind load image-archive") == 2
    assert "docker save shop:1" in machine.calls()

    missing = machine.cluster("load", "shop:2")
    assert missing.returncode == 2
    assert "no file shop:2, and Docker has no image of that name" in missing.stderr


def test_an_image_that_the_node_has_is_not_loaded_again(machine: Machine) -> None:
    there, other = "a" * 64, "b" * 64
    ctr = f"""case "$*" in *"images list name==shop:1") echo "shop:1 sha256:{"c" * 64}" ;;
      *"content get sha256:{"c" * 64}") echo '{{"config": {{"digest": "sha256:{there}"}}}}' ;; esac"""
    machine.has("kind", KIND)
    machine.has("docker", f"{CALLED}{ctr}\n")
    machine.made_by("kind")
    for tag, digest, loaded in (("shop:1", there, 0), ("shop:1", other, 1), ("shop:2", there, 2)):
        archive = machine.home / "images.tar"
        listed = json.dumps([{"Config": f"{digest}.json", "RepoTags": [tag]}]).encode()
        with tarfile.open(archive, "w") as tar:
            entry = tarfile.TarInfo("manifest.json")
            entry.size = len(listed)
            tar.addfile(entry, io.BytesIO(listed))
        answer = machine.cluster("load", str(archive))
        assert answer.returncode == 0, answer.stderr
        assert machine.calls().count("kind load image-archive") == loaded


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "--provider", "minikube"], "invalid choice: 'minikube'"),
        (["fetch", "nginx"], "There is no build nginx; there are pause, etcd"),
        (["tool", "nginx"], "invalid choice: 'nginx'"),
        (["load"], "required: IMAGE"),
        (["load", "images.tar"], "There is no cluster to load images into"),
        (["status", "-o", "yaml"], "invalid choice: 'yaml'"),
        ([], "required: COMMAND"),
    ],
)
def test_wrong_words_are_status_2_and_a_sentence(machine: Machine, words: list[str], said: str) -> None:
    answer = machine.cluster(*words)
    assert answer.returncode == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_another_provider_than_that_of_the_cluster_is_refused(machine: Machine) -> None:
    machine.made_by("kind")
    answer = machine.cluster("up", "--provider", "native")
    assert answer.returncode == 2
    assert "There is a cluster by kind; `scripts/cluster down` deletes it." in answer.stderr


def test_without_a_cluster_there_is_no_kubeconfig_and_nothing_to_delete(machine: Machine) -> None:
    kubeconfig = machine.cluster("kubeconfig")
    assert (kubeconfig.returncode, kubeconfig.stdout) == (1, "")
    assert "There is no cluster: scripts/cluster up" in kubeconfig.stderr
    assert machine.cluster("down").returncode == 0
    status = machine.cluster("status")
    assert (status.returncode, status.stdout) == (3, "down\n")


def test_processes_that_are_recorded_and_gone_are_down_and_no_others_are_taken_for_them(machine: Machine) -> None:
    machine.made_by("native")
    records = machine.state / "processes"
    records.mkdir()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    own = Path("/proc/self/stat").read_text().strip()
    number, rest = own.split(" ", 1)
    fields = rest.rpartition(")")[2].split()
    other_start = rest.replace(f" {fields[19]} ", f" {int(fields[19]) + 1} ")
    (records / "etcd").write_text(f"{boot}\n{number} {other_start}\n")  # the number was given to another process: us
    (records / "kubelet").write_text(f"00000000-yesterday\n{own}\n")
    (records / "containerd").write_text("half a rec")
    answer = machine.cluster("status", "-o", "json")
    found = json.loads(answer.stdout)
    assert answer.returncode == 3
    assert (found["state"], found["provider"], found["kubeconfig"]) == ("down", "native", None)
    assert {process["pid"] for process in found["processes"].values()} == {None}


@pytest.mark.skipif(os.geteuid() != 0, reason="native clusters are root's")
def test_deleting_a_dead_cluster_leaves_us_and_a_running_one_alone(machine: Machine) -> None:
    owner = Path("/run/revcart-cluster")
    if not owner.exists():
        pytest.skip("no native cluster runs on this machine")
    machine.made_by("native")
    before = (NODE.exists(), owner.read_text())
    answer = machine.cluster("down")
    assert answer.returncode == 0, answer.stderr
    assert "is another and stays" in answer.stderr
    assert not machine.state.exists()
    assert (NODE.exists(), owner.read_text()) == before


@needs_user_namespaces
def test_a_native_cluster_is_not_changed_by_others_than_root(machine: Machine) -> None:
    machine.made_by("native")
    for words in (["up"], ["down"], ["load", "images.tar"]):
        answer = machine.cluster(*words, nobody=True)
        assert answer.returncode == 4
        assert "The native cluster cannot be changed: it needs root." in answer.stderr
    assert machine.state.exists()


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import modules of scripts/cluster.d by their names and forget them again."""
    monkeypatch.syspath_prepend(str(SCRIPTS / "stores.d"))
    monkeypatch.syspath_prepend(str(SCRIPTS / "cluster.d"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPTS)):
            del sys.modules[name]


def test_the_versions_that_are_told_are_those_of_the_modules(module: Any) -> None:
    for build in module("builds").BUILDS.values():
        text = (SCRIPTS / "cluster.d" / build.name / "go.mod").read_text()
        assert build.name == "pause" or re.search(rf" v{build.version}( // indirect)?$", text, re.MULTILINE), build.name


def test_the_pause_image_is_the_same_for_the_same_program(module: Any, tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    images = module("images")
    assert images.pause(program) == images.pause(program)


def ingress(*paths: dict[str, Any], host: str = "shop.example", cls: str | None = "revcart-fixture") -> dict[str, Any]:
    spec = {"rules": [{"host": host, "http": {"paths": list(paths)}}]}
    return {"metadata": {"namespace": "shop", "name": "web"}, "spec": spec | ({"ingressClassName": cls} if cls else {})}


def path(text: str, service: str, *, kind: str = "Prefix", port: int | str = 80) -> dict[str, Any]:
    by = {"name": port} if isinstance(port, str) else {"number": port}
    return {"path": text, "pathType": kind, "backend": {"service": {"name": service, "port": by}}}


SERVICES = {"shop/gateway": {"spec": {"ports": [{"name": "http", "port": 80}, {"name": "metrics", "port": 90}]}}}
SLICES = [
    {
        "metadata": {"namespace": namespace, "labels": {"kubernetes.io/service-name": "gateway"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}],
        "endpoints": [
            {"addresses": [f"10.0.{last}.1"], "conditions": {"ready": True}},
            {"addresses": [f"10.0.{last}.2"], "conditions": {"ready": False}},
        ],
    }
    for namespace, last in (("shop", 1), ("other", 2))
]


def configuration(routes: ModuleType, *ingresses: dict[str, Any]) -> str:
    text: str = routes.configuration(ingresses, services=SERVICES, slices=SLICES, socket=Path("/s"))
    return text


def test_requests_go_to_the_ready_pods_of_the_named_port(module: Any) -> None:
    for port in (80, "http"):
        text = configuration(module("routes"), ingress(path("/", "gateway", port=port)))
        assert re.findall(r"server \S+ (\S+)", text) == ["10.0.1.1:8080"]


def test_the_most_exact_rule_comes_first(module: Any) -> None:
    text = configuration(
        module("routes"),
        ingress(path("/", "all", kind="ImplementationSpecific"), host=""),
        ingress(path("/", "wild"), host="*.example"),
        ingress(
            path("/", "root"), path("/api/orders", "orders"), path("/api", "api"), path("/api", "exact", kind="Exact")
        ),
    )
    order = re.findall(r"use_backend shop_(\w+)_80", text)
    assert order == ["exact", "orders", "api", "root", "wild", "all"]


def test_what_would_break_out_of_the_configuration_is_left_out(module: Any) -> None:
    text = configuration(
        module("routes"), ingress(path("/a } b", "gateway")), ingress(path("/\n", "gateway"), host="x")
    )
    assert "use_backend" not in text


@pytest.mark.parametrize(("cls", "ours"), [("revcart-fixture", True), (None, True), ("nginx", False)])
def test_ingresses_of_other_classes_are_left_to_others(module: Any, cls: str | None, ours: bool) -> None:
    assert module("routes").is_ours(ingress(path("/", "gateway"), cls=cls)) is ours
