"""`scripts/stores`: real servers that start, stop, keep their data, survive crashes, and touch nothing else."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import aiokafka
import pymongo
import pymysql
import pytest
import redis
from tests import stores

NAMES = ("mysql", "redis", "kafka", "mongodb", "consul")
TIMEOUT = 10.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stores.Stores]:
    with stores.private(tmp_path_factory.mktemp("five"), *NAMES) as running:
        yield running


def leave_a_mark(url: str, mark: str) -> None:
    """Write `mark` with the store's own client."""
    address = urllib.parse.urlsplit(url)
    match address.scheme:
        case "mysql+aiomysql":
            with _mysql(address) as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE IF NOT EXISTS marks")
                cursor.execute("CREATE TABLE IF NOT EXISTS marks.mark (mark VARCHAR(40) PRIMARY KEY)")
                cursor.execute("INSERT INTO marks.mark VALUES (%s)", (mark,))
                connection.commit()
        case "redis":
            with redis.Redis.from_url(url, socket_timeout=TIMEOUT) as client:
                client.set("mark", mark)
        case "kafka":
            asyncio.run(_send(address.netloc, mark))
        case "mongodb":
            with _mongodb(url) as client:
                client["marks"]["mark"].insert_one({"_id": mark})
        case "consul":
            _consul(url, "mark", put=mark.encode())


def has_mark(url: str, mark: str) -> bool:
    address = urllib.parse.urlsplit(url)
    match address.scheme:
        case "mysql+aiomysql":
            with _mysql(address) as connection, connection.cursor() as cursor:
                return bool(cursor.execute("SELECT mark FROM marks.mark WHERE mark = %s", (mark,)))
        case "redis":
            with redis.Redis.from_url(url, socket_timeout=TIMEOUT) as client:
                return bool(client.get("mark") == mark.encode())
        case "kafka":
            return mark in asyncio.run(_read(address.netloc))
        case "mongodb":
            with _mongodb(url) as client:
                return client["marks"]["mark"].count_documents({"_id": mark}) == 1
        case _:
            return _consul(url, "mark?raw") == mark.encode()


def _mysql(address: urllib.parse.SplitResult) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        host=address.hostname, port=address.port, user=address.username, password=address.password, read_timeout=TIMEOUT
    )


def _mongodb(url: str) -> "pymongo.MongoClient[dict[str, str]]":
    return pymongo.MongoClient(url, serverSelectionTimeoutMS=TIMEOUT * 1000)


async def _send(server: str, mark: str) -> None:
    async with asyncio.timeout(TIMEOUT), aiokafka.AIOKafkaProducer(bootstrap_servers=server, acks="all") as producer:
        await producer.send_and_wait("marks", mark.encode())


async def _read(server: str) -> list[str]:
    consumer = aiokafka.AIOKafkaConsumer("marks", bootstrap_servers=server, auto_offset_reset="earliest")
    async with asyncio.timeout(TIMEOUT), consumer:
        batches = await consumer.getmany(timeout_ms=3000)
        return [record.value.decode() for records in batches.values() for record in records]


def _consul(url: str, path: str, put: bytes | None = None) -> bytes:
    request = urllib.request.Request(f"{url.replace('consul:', 'http:')}/v1/kv/{path}", data=put)
    request.method = "PUT" if put else "GET"
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize("name", NAMES)
def test_a_store_comes_back_with_its_port_and_data(own: stores.Stores, name: str) -> None:
    url = own.url(name)
    leave_a_mark(url, f"stopped {name}")
    own.stop(name)
    with pytest.raises(OSError, match="refused"), socket.create_connection(_endpoint(url), timeout=TIMEOUT):
        pass
    own.start(name)
    assert own.url(name) == url
    assert has_mark(url, f"stopped {name}")


@pytest.mark.parametrize("name", NAMES)
def test_a_store_survives_kill_9(own: stores.Stores, name: str) -> None:
    url, pid = own.url(name), own.pid(name)
    leave_a_mark(url, f"killed {name}")
    own.kill(name)
    own.start(name)
    assert own.url(name) == url
    assert own.pid(name) != pid
    assert has_mark(url, f"killed {name}")


def test_up_twice_and_by_two_at_once_starts_one(tmp_path: Path) -> None:
    with stores.private(tmp_path, "redis") as own:
        pid = own.pid("redis")
        own.start("redis")
        assert own.pid("redis") == pid
        own.stop("redis")
        two = [_script(own.state, "up", "redis") for _ in range(2)]
        outputs = [process.communicate(timeout=60)[0] for process in two]
        assert [process.returncode for process in two] == [0, 0], outputs
        assert own.pid("redis") != pid
        assert _servers_in(own.state) == 1


def test_a_paused_store_is_silent_and_can_still_be_stopped(tmp_path: Path) -> None:
    with stores.private(tmp_path, "redis") as own:
        own.pause("redis")
        status = stores.script(own.state, "status", "redis")
        assert (status.returncode, "silent" in status.stdout) == (3, True), status.stdout
        own.resume("redis")
        assert stores.script(own.state, "status", "redis").returncode == 0
        own.pause("redis")
        own.stop("redis")
        assert "down" in stores.script(own.state, "status", "redis").stdout


def test_down_spares_a_stranger_with_the_same_process_id(tmp_path: Path) -> None:
    with stores.private(tmp_path, "redis") as own:
        record = own.state / "redis" / "process"
        boot, stat = record.read_text().split("\n", 1)
        own.stop("redis")
        stranger = subprocess.Popen(["sleep", "60"])
        try:
            # What the record would say had the server died and the kernel given its number to another process.
            record.write_text(f"{boot}\n{stranger.pid} {stat.split(' ', 1)[1]}")
            assert "down" in stores.script(own.state, "status", "redis").stdout
            stores.script(own.state, "down")
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    with stores.private(tmp_path, "redis") as own:
        url = own.url("redis")
        own.stop("redis")
        with socket.create_server(_endpoint(url)):
            own.start("redis")
            assert own.url("redis") != url
            leave_a_mark(own.url("redis"), "elsewhere")


def test_a_store_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with stores.private(tmp_path, "redis") as own:
        leave_a_mark(own.url("redis"), "x")
        own.stop("redis")
        for file in (own.state / "redis" / "data" / "appendonlydir").iterdir():
            file.write_text("this is no log of writes\n" * 10)
        up = stores.script(own.state, "up", "redis")
        assert up.returncode == 1
        assert "does not start: no answer on port" in up.stderr
        assert "this is no log of writes" in up.stderr


def test_what_cannot_be_had_is_one_sentence_and_a_failure_only_by_name(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "sh", "dirname", "cat", "mv", "apt-get", "dpkg"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("REVCART_TEST_")}
    without_java = ours | {"PATH": str(tools)}
    try:
        named = stores.script(tmp_path / "state", "fetch", "kafka", env=without_java)
        assert named.returncode == stores.NOT_HERE
        assert re.fullmatch(
            r"kafka    Kafka \S+ cannot be had: it needs Java 17 or newer, and `java` is not on the PATH\n",
            named.stderr,
        )
        everything = stores.script(tmp_path / "state", "fetch", env=without_java)
        assert everything.returncode == 0, everything.stderr
        assert "kafka    Kafka" in everything.stderr
        run = stores.script(tmp_path / "state", "run", "--", sys.executable, "-c", "", env=without_java)
        assert run.returncode == 0
        assert run.stderr.splitlines()[-1].startswith("Not tested on this machine: Kafka")
    finally:
        stores.script(tmp_path / "state", "down")


def test_the_environment_and_unknown_names(tmp_path: Path) -> None:
    with stores.private(tmp_path, "redis") as own:
        env = stores.script(own.state, "env")
        assert (env.returncode, env.stdout) == (0, f"export REVCART_TEST_REDIS_URL={own.url('redis')}\n")
        assert stores.script(own.state, "env", "kafka").returncode == 1
    nonsense = stores.script(tmp_path, "up", "oracle")
    assert (nonsense.returncode, "There is no store oracle" in nonsense.stderr) == (2, True)


def test_run_gives_a_command_stores_of_its_own_and_stops_them(tmp_path: Path) -> None:
    command = "import json, os, sys; print(json.dumps(dict(os.environ))); sys.exit(7)"
    given = os.environ | {"REVCART_TEST_KAFKA_URL": "kafka://127.0.0.1:1"} | _given("MYSQL", "MONGODB", "CONSUL")
    given.pop("REVCART_TEST_REDIS_URL", None)
    done = stores.script(tmp_path, "run", "--", sys.executable, "-c", command, env=given)
    assert done.returncode == 7, done.stderr
    seen = json.loads(done.stdout)
    assert seen["REVCART_TEST_KAFKA_URL"] == "kafka://127.0.0.1:1"  # given, so neither started nor changed
    assert seen["REVCART_TEST_REDIS_URL"].startswith("redis://127.0.0.1:")
    assert "kafka" not in done.stderr
    assert not list((tmp_path / "runs").iterdir())
    assert _servers_in(tmp_path) == 0


def test_run_tidies_up_after_a_run_that_was_killed(tmp_path: Path) -> None:
    given = os.environ | _given("KAFKA", "MYSQL", "MONGODB", "CONSUL")
    given.pop("REVCART_TEST_REDIS_URL", None)
    killed = _script(tmp_path, "run", "--", "sh", "-c", "echo ready >&2; exec sleep 5", env=given)
    assert killed.stdout
    while "ready" not in killed.stdout.readline():
        assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert _servers_in(tmp_path) == 1
    assert stores.script(tmp_path, "run", "--", "true", env=given).returncode == 0
    assert _servers_in(tmp_path) == 0


def test_go_builds_the_version_that_the_table_names(tmp_path: Path) -> None:
    fetched = stores.script(tmp_path, "fetch", "mongodb")
    (version,) = re.findall(r"FerretDB (\S+)", fetched.stderr.splitlines()[-1])
    module = stores.SCRIPT.with_name("stores.d") / "mongowire" / "go.mod"
    assert f"github.com/FerretDB/FerretDB v{version}\n" in module.read_text()


def _given(*names: str) -> dict[str, str]:
    return {f"REVCART_TEST_{name}_URL": "given" for name in names}


def _endpoint(url: str) -> tuple[str, int]:
    address = urllib.parse.urlsplit(url)
    assert address.hostname
    assert address.port
    return address.hostname, address.port


def _script(state: Path, *words: str, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(stores.SCRIPT), "--state", str(state), *words],
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _servers_in(state: Path) -> int:
    """Processes that work in a folder below `state`."""
    count = 0
    for process in Path("/proc").glob("[0-9]*/cwd"):
        try:
            count += process.readlink().is_relative_to(state.resolve())
        except OSError:
            continue  # ended meanwhile
    return count
