"""The commands of docs/platform.md, "Run on your own servers", do what it says, on a copy of the tree."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.interface import shops, test_readme

STORES = ("mysql", "mongodb", "redis", "kafka", "consul")


def commands() -> str:
    text = (test_readme.ROOT / "docs" / "platform.md").read_text(encoding="utf-8")
    section = text.partition("### Run on your own servers")[2]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_newcomer_runs_the_shop_on_five_real_servers(tmp_path: Path) -> None:
    for store in STORES:
        if not os.environ.get(variable := f"REVCART_TEST_{store.upper()}_URL"):
            pytest.skip(f"set {variable} (scripts/stores run does) to run the shop on five real stores")
    tree = test_readme.copy(tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("REVCART_", "VIRTUAL_"))}

    def run(script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )

    # The only word that is added: other tests use the ports that it would take.
    script = commands().replace("--detach", f"--detach --port-offset {shops.free_offset()}")
    try:
        assert run("scripts/environment base").returncode == 0
        done = run(script)
    finally:
        run(".venv/bin/revcart down; scripts/stores down")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "mysql: revcart_orders has schema" in done.stdout
    assert re.search(r"kafka: [0-9]+ topics made", done.stdout)
    for store in STORES:
        assert re.search(rf"^ *{store} +UP +external +127\.0\.0\.1:[0-9]+", done.stdout, re.MULTILINE), done.stdout
    assert "12 of 12 up" in done.stdout
    assert "has stopped after" in done.stdout
