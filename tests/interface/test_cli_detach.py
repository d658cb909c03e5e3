"""`revcart up --detach`: the real shop, started in the background, asked how it is, and stopped; nothing is lost."""

import json
import sqlite3
import urllib.request
from pathlib import Path

import pytest
from tests.interface import shops

from revcart_operator.local import modules, refusals
from revcart_operator.platform import catalogue

SAMPLE = Path(__file__).parents[2] / "manifests" / "samples" / "development.yaml"


@pytest.fixture(autouse=True)
def every_service_is_written() -> None:
    try:
        for service in catalogue.SERVICES:
            modules.load(service)
    except refusals.NoSuchService as missing:
        pytest.skip(str(missing))


def test_a_shop_in_the_background_serves_is_asked_and_is_stopped(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    offset = shops.free_offset()
    up = ["up", "-f", str(SAMPLE), "--data", data, "--port-offset", str(offset), "--detach"]
    try:
        started = shops.revcart(*up)
        assert started.returncode == 0, started.stderr
        assert "Runs in the background as process" in started.stdout
        with urllib.request.urlopen(f"http://127.0.0.1:{8080 + offset}/api/categories", timeout=5) as answer:
            assert len(json.load(answer)) > 3
        status = shops.revcart("status", "--data", data)
        assert (status.returncode, "12 of 12 up" in status.stdout) == (0, True), status.stdout
        assert shops.revcart(*up).returncode == 1  # the same folder, twice
    finally:
        down = shops.revcart("down", "--data", data)
    assert down.returncode == 0
    assert shops.revcart("status", "--data", data).returncode == 3
    assert unsent(tmp_path / "data") == {}


def unsent(data: Path) -> dict[str, int]:
    """Databases whose outbox still holds events, and how many."""
    left: dict[str, int] = {}
    for file in (data / "databases").glob("*.sqlite"):
        with sqlite3.connect(file) as database:
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone():
                (count,) = database.execute("SELECT count(*) FROM outbox WHERE published_at IS NULL").fetchone()
                left |= {file.stem: count} if count else {}
    return left
