"""Settings that change while the service runs: one YAML document per service, taken as a whole or not at all.

It stands in Consul's KV under `config/<service>/data`, or, where there is no Consul, in the file of that name below
`REVCART_CONFIG_DIR` (a mounted ConfigMap, for example). Every service takes `log.level`; the gateway takes much more.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import pydantic
import yaml
from pydantic import alias_generators

from revcart.kit import consul, telemetry

POLL_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 1.0
FIRST_SECONDS: Final = 2.0
LARGEST: Final = 65_536  # bytes

_log = telemetry.get_logger(__name__)


class Part(pydantic.BaseModel):
    """A part of a document: camelCase, nothing unknown, and a text is not a number."""

    model_config = pydantic.ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=alias_generators.to_camel, allow_inf_nan=False
    )


class Log(Part):
    """`level`: absent, that of the settings."""

    level: telemetry.Level | None = None


class Document(Part):
    """What every service takes."""

    log: Log = Log()


class Source(Protocol):
    """Where documents are."""

    async def read(self, key: str, *, after: str | None) -> tuple[str | None, str]:
        """The document under `key`, or None, and its version; returns when the version is, or may be, not `after`.

        Raises consul.Away.
        """
        ...

    async def close(self) -> None: ...


class Kv:
    """Consul's KV, by blocking queries."""

    def __init__(self, agent: consul.Agent) -> None:
        self._agent = agent

    async def read(self, key: str, *, after: str | None) -> tuple[str | None, str]:
        before = int(after or 0)
        reply = await self._agent.get(f"v1/kv/{key}", {"raw": "true"}, after=before)
        text = reply.body.decode(errors="replace") if reply.status == 200 else None
        return text, str(max(1, consul.later(before, reply.index)))

    async def close(self) -> None:
        await self._agent.close()


class Folder:
    """Files, looked at every second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def read(self, key: str, *, after: str | None) -> tuple[str | None, str]:
        if after is not None:
            await asyncio.sleep(POLL_SECONDS)
        return await asyncio.to_thread(_read, self._folder / key)

    async def close(self) -> None:
        """Nothing is open."""


class Live:
    """Follows the document of one service. The last good one holds while its source is away or has a bad one."""

    def __init__(self, source: Source | None, *, service: str, metrics: telemetry.Metrics) -> None:
        self._source = source
        self._service = service
        self._key = f"config/{service}/data"
        self._kind: type[Document] = Document
        self._names: Mapping[str, Collection[str]] = {}
        self._apply: Callable[[Any], None] | None = None
        self._reloads = metrics.counter(
            "revcart_config_reload_total", "Documents of live settings that were read", ("result",)
        )
        self._known = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def use(self, kind: type[Document], apply: Callable[[Any], None], *, names: Mapping[str, Collection[str]]) -> None:
        """Before `start`: read documents of `kind`, validated with `names` as context, and hand each good one over."""
        self._kind, self._apply, self._names = kind, apply, names

    async def start(self) -> None:
        """Returns once the document was looked for, or after two seconds."""
        if self._source is None:
            return
        self._task = asyncio.create_task(self._follow(self._source), name=f"live-{self._service}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await self._known.wait()

    async def stop(self) -> None:
        if self._source is None or self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._source.close()
        telemetry.set_level(self._service, None)

    async def _follow(self, source: Source) -> None:
        version: str | None = None
        last: str | None = None
        away = False
        while True:
            try:
                text, version = await source.read(self._key, after=version)
            except consul.Away as error:
                if not away:
                    _log.warning("config.source-away", key=self._key, reason=str(error))
                away, version = True, None
                await asyncio.sleep(AGAIN_SECONDS * random.uniform(0.8, 1.2))
                continue
            away = False
            if text != last:
                self._take(text)
                last = text
            self._known.set()

    def _take(self, text: str | None) -> None:
        if text is None:
            self._use(self._kind())
            self._reloads.labels("removed").inc()
            _log.info("config.removed", key=self._key)
            return
        try:
            document = self._parse(text)
        except (ValueError, RecursionError) as error:
            self._reloads.labels("refused").inc()
            _log.error("config.refused", key=self._key, reasons=_reasons(error))
            return
        self._use(document)
        self._reloads.labels("applied").inc()
        _log.info("config.applied", key=self._key)

    def _parse(self, text: str) -> Document:
        """Raises ValueError."""
        if len(text.encode()) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST} bytes")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"it is no YAML: {str(error)[:200]}") from error
        return self._kind.model_validate({} if value is None else value, context=dict(self._names))

    def _use(self, document: Document) -> None:
        telemetry.set_level(self._service, document.log.level)
        if self._apply is not None:
            self._apply(document)


def _reasons(error: Exception) -> list[str]:
    if not isinstance(error, pydantic.ValidationError):
        return [str(error)]
    return [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()[:10]]


def _read(path: Path) -> tuple[str | None, str]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        raise consul.Away(type(error).__name__) from error
    return content.decode(errors="replace"), ""


def connect(registry_url: str, *, folder: str) -> Source | None:
    """Consul's KV where the registry is Consul, else files below `folder`, else none. Raises ValueError."""
    if registry_url.startswith(f"{consul.SCHEME}:"):
        return Kv(consul.Agent(registry_url))
    return Folder(Path(folder)) if folder else None
