"""The five real stores: the one place that says which server, which version and where it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Debian:
    """A server out of Debian packages, unpacked beside the system; one that is installed already is used as it is."""

    suite: str
    packages: tuple[str, ...]
    program: str
    version_option: str = "--version"


@dataclass(frozen=True, kw_only=True)
class Maven:
    """A server made of jars: a pom beside this file, run by the machine's own Java."""

    pom: str
    properties: dict[str, str]
    java: int


@dataclass(frozen=True, kw_only=True)
class Go:
    """A server built from a Go module beside this file, whose go.mod and go.sum pin everything."""

    module: str


@dataclass(frozen=True, kw_only=True)
class Store:
    name: str
    server: str
    version: str
    """An exact version, or the series that any version must belong to."""
    source: Debian | Maven | Go
    variable: str
    """Environment variable that tells tests its URL."""
    ports: tuple[str, ...] = ("main",)

    @property
    def title(self) -> str:
        return f"{self.server} {self.version}"


STORES = {
    store.name: store
    for store in (
        Store(
            name="mysql",
            server="MariaDB",
            version="10.11",
            source=Debian(
                suite="bookworm",
                packages=("mariadb-server-core", "libaio1", "liburing2", "libnuma1"),
                program="mariadbd",
            ),
            variable="REVCART_TEST_MYSQL_URL",
        ),
        Store(
            name="redis",
            server="Redis",
            version="7.0",
            source=Debian(
                suite="bookworm",
                packages=("redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1"),
                program="redis-server",
            ),
            variable="REVCART_TEST_REDIS_URL",
        ),
        Store(
            name="kafka",
            server="Kafka",
            version="4.1.0",
            source=Maven(pom="kafka/pom.xml", properties={"log4j.version": "2.24.3"}, java=17),
            variable="REVCART_TEST_KAFKA_URL",
            ports=("main", "controller"),
        ),
        Store(
            name="mongodb",
            server="FerretDB",
            version="1.24.0",
            source=Go(module="mongowire"),
            variable="REVCART_TEST_MONGODB_URL",
        ),
        Store(
            name="consul",
            server="Consul",
            version="1.8",
            source=Debian(suite="bullseye", packages=("consul",), program="consul", version_option="version"),
            variable="REVCART_TEST_CONSUL_URL",
            ports=("main", "server", "gossip"),
        ),
    )
}
