"""Where the instances of each service are, so that callers find each other by name and by nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette import types


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One running copy of a service.

    `address` is `http://host:port`, or `asgi://<service>` for one in this process, which then also brings its `app`.
    """

    service: str
    id: str
    address: str
    app: types.ASGIApp | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        in_process = self.address.startswith("asgi://")
        assert in_process == (self.app is not None), "an asgi:// instance brings its app, any other brings none"


class Registry(Protocol):
    """The port. `instances` answers from local knowledge: it is asked on every call and must not wait."""

    async def register(self, instance: Instance) -> None:
        """Announce `instance`; the same id again replaces the former one."""

    async def deregister(self, instance: Instance) -> None:
        """Take `instance` out; new calls no longer reach it. One that is not there is no error."""

    def instances(self, service: str) -> Sequence[Instance]:
        """The instances of `service` that take calls, empty when none is known."""


class Memory:
    """The registry of one process (`memory://`)."""

    def __init__(self) -> None:
        self._services: dict[str, tuple[Instance, ...]] = {}

    async def register(self, instance: Instance) -> None:
        self._services[instance.service] = (*self._others(instance), instance)

    async def deregister(self, instance: Instance) -> None:
        self._services[instance.service] = self._others(instance)

    def instances(self, service: str) -> Sequence[Instance]:
        return self._services.get(service, ())

    def _others(self, instance: Instance) -> tuple[Instance, ...]:
        return tuple(other for other in self._services.get(instance.service, ()) if other.id != instance.id)
