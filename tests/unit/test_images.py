"""The images' files against what is promised of them: the stores' contract, versions, nothing of this machine.

That images build and run is seen by `scripts/images` and `scripts/cluster`; here is what a review can miss.
"""

import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests import renders

from revcart_operator.platform import store

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "images"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCAL = [{"name": name, "image": f"localhost/revcart/{name}:local"} for name in store.NAMES]


def stage(target: str) -> str:
    """The instructions of a stage and of the stages that it is built on."""
    found = re.search(rf"^FROM (\S+) AS {target}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, f"there is no target {target}"
    base, text = found.groups()
    return text if base.startswith("${") else stage(base) + text


def instructions(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


def contract() -> dict[str, list[str]]:
    """The rows of the table in images/README.md: store → uid, data, port, how."""
    table = (IMAGES / "README.md").read_text(encoding="utf-8").partition("| store | uid |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize(
    ("target", "entrypoint"), [("platform", '["revcart-service"]'), ("operator", '["revcart", "operator"]')]
)
def test_both_targets_run_as_nobody_special_and_say_what_they_are(target: str, entrypoint: str) -> None:
    text = stage(target)
    assert instructions(text, "USER")[-1] == "10001:10001"
    assert instructions(text, "ENTRYPOINT") == [entrypoint]
    assert not instructions(text, "CMD")
    assert not instructions(text, "HEALTHCHECK")
    for label in ("title", "source", "licenses", "version", "revision", "created"):
        assert f"org.opencontainers.image.{label}=" in text
    assert f"VERSION={PROJECT['version']}" in instructions(text, "ARG")


def test_dependencies_come_from_the_lock_alone() -> None:
    assert set(re.findall(r"uv sync[^\\&|]*", DOCKERFILE)) == {
        "uv sync --frozen --no-dev --no-install-project --extra stores --extra otel ",
        "uv sync --frozen --no-dev --no-install-project --extra operator ",
    }
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    (version,) = {package["version"] for package in lock["package"] if package["name"] == "uv"}
    assert f"ARG UV_IMAGE=ghcr.io/astral-sh/uv:{version}\n" in DOCKERFILE


def test_only_named_files_enter_a_build() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert allowed == {
        "pyproject.toml",
        "uv.lock",
        "README.md",
        "LICENSE",
        "services/revcart",
        "operator/revcart_operator",
    }
    assert all((ROOT / name).exists() for name in allowed)


def texts() -> list[Path]:
    files = [ROOT / "Dockerfile", ROOT / ".dockerignore", ROOT / "scripts" / "images"]
    return files + [file for file in sorted(IMAGES.rglob("*")) if file.is_file()]


@pytest.mark.parametrize("file", texts(), ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_of_the_machine_that_built_it_is_written_down(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"https://github.com/revcart/revcart"}
    assert set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)) <= {"0.0.0.0"}
    assert not re.search(r"(?i)\b(https?_proxy|index.url|trusted.host|nameserver)\b", text)
    assert not re.search(r"(?i)(password|token|secret)=[\"']?[a-z0-9]", re.sub(r"type=secret|--secret=id", "", text))


@pytest.mark.parametrize("name", store.NAMES)
def test_a_local_store_is_what_the_contract_says(name: str) -> None:
    uid, data, port, _ = contract()[name]
    text = (IMAGES / name / "Dockerfile").read_text(encoding="utf-8")
    (user,) = instructions(text, "USER")
    assert user.split(":")[0] == uid
    assert instructions(text, "VOLUME") == [data]
    assert instructions(text, "EXPOSE") == [port]
    assert re.search(rf":x:{uid}:\d+::", text), "the user has a name"
    assert instructions(text, "ENTRYPOINT") == ['["entrypoint"]']


@pytest.fixture(scope="module")
def pods() -> dict[str, Any]:
    found = renders.objects(renders.platform(profile="Development", images={"overrides": LOCAL}))
    return {
        made["metadata"]["name"].removeprefix("shop-"): template["spec"]
        for made, template in renders.pod_templates(found)
        if made["kind"] == "StatefulSet"
    }


@pytest.mark.parametrize("name", store.NAMES)
def test_the_operator_relies_on_nothing_but_the_contract(name: str, pods: dict[str, Any]) -> None:
    uid, data, port, how = contract()[name]
    pod, (container,) = pods[name], pods[name]["containers"]
    assert container["image"] == f"localhost/revcart/{name}:local"
    assert pod["securityContext"]["runAsUser"] == int(uid)
    assert [each["containerPort"] for each in container["ports"]] == [int(port)]
    assert data in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert "command" not in container, "the image's own entrypoint prepares and starts the server"
    for variable in container.get("env", []):
        known = ("KAFKA_", "POD_IP", "CONSUL_DISABLE_PERM_MGMT")
        assert variable["name"] in how or variable["name"].startswith(known)


@pytest.mark.parametrize("name", store.NAMES)
def test_an_entrypoint_becomes_the_server(name: str) -> None:
    file = IMAGES / name / "entrypoint"
    assert file.stat().st_mode & stat.S_IXUSR
    subprocess.run(["sh", "-n", str(file)], check=True, timeout=10)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert "set -eu" in lines
    assert lines[-1].startswith("exec ")


def images(*words: str, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", str(ROOT / "scripts" / "images"), *words],
        env=os.environ | {"XDG_CACHE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_script_lists_what_was_saved(tmp_path: Path) -> None:
    assert images("list", home=tmp_path).stdout == ""
    archive = tmp_path / "revcart" / "images" / "platform.tar"
    archive.write_bytes(b"x")
    done = images("list", "platform", "redis", home=tmp_path)
    assert done.stdout.split()[:2] == [str(archive), f"ghcr.io/revcart/platform:{PROJECT['version']}"]
    assert done.returncode == 0


@pytest.mark.parametrize("words", [("build", "postgres"), ("bake",), ()])
def test_the_script_refuses_in_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    done = images(*words, home=tmp_path)
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
    assert "platform operator redis" in done.stderr
