"""The API as one document: what the services say of themselves, merged under their public paths (OpenAPI 3.1)."""

import asyncio
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import revcart
from revcart.gateway import domain, paths, routes
from revcart.kit import clock, errors, http, telemetry

FRESH: Final = dt.timedelta(seconds=60)
FETCH_SECONDS: Final = 10.0  # a service builds its document when it is asked for it first, which may take a while
METHODS: Final = ("get", "put", "post", "delete", "patch")
SECURITY: Final = {"bearerAuth": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}

_log = telemetry.get_logger(__name__)


class Documentation:
    """Fetches each service's document again after a minute; of a silent one the last copy stays."""

    def __init__(
        self,
        *,
        routes_: Iterable[domain.Route],
        client: http.Client,
        clock: clock.Clock,
        public_url: str,
    ) -> None:
        listed = list(routes_)
        self._table = routes.Table(listed)
        self.services = sorted({route.service for route in listed} - {"gateway"})
        self._client = client
        self._clock = clock
        self._public_url = public_url
        self._documents: dict[str, dict[str, Any]] = {}
        self._fetched_at: dt.datetime | None = None
        self._fetching = asyncio.Lock()

    async def merged(self) -> dict[str, Any]:
        """All services together."""
        await self._refresh()
        return merge(self._documents, public_url=self._public_url)

    async def of(self, service: str) -> dict[str, Any]:
        """One service alone. Raises NotFound for a service that is none or never answered."""
        await self._refresh()
        if service not in self._documents:
            raise errors.NotFound
        return merge({service: self._documents[service]}, public_url=self._public_url)

    async def _refresh(self) -> None:
        async with self._fetching:
            now = self._clock.now()
            if self._fetched_at is not None and now - self._fetched_at < FRESH:
                return
            fetched = await asyncio.gather(*(self._fetch(service) for service in self.services))
            self._documents |= {
                service: self._public(service, document)
                for service, document in zip(self.services, fetched, strict=True)
                if document is not None
            }
            # As long as one has never answered, each reader asks again: services may still be starting.
            self._fetched_at = now if len(self._documents) == len(self.services) else None

    async def _fetch(self, service: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = (
                await self._client.call(service, "GET", "/openapi.json", timeout=FETCH_SECONDS)
            ).json()
        except errors.RevCartError as error:
            _log.warning("documentation.silent", callee=service, reason=type(error).__name__)
            return None
        return document

    def _public(self, service: str, document: dict[str, Any]) -> dict[str, Any]:
        """`document` without what the gateway does not pass on to `service`."""
        kept: dict[str, Any] = {}
        for path, item in document.get("paths", {}).items():
            operations = {method: item[method] for method in METHODS if method in item}
            passed = {name: it for name, it in operations.items() if self._passes(service, name.upper(), path)}
            if passed:
                kept[path] = {**{name: item[name] for name in item if name not in METHODS}, **passed}
        return {**document, "paths": kept}

    def _passes(self, service: str, method: str, path: str) -> bool:
        segments = paths.segments(path)
        try:
            return segments is not None and self._table.match(method, segments).service == service
        except (errors.NotFound, errors.MethodNotAllowed):
            return False


def merge(documents: Mapping[str, dict[str, Any]], *, public_url: str) -> dict[str, Any]:
    """One document: paths as they are, schemas prefixed `<Service>_`, tagged by service, operation ids kept unique."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "RevCart", "version": revcart.__version__},
        "servers": [{"url": public_url}],
        "tags": [{"name": service} for service in sorted(documents)],
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": SECURITY},
    }
    taken: set[str] = set()
    for service in sorted(documents):
        document = _prefixed(documents[service], prefix=f"{service.capitalize()}_")
        for path, item in document["paths"].items():
            merged["paths"].setdefault(path, {}).update(_signed(item, service=service, taken=taken))
        schemas = document.get("components", {}).get("schemas", {})
        merged["components"]["schemas"] |= {f"{service.capitalize()}_{name}": it for name, it in schemas.items()}
    return merged


def _signed(item: dict[str, Any], *, service: str, taken: set[str]) -> dict[str, Any]:
    signed = dict(item)
    for method in METHODS:
        if method in item:
            name = item[method].get("operationId", method)
            operation = {
                **item[method],
                "tags": [service],
                "operationId": name if name not in taken else f"{service}_{name}",
            }
            if "security" in operation:
                operation["security"] = [{"bearerAuth": []}]
            taken.add(operation["operationId"])
            signed[method] = operation
    return signed


def _prefixed(value: Any, *, prefix: str) -> Any:
    """`value` with each `#/components/schemas/X` pointing to the prefixed name."""
    if isinstance(value, dict):
        return {
            name: _reference(it, prefix) if name == "$ref" else _prefixed(it, prefix=prefix)
            for name, it in value.items()
        }
    if isinstance(value, list):
        return [_prefixed(it, prefix=prefix) for it in value]
    return value


def _reference(value: Any, prefix: str) -> Any:
    start = "#/components/schemas/"
    return start + prefix + value.removeprefix(start) if isinstance(value, str) and value.startswith(start) else value


def etag(document: Mapping[str, Any]) -> str:
    """Strong, and the same for the same document on every replica."""
    return f'"{hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]}"'
