"""No secret is in the tree, and production starts with none that anybody could know."""

import importlib
import re
import subprocess
from pathlib import Path

import pydantic
import pytest

from revcart.kit import settings as kit_settings
from revcart_operator.platform import catalogue

ROOT = Path(__file__).parents[2]
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\brzp_live_[A-Za-z0-9]{14}\b"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"
    r"|\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b"
)


def texts() -> list[tuple[str, str]]:
    """Every file of the tree, and every line that the history ever added."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    found = [(name, (ROOT / name).read_text(errors="ignore")) for name in names if name and (ROOT / name).is_file()]
    log = subprocess.run(["git", "log", "-p", "--all", "--no-color"], cwd=ROOT, capture_output=True, check=False).stdout
    return [*found, ("git history", log.decode(errors="ignore"))]


@pytest.mark.regression("R15")
def test_r15_no_secret_in_tree() -> None:
    leaks = [f"{name}: {match[0][:12]}…" for name, text in texts() for match in SECRET.finditer(text)]
    assert not leaks


@pytest.mark.parametrize("service", [service.name for service in catalogue.SERVICES])
def test_production_refuses_to_start_without_secrets_or_with_demo_data(service: str) -> None:
    kind: type[kit_settings.Settings] = importlib.import_module(f"revcart.{service}.app").Settings
    own = {name: "x" * 44 for name, field in kind.model_fields.items() if field.is_required()}
    with pytest.raises(pydantic.ValidationError, match="SERVICE_TOKEN_SECRETS"):
        kind(environment="production", **own)
    with pytest.raises(pydantic.ValidationError, match="DEMO_DATA"):
        kind(environment="production", demo_data=True, service_token_secrets=["x" * 32], **own)
