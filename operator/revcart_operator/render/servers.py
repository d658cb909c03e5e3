"""The Managed stores: one server each, a StatefulSet of one pod with a volume.

The images are the official ones; images/README.md says which part of their contract is relied on here. Each server has
its passwords as files of the Secret `<platform>-<store>`, and its probes ask the server itself. Those of Kafka and
MongoDB say a few bytes of its protocol through bash: their own clients take a second of CPU and more to start.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from revcart_operator.platform import spec, store
from revcart_operator.render import bindings, credentials, names, pods, secrets, services, site, stores

_TMP = {"/tmp": "tmp"}  # noqa: S108 - a volume's mount
_SECRETS = site.SECRETS_FOLDER
_ROOT = "root"


@dataclass(frozen=True, kw_only=True)
class _Server:
    """`scratch`: further folders that it writes. `ready` and `alive`: how to ask it."""

    image: str
    user: int
    port: int
    data: str | tuple[str, str]
    ready: Mapping[str, Any]
    alive: Mapping[str, Any]
    args: tuple[str, ...] = ()
    env: tuple[Mapping[str, Any], ...] = ()
    secret: Mapping[str, str] = field(default_factory=dict)
    secret_folder: str = _SECRETS
    scratch: Mapping[str, str] = field(default_factory=dict)  # path → name
    end_seconds: int = 60


def manifests(place: site.Site) -> list[names.Manifest]:
    """All Managed stores with their binding Secrets."""
    others = stores.external(place.platform)
    return [made for name in store.NAMES if name not in others for made in _store(place, name)]


def _store(place: site.Site, name: str) -> list[names.Manifest]:
    managed: store.Managed = getattr(place.platform.spec.stores, name).managed
    server = _MAKE[name](place)
    mounted: dict[str, str | tuple[str, str]] = {**_TMP, **server.scratch}
    path = server.data if isinstance(server.data, str) else server.data[0]
    mounted[path] = "data" if isinstance(server.data, str) else ("data", server.data[1])
    volumes = {"tmp": pods.scratch("256Mi"), **{each: pods.scratch() for each in server.scratch.values()}}
    if server.secret:
        mounted[server.secret_folder] = "secrets"
        volumes["secrets"] = pods.secret(place.shop.called(name))
    pod = pods.Pod(
        part=name,
        user=server.user,
        containers=[
            pods.Container(
                name=name,
                image=place.image(name, f"{server.image}:{managed.version}"),
                args=server.args,
                env=server.env,
                mounts=mounted,
                port=server.port,
                probes={
                    # The first start makes the data directory.
                    "startupProbe": {**server.ready, "periodSeconds": 3, "failureThreshold": 100},
                    "readinessProbe": server.ready,
                    "livenessProbe": server.alive,
                },
                resources=managed.resources,
            )
        ],
        volumes=volumes,
        seconds=server.end_seconds,
        config=names.digest(dict(server.secret)) if server.secret else "",
    )
    return [
        *([secrets.manifest(place.shop, name, server.secret)] if server.secret else []),
        secrets.manifest(place.shop, bindings.part(name), place.bound[name]),
        services.network_service(place, name, server.port),
        services.stateful(place, pod, storage=managed.storage),
    ]


def _mysql(place: site.Site) -> _Server:
    ask = f'MYSQL_PWD="$(<{_SECRETS}/root-password)" mysql -h 127.0.0.1 -u root -e "SELECT 1"'
    small = ("--performance-schema=OFF",) if _is_small(place) else ()  # it takes 200 MB
    return _Server(
        image="mysql",
        user=999,
        port=3306,
        data=("/var/lib/mysql", "mysql"),  # a folder of the volume, without the file system's own lost+found
        args=(
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_bin",
            "--max-connections=500",
            "--skip-name-resolve",
            *small,
        ),
        env=(
            pods.variable("MYSQL_ROOT_HOST", "%"),
            pods.variable("MYSQL_ROOT_PASSWORD_FILE", f"{_SECRETS}/root-password"),
        ),
        secret={"root-password": place.credentials[credentials.MYSQL_ROOT]},
        scratch={"/var/run/mysqld": "run"},
        # By TCP: the server of the first start's preparations listens on a socket alone.
        ready=pods.exec_probe(ask, every=10, failures=3),
        alive=pods.exec_probe(ask, every=20, failures=6, seconds=10),
    )


def _mongodb(place: site.Site) -> _Server:
    # OP_MSG {hello: 1, $db: "admin"}; the answer's header names the request it answers (1).
    hello = (
        r"\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0"
        r"\x1f\0\0\0\x10hello\0\x01\0\0\0\x02\x24db\0\x06\0\0\0admin\0\0"
    )
    ask = _asked(27017, hello, bytes=12, answer="01000000")
    return _Server(
        image="mongo",
        user=999,
        port=27017,
        data="/data/db",
        args=("--bind_ip_all",),
        env=(
            pods.variable("MONGO_INITDB_ROOT_USERNAME_FILE", f"{_SECRETS}/root-username"),
            pods.variable("MONGO_INITDB_ROOT_PASSWORD_FILE", f"{_SECRETS}/root-password"),
        ),
        secret={"root-username": _ROOT, "root-password": place.credentials[credentials.MONGODB_ROOT]},
        scratch={"/data/configdb": "configdb"},
        ready=pods.exec_probe(ask, every=10, failures=3),
        alive=pods.exec_probe(ask, every=20, failures=6, seconds=10),
    )


def _redis(place: site.Site) -> _Server:
    folder, password = "/etc/revcart", place.credentials[credentials.REDIS]
    configuration = "\n".join(
        (
            "bind * -::*",
            "port 6379",
            "dir /data",
            "appendonly yes",
            "appendfsync everysec",
            f"requirepass {password}",
            "",
        )
    )
    ask = f'[ "$(REDISCLI_AUTH="$(<{folder}/password)" redis-cli -h 127.0.0.1 ping)" = PONG ]'
    return _Server(
        image="redis",
        user=999,
        port=6379,
        data="/data",
        args=("redis-server", f"{folder}/redis.conf"),
        secret={"redis.conf": configuration, "password": password},
        secret_folder=folder,
        ready=pods.exec_probe(ask, every=10, failures=3),
        alive=pods.exec_probe(ask, every=20, failures=6, seconds=10),
    )


def _kafka(place: site.Site) -> _Server:
    host, password = place.shop.called("kafka"), place.credentials[credentials.KAFKA]
    user = bindings.KAFKA_USER
    # ApiVersions, which a broker answers before anybody has signed in; correlation 1 comes back.
    ask = _asked(9092, r"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff", bytes=8, answer="00000001")
    settings = {
        "CLUSTER_ID": _cluster_id(place.shop),
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        # The controller is for this broker alone and listens within the pod.
        "KAFKA_LISTENERS": "CLIENT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"CLIENT://{host}:9092",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "CLIENT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
        "KAFKA_SASL_ENABLED_MECHANISMS": "PLAIN",
        "KAFKA_SASL_MECHANISM_INTER_BROKER_PROTOCOL": "PLAIN",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data/logs",  # below the volume, whose own lost+found is no topic
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "10",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_HEAP_OPTS": "-Xms256m -Xmx256m" if _is_small(place) else "-Xms1g -Xmx1g",
    }
    jaas = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="{user}" password="{password}" user_{user}="{password}";'
    )
    return _Server(
        image="apache/kafka",
        user=1000,
        port=9092,
        data="/var/lib/kafka/data",
        env=(
            *(pods.variable(name, value) for name, value in settings.items()),
            # The image makes its properties out of its environment: this one cannot come as a file.
            pods.secret_variable("KAFKA_LISTENER_NAME_CLIENT_PLAIN_SASL_JAAS_CONFIG", secret=host, key="jaas"),
        ),
        secret={"jaas": jaas},
        scratch={"/opt/kafka/config": "config", "/opt/kafka/logs": "logs"},
        ready=pods.exec_probe(ask, every=10, failures=3),
        alive=pods.exec_probe(ask, every=20, failures=6, seconds=10),
    )


def _consul(place: site.Site) -> _Server:
    return _Server(
        image="hashicorp/consul",
        user=100,
        port=8500,
        data="/consul/data",
        args=(
            "agent",
            "-server",
            "-bootstrap-expect=1",
            "-client=0.0.0.0",
            "-bind=0.0.0.0",
            "-advertise=$(POD_IP)",
            "-data-dir=/consul/data",
            "-disable-host-node-id",
            "-dns-port=-1",
            "-serf-wan-port=-1",
            "-log-level=warn",
        ),
        env=(
            pods.pod_address("POD_IP"),
            pods.variable("CONSUL_DISABLE_PERM_MGMT", "1"),  # the image would change owners, which takes root
        ),
        scratch={"/consul/config": "config"},
        ready=pods.http_probe("/v1/catalog/nodes", every=5, failures=3),  # only a leader answers
        alive=pods.http_probe("/v1/status/leader", every=20, failures=6, seconds=10),
        end_seconds=30,
    )


_MAKE = {"mysql": _mysql, "mongodb": _mongodb, "redis": _redis, "kafka": _kafka, "consul": _consul}


def _is_small(place: site.Site) -> bool:
    return place.platform.spec.profile is spec.Profile.DEVELOPMENT


def _asked(port: int, request: str, *, bytes: int, answer: str) -> str:
    """Say `request` to the port; the last four of the first `bytes` of its answer must be `answer`, in hexadecimal."""
    return (
        f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf '{request}' >&3 && "
        f'[ "$(head -c {bytes} <&3 | tail -c 4 | od -An -tx1 | tr -d " \\n")" = {answer} ]'
    )


def _cluster_id(shop: names.Shop) -> str:
    """The same after the platform was removed and came back to its volume."""
    known = hashlib.md5(f"{shop.namespace}/{shop.name}".encode(), usedforsecurity=False).digest()
    return base64.urlsafe_b64encode(known).decode().rstrip("=")
