"""The README's commands do what it says, on a copy of the tree as a newcomer has it."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def commands() -> list[str]:
    """The lines of the second block of commands, continued lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = blocks[1].replace("\\\n", " ").splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def copy(folder: Path) -> Path:
    """What git would clone, with the changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    tree = folder / "revcart"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def are_free(ports: range) -> bool:
    for port in ports:
        with socket.socket() as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trying.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def test_the_commands_of_the_readme_work_on_a_fresh_clone(tmp_path: Path) -> None:
    if not are_free(range(8080, 8092)):
        pytest.skip("the README's ports 8080-8091 are taken on this machine")
    tree = copy(tmp_path)
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "MAKEFLAGS"}}

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    started, *asked, ended = commands()
    assert (started, ended) == ("make up DETACH=1", "make down")
    assert "admin@example.com" in run(started)
    try:
        suggested, login, status, log = (run(command) for command in asked)
        assert "Milk" in suggested
        assert '"token"' in login
        assert "gateway" in status
        assert "service.started" in log
    finally:
        run(ended)
    assert (
        subprocess.run([tree / ".venv/bin/revcart", "status"], cwd=tree, check=False, capture_output=True).returncode
        == 3
    )
    help_text = run("make help")
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert all(target in help_text for target in targets)
