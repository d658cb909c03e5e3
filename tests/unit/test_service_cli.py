"""`revcart-service`: serves one service until it is told to end, migrates its database, and refuses in one sentence."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests import databases
from typer import testing

from revcart import service_cli
from revcart.kit import telemetry

SECRET = "a-service-secret-of-32-characters-or-more"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    yield
    telemetry.configure("WARNING", "console", "tests")


def environment(given: Mapping[str, str]) -> dict[str, str]:
    return {"REVCART_SERVICE_TOKEN_SECRETS": f'["{SECRET}"]', "NO_COLOR": "1", **given}


def run(*arguments: str, **given: str) -> tuple[int, str]:
    """Exit code and what was said."""
    done = testing.CliRunner().invoke(service_cli.app, arguments, env=environment(given))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output.strip()


@contextlib.contextmanager
def serving(name: str, **given: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service that is up, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "revcart.service_cli", "serve", name, "--port", str(port)],
        env={**os.environ, **environment(given)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, process.stdout and process.stdout.read()
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/actuator/health", timeout=2).close()
                break
            assert time.monotonic() < deadline, "it did not start within 30 s"
            time.sleep(0.1)
        yield process, address
    finally:
        process.kill()
        process.wait()


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Exit code and log lines after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    return process.returncode, out.splitlines()


def test_a_service_serves_logs_json_and_ends_in_order(tmp_path: Path) -> None:
    with serving("user", REVCART_DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/user.db") as (process, address):
        with urllib.request.urlopen(f"{address}/actuator/health/readiness", timeout=5) as answer:
            assert json.load(answer)["status"] == "UP"
        code, lines = ended(process)
    assert code == 0
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events if event["event"].startswith("service.")] == [
        "service.started",
        "service.stopping",
    ]
    assert {event["service"] for event in events} == {"user"}


def test_the_double_of_razorpay_is_served_too(tmp_path: Path) -> None:
    with serving("paysim", REVCART_PAYSIM_DATABASE_URL=f"sqlite:///{tmp_path}/paysim.db") as (process, _):
        assert ended(process)[0] == 0


def test_settings_come_from_secret_files(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "revcart_database_url").write_text(f"sqlite+aiosqlite:///{tmp_path}/order.db")
    assert run("migrate", "order", REVCART_SECRETS_DIR=str(folder)) == (0, "order: schema v0001, it was empty")
    assert (tmp_path / "order.db").exists()
    assert run("migrate", "order", REVCART_SECRETS_DIR=str(folder)) == (0, "order: schema v0001")


def test_a_service_without_tables_has_nothing_to_migrate() -> None:
    assert run("migrate", "cart") == (0, "cart has no SQL schema")


def test_an_unknown_name() -> None:
    for verb in ("serve", "migrate"):
        code, said = run(verb, "../orders")
        assert code == 2
        assert said.startswith("There is no service ../orders; there are admin, analytics, auth,")


def test_no_database_named() -> None:
    for verb in ("serve", "migrate"):
        code, said = run(verb, "order")
        assert code == 2
        assert said.startswith("REVCART_DATABASE_URL names no database; order needs one, e.g. sqlite+aiosqlite:///")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"REVCART_DATABASE_POOL_SIZE": "secret-value"}, "REVCART_DATABASE_POOL_SIZE"),
        ({"REVCART_ENVIRONMENT": "production", "REVCART_SERVICE_TOKEN_SECRETS": "[]"}, "REVCART_SERVICE_TOKEN_SECRETS"),
        ({"REVCART_DATABASE_URL": "mysql+aiomysql://u:secret-value@h/d?charset=x"}, "a database URL takes tls"),
        ({"REVCART_SECRETS_DIR": "/nowhere"}, "REVCART_SECRETS_DIR: there is no folder /nowhere"),
    ],
)
def test_a_setting_that_is_wrong_is_named_and_not_shown(given: dict[str, str], named: str) -> None:
    code, said = run("serve", "order", **{"REVCART_DATABASE_URL": "sqlite+aiosqlite:///:memory:", **given})
    assert code == 2
    assert named in said
    assert "secret-value" not in said
    assert len(said.splitlines()) == 1


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = run("serve", "user", "--port", str(port), REVCART_DATABASE_URL="sqlite+aiosqlite:///:memory:")
    assert (code, said) == (1, f"user cannot listen on 127.0.0.1:{port}: Address already in use")


def test_a_database_that_is_away() -> None:
    for arguments in (("serve", "user", "--port", "0"), ("migrate", "user")):
        code, said = run(*arguments, REVCART_DATABASE_URL="mysql+aiomysql://u:secret-value@127.0.0.1:1/users")
        assert code == 1
        assert "database at 127.0.0.1:1 does not answer" in said
        assert "secret-value" not in said


def test_on_mysql_the_schema_comes_first() -> None:
    url = databases.empty_mysql()
    name = sa.make_url(url).database
    sentence = f"The database {name} has no schema yet: run `revcart-service migrate user`."
    code, said = run("serve", "user", "--port", "0", REVCART_DATABASE_URL=url)
    assert (code, said) == (3, sentence)
    assert run("migrate", "user", REVCART_DATABASE_URL=url) == (0, "user: schema v0001, it was empty")
    with serving("user", REVCART_DATABASE_URL=url) as (process, address):
        with urllib.request.urlopen(f"{address}/actuator/health/readiness", timeout=5) as answer:
            assert json.load(answer)["status"] == "UP"
        assert ended(process)[0] == 0


def test_a_user_who_may_not_migrate_is_told_what_the_server_says() -> None:
    url = databases.user_of(sa.make_url(databases.empty_mysql()), "SELECT")
    code, said = run("migrate", "user", REVCART_DATABASE_URL=url)
    assert code == 1
    assert said.startswith("The database refused: (1")
    assert str(sa.make_url(url).password) not in said
