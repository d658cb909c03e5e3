"""Where the instances of each service are, so that callers find each other by name and by nothing else."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette import types

from revcart.kit import telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One running copy of a service.

    `address` is `http://host:port`, or `asgi://<service>` for one in this process, which then also brings its `app`.
    `ready`: of one that is registered from here, whether it should get calls at this moment.
    """

    service: str
    id: str
    address: str
    app: types.ASGIApp | None = field(default=None, compare=False, repr=False)
    ready: Callable[[], Awaitable[bool]] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        in_process = self.address.startswith("asgi://")
        assert in_process == (self.app is not None), "an asgi:// instance brings its app, any other brings none"


class Registry(Protocol):
    """The port. `instances` answers from local knowledge: it is asked on every call and must not wait."""

    async def register(self, instance: Instance) -> None:
        """Announce `instance`; the same id again replaces the former one."""

    async def deregister(self, instance: Instance) -> None:
        """Take `instance` out; new calls no longer reach it. One that is not there is no error."""

    async def watch(self, service: str) -> None:
        """Begin to follow `service`, and return once something is known of it, or after two seconds."""

    def instances(self, service: str) -> Sequence[Instance]:
        """The instances of `service` that take calls, empty when none is known or nobody ever watched it."""

    async def ping(self) -> None:
        """Whether the registry answers; raises when it does not."""

    async def close(self) -> None:
        """Stop following, at the end; what is registered stays."""


class Memory:
    """The registry of one process (`memory://`)."""

    def __init__(self) -> None:
        self._services: dict[str, tuple[Instance, ...]] = {}

    async def register(self, instance: Instance) -> None:
        self._services[instance.service] = (*self._others(instance), instance)

    async def deregister(self, instance: Instance) -> None:
        self._services[instance.service] = self._others(instance)

    async def watch(self, service: str) -> None:
        """All there is to know is here already."""

    def instances(self, service: str) -> Sequence[Instance]:
        return self._services.get(service, ())

    async def ping(self) -> None:
        """It is here as long as the process is."""

    async def close(self) -> None:
        """Belongs to its hub: services of this process come and go, and what the others registered stays."""

    def _others(self, instance: Instance) -> tuple[Instance, ...]:
        return tuple(other for other in self._services.get(instance.service, ()) if other.id != instance.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Where services are when no registry tells.

    `template`: host and port to look up in DNS, with `{service}` and `{port}`, the latter from `ports`; empty: no DNS.
    `static`: base addresses by service.
    """

    template: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    static: Mapping[str, Sequence[str]] = field(default_factory=dict)


def connect(url: str, *, memory: Registry, names: Names, metrics: telemetry.Metrics) -> Registry:
    """The registry at `url`: `consul://host:8500`, `dns://`, `static://`, or `memory://` for that of this process.

    Raises ValueError for any other.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        return memory
    from revcart.kit import registry_consul, registry_names  # they need the words above

    match scheme:
        case "consul":
            return registry_consul.connect(url, names=names, metrics=metrics)
        case "dns":
            return registry_names.Named([registry_names.Dns(names)], metrics=metrics)
        case "static":
            return registry_names.Named([registry_names.Static(names)], metrics=metrics)
    raise ValueError(f"REVCART_REGISTRY_URL: {scheme}:// is no registry; memory, consul, dns and static are")
