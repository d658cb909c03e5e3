"""`revcart validate`, `render` and `version`: what a person learns about a platform file before anything runs."""

import json
from pathlib import Path

import pytest
import yaml
from typer import testing

import revcart
from revcart_operator.cli import main

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
runner = testing.CliRunner()


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    file = tmp_path / "platform.yaml"
    file.write_text(
        (SAMPLES / "development.yaml").read_text(encoding="utf-8").replace("profile:", "profil:"), encoding="utf-8"
    )
    return file


def test_a_valid_file_is_said_to_be_so() -> None:
    answer = runner.invoke(main.app, ["validate", "-f", str(SAMPLES / "development.yaml")])
    assert answer.exit_code == 0
    assert answer.stdout.endswith("development.yaml: ok (RevCartPlatform shop, profile Development)\n")


@pytest.mark.parametrize("command", ["validate", "render", "up"])
def test_a_wrong_file_is_exit_code_2_with_a_sentence_and_nothing_else(command: str, wrong: Path) -> None:
    answer = runner.invoke(main.app, [command, "-f", str(wrong)])
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr == f"{wrong}: spec.profil (line 9): is unknown. Did you mean profile?\n"


def test_a_file_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    answer = runner.invoke(main.app, ["up", "-f", str(tmp_path / "none.yaml")])
    assert answer.exit_code == 2
    assert "cannot be read: No such file or directory" in answer.stderr


def test_render_shows_every_default_and_is_itself_a_valid_platform(tmp_path: Path) -> None:
    answer = runner.invoke(main.app, ["render", "-f", str(SAMPLES / "development.yaml")])
    assert answer.exit_code == 0
    document = yaml.safe_load(answer.stdout)
    assert document["spec"]["services"]["order"]["replicas"] == 1
    assert document["spec"]["reconcilePolicy"] == "Apply"
    again = tmp_path / "rendered.yaml"
    again.write_text(answer.stdout, encoding="utf-8")
    assert runner.invoke(main.app, ["render", "-f", str(again)]).stdout == answer.stdout


def test_render_speaks_json_too() -> None:
    answer = runner.invoke(main.app, ["render", "-o", "json", "-f", str(SAMPLES / "standard.yaml")])
    assert json.loads(answer.stdout)["spec"]["services"]["order"]["replicas"] == 2


@pytest.mark.parametrize("sample", ["development", "external", "standard", "high-availability"])
def test_render_shows_the_kubernetes_objects_without_their_secrets(sample: str) -> None:
    answer = runner.invoke(main.app, ["render", "--manifests", "-f", str(SAMPLES / f"{sample}.yaml")])
    assert answer.exit_code == 0
    objects = list(yaml.safe_load_all(answer.stdout))
    assert "shop-order" in {each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"}
    values = {value for each in objects if each["kind"] == "Secret" for value in each["data"].values()}
    assert values == {"Kioq"}  # ***


def test_a_patch_that_does_not_apply_is_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    patch = "  patches: [{target: {kind: Job, name: x}, operations: [{op: remove, path: /spec}]}]\n"
    file.write_text((SAMPLES / "development.yaml").read_text(encoding="utf-8") + patch, encoding="utf-8")
    answer = runner.invoke(main.app, ["render", "--manifests", "-f", str(file)])
    assert (answer.exit_code, answer.stderr) == (2, "spec.patches[0]: there is no Job x in this platform\n")


def test_version() -> None:
    assert runner.invoke(main.app, ["version"]).stdout == f"{revcart.__version__}\n"
