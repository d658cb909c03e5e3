"""`revcart up`, `status`, `logs` and `down` as processes: what they print, how they end, what they leave behind."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import pytest
from tests.interface import shops

from revcart_operator.platform import catalogue

SAMPLE = Path(__file__).parents[2] / "manifests" / "samples" / "development.yaml"
FAKES = Path(__file__).with_name("shop_of_fakes.py")
SECONDS = 30


class Shop:
    """A shop of fakes in a process of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.offset = shops.free_offset()
        self.process = subprocess.Popen(
            [sys.executable, str(FAKES), str(SAMPLE), str(data), str(self.offset)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_until_it_serves(self) -> list[str]:
        assert self.process.stdout is not None
        told = []
        for line in self.process.stdout:
            told.append(line.rstrip("\n"))
            if line.startswith("Next:"):
                return told
        raise AssertionError("\n".join(told))

    def url(self, service: str, path: str) -> str:
        return f"http://127.0.0.1:{catalogue.BY_NAME[service].port + self.offset}{path}"

    def end(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        told, _ = self.process.communicate(timeout=SECONDS)
        return str(told)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "data")
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


def test_up_tells_where_everything_is_and_who_may_sign_in(shop: Shop) -> None:
    told = shop.wait_until_it_serves()
    for service in shops.RUNNING:
        assert [service.name, "up", f"http://127.0.0.1:{service.port + shop.offset}"] in [line.split() for line in told]
    text = "\n".join(told)
    assert f"http://127.0.0.1:{8080 + shop.offset}/api" in text
    assert "password revcart-demo" in text
    assert "CUSTOMER" in text
    assert not any(secret in text for secret in json.loads((shop.data / "secrets.json").read_text()).values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_requests_in_flight(shop: Shop, number: signal.Signals) -> None:
    shop.wait_until_it_serves()
    with futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(lambda: urllib.request.urlopen(shop.url("order", "/slow"), timeout=SECONDS).read())
        time.sleep(0.3)
        shop.process.send_signal(number)
        assert asked.result() == b"done"
    told, _ = shop.process.communicate(timeout=SECONDS)
    assert shop.process.returncode == 0
    assert "Stopped. Everything is kept" in told
    assert not (shop.data / "run.json").exists()
    lines = (shop.data / "logs" / "order.log").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["service.started", "service.stopped"]


def test_a_second_up_on_the_same_folder_is_refused_in_one_sentence(shop: Shop) -> None:
    shop.wait_until_it_serves()
    second = shops.revcart("up", "-f", str(SAMPLE), "--data", str(shop.data), "--port-offset", "9000")
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"(process {shop.process.pid}): `revcart down` stops it" in second.stderr
    assert second.stdout == ""


@pytest.mark.parametrize("more", [[], ["--detach"]])
def test_a_taken_port_is_one_sentence_and_exit_code_1(tmp_path: Path, more: list[str]) -> None:
    offset = shops.free_offset()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 8085 + offset))
        taken.listen()
        refused = shops.revcart("up", "-f", str(SAMPLE), "--data", str(tmp_path), "--port-offset", str(offset), *more)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[0] == (
        f"Port {8085 + offset}, which order wants, is taken by another program: stop that program, "
        "or move all ports with --port-offset 100."
    )
    assert shops.revcart("status", "--data", str(tmp_path)).returncode == 3


@pytest.mark.parametrize("more", [[], ["--detach"]])
def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "data").write_text("a file")
    refused = shops.revcart("up", "-f", str(SAMPLE), "--data", str(tmp_path / "data"), *more)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"{tmp_path / 'data'} cannot be used: File exists.\n"


def test_a_secret_that_is_not_there_is_named_with_the_file_to_write(tmp_path: Path) -> None:
    file, data = tmp_path / "platform.yaml", tmp_path / "data"
    live = "\n  services: {payment: {razorpay: {mode: Live, secretRef: {name: razorpay}}}}\n"
    file.write_text(SAMPLE.read_text(encoding="utf-8").replace("\n  demoData: Enabled", live + "  demoData: Enabled"))
    refused = subprocess.run(
        [sys.executable, str(FAKES), str(file), str(data), str(shops.free_offset())],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        "spec.services.payment.razorpay.secretRef refers to the secret razorpay, which has no key key-id; "
        f"write it to the file {data}/secrets/razorpay/key-id.\n"
    )


def test_status_is_1_while_a_service_is_down_and_3_when_nothing_runs(shop: Shop) -> None:
    shop.wait_until_it_serves()
    running = shops.revcart("status", "--data", str(shop.data))
    assert running.returncode == 1
    assert "11 of 12 up" in running.stdout
    assert "db DOWN" in running.stdout
    told = json.loads(shops.revcart("status", "--data", str(shop.data), "-o", "json").stdout)
    assert (told["running"], told["pid"], told["state"]) == (True, shop.process.pid, "serving")
    assert {each["name"]: each["status"] for each in told["services"] if each["status"] != "UP"} == {"delivery": "DOWN"}
    stores = {each["name"]: (each["kind"], each["status"], each["trouble"]) for each in told["stores"]}
    assert stores.pop("mysql") == ("embedded", "DEGRADED", "away for delivery")
    assert set(stores) == {"mongodb", "redis", "kafka", "consul"}
    assert re.search(r"^ *mysql +DEGRADED +embedded +away for delivery", running.stdout, re.MULTILINE)
    shop.end()
    stopped = shops.revcart("status", "--data", str(shop.data), "-o", "json")
    assert (stopped.returncode, json.loads(stopped.stdout)["running"]) == (3, False)


def test_down_waits_until_it_has_ended_and_may_be_repeated(shop: Shop) -> None:
    shop.wait_until_it_serves()
    with futures.ThreadPoolExecutor() as pool:  # a parent that waits for its child, as a shell does
        ended = pool.submit(shop.process.communicate, timeout=SECONDS)
        down = shops.revcart("down", "--data", str(shop.data))
        assert down.returncode == 0
        assert "shop has stopped after" in down.stdout
        ended.result()
    assert shop.process.returncode == 0
    assert "No platform runs" in shops.revcart("down", "--data", str(shop.data)).stdout


def test_the_trace_of_a_killed_platform_is_recognised(shop: Shop) -> None:
    shop.wait_until_it_serves()
    shop.process.kill()
    shop.process.communicate()
    assert (shop.data / "run.json").exists()
    assert shops.revcart("status", "--data", str(shop.data)).returncode == 3
    run = json.loads((shop.data / "run.json").read_text())
    (shop.data / "run.json").write_text(json.dumps({**run, "pid": os.getpid()}))  # the number now belongs to another
    assert "No platform runs" in shops.revcart("down", "--data", str(shop.data)).stdout
    again = Shop(shop.data)
    try:
        again.wait_until_it_serves()
    finally:
        again.end()


def test_logs_are_readable_and_available_as_json(shop: Shop) -> None:
    shop.wait_until_it_serves()
    shown = shops.revcart("logs", "order", "--data", str(shop.data))
    assert shown.returncode == 0
    assert " INFO  service.started" in shown.stdout
    assert (
        json.loads(shops.revcart("logs", "order", "--data", str(shop.data), "-o", "json").stdout)["service"] == "order"
    )
    assert shops.revcart("logs", "order", "--data", str(shop.data), "-n", "0").stdout == ""
    assert "hidden" not in (shop.data / "logs" / "order.log").read_text()


def test_logs_of_an_unknown_service_names_the_one_that_was_meant(tmp_path: Path) -> None:
    unknown = shops.revcart("logs", "oder", "--data", str(tmp_path))
    assert unknown.returncode == 1
    assert unknown.stderr == "There is no service oder. Did you mean order?\n"


def test_logs_can_be_followed(shop: Shop) -> None:
    shop.wait_until_it_serves()
    following = subprocess.Popen(
        [sys.executable, "-m", "revcart_operator.cli.main", "logs", "cart", "-f", "--data", str(shop.data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert following.stdout is not None
        assert "service.started" in following.stdout.readline()
        shop.end()
        assert "service.stopped" in following.stdout.readline()
    finally:
        following.send_signal(signal.SIGINT)
        assert following.wait(SECONDS) == 0


def test_the_data_folder_is_for_its_owner_and_not_for_git(shop: Shop) -> None:
    shop.wait_until_it_serves()
    assert stat.S_IMODE(shop.data.stat().st_mode) == 0o700
    assert (shop.data / ".gitignore").read_text() == "*\n"
