"""How each server is prepared, started and asked: a class per store, all with the same four members."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import fetch
import probes
import refusals

HOST = "127.0.0.1"
ONCE_TIMEOUT = 120.0  # seconds to make an empty data folder


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an instance lives. Paths are absolute; `program` is what fetch.obtain gave."""

    home: Path
    program: Path
    ports: dict[str, int]
    password: str

    @property
    def port(self) -> int:
        return self.ports["main"]

    @property
    def data(self) -> Path:
        return self.home / "data"


class Engine(Protocol):
    def url(self, place: Place) -> str: ...
    def prepare(self, place: Place) -> None:
        """Write configuration and, the first time, an empty data folder; may be cut off anywhere and repeated."""

    def command(self, place: Place) -> list[str]: ...
    def ask(self, place: Place) -> None:
        """Return when it answers; OSError or ValueError when not yet."""


@contextlib.contextmanager
def making(folder: Path) -> Iterator[Path]:
    """A folder to fill beside `folder`, moved to its place when all went well: a crash leaves no half-made data."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    yield part
    part.rename(folder)


def once(command: list[str], *, place: Place, told: str = "") -> None:
    """Run a command that makes a data folder. Raises DoesNotStart with what it printed."""
    done = subprocess.run(  # noqa: S603
        command,
        input=told,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=ONCE_TIMEOUT,
        env=os.environ | fetch.libraries(place.program),
    )
    if done.returncode:
        raise refusals.DoesNotStart(f"could not make {place.data}:\n{done.stdout[-2000:]}")


class MySQL:
    # What production's MySQL 8 has by default and MariaDB has not.
    SQL_MODE: ClassVar = (
        "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
        "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
    )
    SCRIPTS: ClassVar = (
        "mysql_system_tables",
        "mysql_performance_tables",
        "mysql_system_tables_data",
        "maria_add_gis_sp_bootstrap",
        "mysql_sys_schema",
    )

    def url(self, place: Place) -> str:
        return f"mysql+aiomysql://root:{place.password}@{HOST}:{place.port}"

    def prepare(self, place: Place) -> None:
        if place.data.exists():
            return
        # mariadb-install-db does this too, but only for a server in its own place and with tools that are not unpacked.
        statements = ["CREATE DATABASE mysql;", "USE mysql;"]
        statements += [(self._share(place) / f"{name}.sql").read_text() for name in self.SCRIPTS]
        statements += ["FLUSH PRIVILEGES;", f"CREATE OR REPLACE USER root@'{HOST}' IDENTIFIED BY '{place.password}';"]
        statements += [f"GRANT ALL PRIVILEGES ON *.* TO root@'{HOST}' WITH GRANT OPTION;", ""]
        with making(place.data) as part:
            once([*self._command(place, data=part), "--bootstrap"], place=place, told="\n".join(statements))

    def command(self, place: Place) -> list[str]:
        return [
            *self._command(place, data=place.data),
            f"--port={place.port}",
            f"--bind-address={HOST}",
            "--socket=mysqld.sock",  # inside the data folder: a full path may be too long for a socket
            "--skip-name-resolve",
            "--max-connections=500",
            "--character-set-server=utf8mb4",
            f"--sql-mode={self.SQL_MODE}",
        ]

    def ask(self, place: Place) -> None:
        probes.mysql(place.port, password=place.password)

    def _command(self, place: Place, *, data: Path) -> list[str]:
        user = ["--user=root"] if os.geteuid() == 0 else []
        return [
            str(place.program),
            "--no-defaults",
            *user,
            f"--basedir={place.program.parents[1]}",
            f"--lc-messages-dir={self._share(place)}",
            f"--plugin-dir={place.program.parents[1] / 'lib/mysql/plugin'}",
            f"--datadir={data}",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=32M",
        ]

    def _share(self, place: Place) -> Path:
        return place.program.parents[1] / "share" / "mysql"


class Redis:
    def url(self, place: Place) -> str:
        return f"redis://{HOST}:{place.port}/0"

    def prepare(self, place: Place) -> None:
        place.data.mkdir(exist_ok=True)

    def command(self, place: Place) -> list[str]:
        keep = ["--appendonly", "yes", "--save", ""]
        return [str(place.program), "--port", str(place.port), "--bind", HOST, "--dir", str(place.data), *keep]

    def ask(self, place: Place) -> None:
        probes.redis(place.port)


class Kafka:
    def url(self, place: Place) -> str:
        return f"kafka://{HOST}:{place.port}"

    def prepare(self, place: Place) -> None:
        self._configure(place, place.home / "server.properties", data=place.data)
        if not place.data.exists():
            with making(place.data) as part:
                configuration = place.home / "format.properties"
                self._configure(place, configuration, data=part)
                cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
                tool = [*self._java(place), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
                once([*tool, "--config", str(configuration)], place=place)

    def command(self, place: Place) -> list[str]:
        return [*self._java(place), "kafka.Kafka", str(place.home / "server.properties")]

    def ask(self, place: Place) -> None:
        probes.kafka(place.port)

    def _java(self, place: Place) -> list[str]:
        # One thread collects 256 MB soon enough; the quick compiler makes a test's short life faster.
        machine = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        return ["java", *machine, "-Dorg.apache.logging.log4j.level=WARN", "-cp", f"{place.program}/*"]

    def _configure(self, place: Place, file: Path, *, data: Path) -> None:
        listener, controller = f"PLAINTEXT://{HOST}:{place.port}", f"{HOST}:{place.ports['controller']}"
        properties = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"{listener},CONTROLLER://{controller}",
            "advertised.listeners": listener,
            "controller.listener.names": "CONTROLLER",
            "log.dirs": data,
            "num.partitions": 3,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 0,
            # Sized for a laptop: half of the default 128 MB buffer alone would fill the heap.
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.network.threads": 2,
            "num.io.threads": 4,
        }
        file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


class MongoDB:
    def url(self, place: Place) -> str:
        return f"mongodb://{HOST}:{place.port}"

    def prepare(self, place: Place) -> None:
        place.data.mkdir(exist_ok=True)

    def command(self, place: Place) -> list[str]:
        return [str(place.program), f"{HOST}:{place.port}", str(place.data)]

    def ask(self, place: Place) -> None:
        probes.mongodb(place.port)


class Consul:
    def url(self, place: Place) -> str:
        return f"consul://{HOST}:{place.port}"

    def prepare(self, place: Place) -> None:
        # A server of one, not `-dev`: that one forgets everything when it stops.
        configuration = {
            "server": True,
            "bootstrap_expect": 1,
            "data_dir": str(place.data),
            "bind_addr": HOST,
            "client_addr": HOST,
            "ports": {
                "http": place.port,
                "server": place.ports["server"],
                "serf_lan": place.ports["gossip"],
                "serf_wan": -1,
                "dns": -1,
            },
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            "log_level": "warn",
        }
        (place.home / "consul.json").write_text(json.dumps(configuration))

    def command(self, place: Place) -> list[str]:
        return [str(place.program), "agent", "-config-file", str(place.home / "consul.json")]

    def ask(self, place: Place) -> None:
        probes.consul(place.port)


ENGINES: dict[str, Engine] = {
    "mysql": MySQL(),
    "redis": Redis(),
    "kafka": Kafka(),
    "mongodb": MongoDB(),
    "consul": Consul(),
}
