"""A Redis, Consul or Kafka with settings of its own (passwords, TLS, limits), which a test may stop and start again.

The programs are those of scripts/stores; a machine that cannot have them skips the test by name. Where the settings of
`scripts/stores` will do, `tests.stores` is the shorter way.
"""

import asyncio
import contextlib
import datetime
import ipaddress
import json
import os
import random
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
_SCRIPTS = Path(__file__).parents[1] / "scripts" / "stores.d"


class Server:
    """One process on a port that stays the same. `ask` raises OSError until it answers."""

    def __init__(
        self, command: Callable[[int], Sequence[str]], *, ask: Callable[[int], None], env: dict[str, str]
    ) -> None:
        self.port = free_port()
        self._command, self._ask, self._env = command, ask, env
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it answers."""
        assert self._process is None, "it runs"
        self._process = await asyncio.create_subprocess_exec(
            *self._command(self.port),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | self._env,
        )
        async with asyncio.timeout(30):
            while True:
                try:
                    return await asyncio.to_thread(self._ask, self.port)
                except OSError:
                    assert self._process.returncode is None, "the server ended"
                    await asyncio.sleep(0.05)

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def freeze(self) -> None:
        """Keep connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def redis(data: Path, *options: str) -> AsyncIterator[Server]:
    """A Redis that keeps what it has in `data`; `options` as on its command line, `{port}` being its port."""
    program, env = _program("redis")

    def command(port: int) -> list[str]:
        given = [option.format(port=port) for option in options]
        plain = [] if "--tls-port" in given else ["--port", str(port)]
        return [program, *plain, "--bind", HOST, "--dir", str(data), "--appendonly", "yes", "--save", "", *given]

    async with _running(Server(command, ask=_listens, env=env)) as server:
        yield server


@contextlib.asynccontextmanager
async def consul(data: Path, *, tls_port: int = -1, **settings: Any) -> AsyncIterator[Server]:
    """A Consul server of one that keeps what it has in `data`; `settings` are joined to its configuration."""
    program, env = _program("consul")
    inner = {name: free_port() for name in ("server", "serf_lan")}

    def command(port: int) -> list[str]:
        configuration = {
            "server": True,
            "bootstrap_expect": 1,
            "data_dir": str(data / "consul"),
            "bind_addr": HOST,
            "client_addr": HOST,
            "ports": {"http": port, "https": tls_port, **inner, "serf_wan": -1, "dns": -1},
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            **settings,
        }
        (data / "consul.json").write_text(json.dumps(configuration))
        return [program, "agent", "-config-file", str(data / "consul.json")]

    async with _running(Server(command, ask=_has_a_leader, env=env)) as server:
        yield server


@contextlib.asynccontextmanager
async def kafka(data: Path, *, user: str, password: str) -> AsyncIterator[Server]:
    """A Kafka that lets only `user` in, by SCRAM-SHA-512 or PLAIN, over TLS with the certificate of `certificate`."""
    program, _ = _program("kafka")
    java, properties, port = _secured_kafka(data, Path(program), user=user, password=password)
    scram = f"SCRAM-SHA-512=[name={user},password={password}]"
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id=MkU3OEVBNTcwNTJENDM2Qg", "--add-scram", scram]
    done = await asyncio.create_subprocess_exec(
        *java, *tool, "--config", str(properties), stdout=asyncio.subprocess.DEVNULL
    )
    assert await done.wait() == 0
    server = Server(lambda _: [*java, "kafka.Kafka", str(properties)], ask=_listens, env={})
    server.port = port
    async with _running(server):
        yield server


@contextlib.asynccontextmanager
async def mongodb(data: Path, *, user: str, password: str) -> AsyncIterator[Server]:
    """Our stand-in for MongoDB, whose root is `user`: everybody has to sign in."""
    program, env = _program("mongodb")
    (data / "user").write_text(user)
    (data / "password").write_text(password)
    (data / "db").mkdir()

    def command(port: int) -> list[str]:
        return [program, f"{HOST}:{port}", str(data / "db"), str(data / "user"), str(data / "password")]

    async with _running(Server(command, ask=_listens, env=env)) as server:
        yield server


@contextlib.asynccontextmanager
async def _running(server: Server) -> AsyncIterator[Server]:
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


def _secured_kafka(data: Path, program: Path, *, user: str, password: str) -> tuple[list[str], Path, int]:
    """How to start Java with Kafka's programs, the server's properties, its port."""
    import engines  # type: ignore[import-not-found]

    chain, key = certificate(data)
    store = data / "keystore.pem"
    store.write_text(Path(key).read_text() + Path(chain).read_text())
    ports = {"main": free_port(), "controller": free_port()}
    place = engines.Place(home=data, program=program, ports=ports, password="")
    engine = engines.ENGINES["kafka"]
    engine.prepare(place)
    java, properties = engine.command(place)[:-2], data / "server.properties"
    module, login = "org.apache.kafka.common.security", f'required username="{user}" password="{password}"'
    listener = f"SASL_SSL://{HOST}:{ports['main']}"
    secured = {
        "listeners": f"{listener},CONTROLLER://{HOST}:{ports['controller']}",
        "advertised.listeners": listener,
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{module}.scram.ScramLoginModule {login};",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'{module}.plain.PlainLoginModule {login} user_{user}="{password}";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": store,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": chain,
        "log.dirs": data / "secured",
    }
    with properties.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in secured.items())
    return java, properties, ports["main"]


def _program(name: str) -> tuple[str, dict[str, str]]:
    """The program, and what its environment needs."""
    if str(_SCRIPTS) not in sys.path:
        sys.path.insert(0, str(_SCRIPTS))
    import fetch  # type: ignore[import-not-found]
    import refusals  # type: ignore[import-not-found]
    import table  # type: ignore[import-not-found]

    store = table.STORES[name]
    if not os.environ.get(store.variable):
        pytest.skip(f"set {store.variable} to test with a {store.server} that is stopped and started")
    try:
        program = fetch.obtain(store)
    except refusals.CannotBeHad as reason:
        pytest.skip(f"{store.server}: {reason}")
    return str(program), dict(fetch.libraries(program))


def _listens(port: int) -> None:
    with socket.create_connection((HOST, port), timeout=1):
        pass


def _has_a_leader(port: int) -> None:
    with urllib.request.urlopen(f"http://{HOST}:{port}/v1/status/leader", timeout=1) as answer:
        if answer.read() in (b'""', b""):
            raise OSError("it has no leader yet")


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that is its own authority, and its key: files in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(paths[0]), str(paths[1])


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel gives to clients.

    With one of theirs, a client that keeps trying while the server is down may get that very port and hold it.
    """
    highest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10_000, max(highest, 10_500)), k=200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise AssertionError("no port is free")
