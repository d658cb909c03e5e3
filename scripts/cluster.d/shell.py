"""Run a program to its end, and turn its failure into a sentence."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import IO

import trouble

PATH = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"
"""System tools are often outside of a user's PATH."""


def find(program: str) -> str | None:
    return shutil.which(program, path=PATH)


def run(
    *command: str,
    timeout: float = 60.0,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    stdin: IO[bytes] | None = None,
) -> str:
    """What it prints. Raises Trouble with its first line of error."""
    status, output = attempt(*command, timeout=timeout, cwd=cwd, env=env, stdin=stdin)
    if status:
        raise trouble.Trouble(f"`{' '.join(command)[:120]}` failed: {reason(output)}")
    return output


def attempt(
    *command: str,
    timeout: float = 60.0,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    stdin: IO[bytes] | None = None,
) -> tuple[int, str]:
    """Its exit status and what it prints; 127: there is no such program, 124: it takes longer than `timeout`."""
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=cwd,
            env=os.environ | {"LC_ALL": "C", "PATH": PATH, **(env or {})},
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except FileNotFoundError:
        return 127, f"there is no program {command[0]}"
    except subprocess.TimeoutExpired:
        return 124, f"it took longer than {timeout:.0f} s"
    return done.returncode, done.stdout


def reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(\[?ERROR|E:|error|Error|ctr:|go: )", line)]
    return (errors or lines or ["it said nothing"])[0][:300]
