"""Holds docs/regressions.md and the tests together."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (R\d+) \| .* \| `(\S+?)::(\S+?)` \| (.*?) \|$", re.MULTILINE)


def rules() -> list[tuple[str, str, str, str]]:
    return ROW.findall((ROOT / "docs" / "regressions.md").read_text())


def is_marked(number: str, file: str, test: str) -> bool:
    """Whether `file` defines `test`, marked with `number` and not skipped."""
    path = ROOT / "tests" / file
    if not path.exists():
        return False
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == test:
            marks = [ast.unparse(decorator) for decorator in node.decorator_list]
            return f"pytest.mark.regression('{number}')" in marks and not any("skip" in mark for mark in marks)
    return False


@pytest.mark.regression("R56")
def test_r56_every_rule_has_its_test() -> None:
    missing = [
        f"{number}: {file}::{test}"
        for number, file, test, waits in rules()
        if not waits and not is_marked(number, file, test)
    ]
    assert not missing, "\n".join(missing)


def test_no_rule_waits_for_what_is_there() -> None:
    late = [number for number, file, test, waits in rules() if waits and is_marked(number, file, test)]
    assert not late


def test_numbers_are_used_once_and_without_gaps() -> None:
    numbers = [int(number[1:]) for number, *_ in rules()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 56
