"""The in-process half of the embedded world: what the services of one process share.

One is made by whoever composes several services into a process (`revcart up`, the tests) and handed to each
`create_app`; a service that runs alone on `memory://` makes its own. Nothing of it is global.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from revcart.kit import bus_memory, cache_memory, clock, keys, pressure, registry


class Hub:
    """Bus, cache, registry and pressure of one process. `data`: the folder they are kept under; None: in memory only.

    `keys`: public keys of user tokens, where they do not come from auth (tests).
    """

    def __init__(self, data: Path | None = None, clock: clock.Clock | None = None) -> None:
        self.clock = clock or _system()
        self.keys: keys.Keys | None = None
        self.pressure = pressure.Pressure()
        self.registry: registry.Registry = registry.Memory()
        self.bus = bus_memory.Memory(data / "bus.sqlite" if data else None, clock=self.clock)
        self.cache = cache_memory.Memory(data / "cache.sqlite" if data else None, clock=self.clock)

    async def open(self) -> None:
        """Load what was kept. Before any service starts."""
        await self.pressure.start()
        await self.cache.open()
        await self.bus.open()

    async def close(self) -> None:
        """Write what is left. After all services have stopped."""
        await self.bus.close()
        await self.cache.close()
        await self.pressure.stop()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _system() -> clock.Clock:
    return clock.System()
