"""Runs `revcart up` with services that are hardly more than a name: python shop_of_fakes.py FILE DATA PORT_OFFSET.

They are there so that the command's own promises (signals, locks, output, exit codes) are tested without the shop.
"""

import asyncio
import contextlib
import sys
import types
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from revcart.kit import settings, telemetry
from revcart_operator.cli import foreground
from revcart_operator.local import modules
from revcart_operator.platform import catalogue, loading

log = telemetry.get_logger(__name__)


class Settings(settings.Settings):
    pass


def create_app(settings: Settings, *, hub: object = None) -> Starlette:
    """Healthy, except delivery, whose database is away; /slow takes a second."""
    away = settings.service == "delivery"

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with telemetry.context(service=settings.service):
            log.info("service.started", secret="hidden")
            yield
            log.info("service.stopped")

    async def health(request: Request) -> JSONResponse:
        status = "DOWN" if away else "UP"
        return JSONResponse({"status": status, "components": {"db": {"status": status}}}, 503 if away else 200)

    async def slow(request: Request) -> PlainTextResponse:
        await asyncio.sleep(1)
        return PlainTextResponse("done")

    return Starlette(lifespan=lifespan, routes=[Route("/actuator/health", health), Route("/slow", slow)])


def load(service: catalogue.Service) -> modules.ServiceModule:
    """The same fake for every service; paysim, too, gets by without a hub."""
    module: Any = types.SimpleNamespace(Settings=Paysim if service is catalogue.PAYSIM else Settings)
    module.create_app = create_app
    return module  # type: ignore[no-any-return]


class Paysim(settings.Settings):
    model_config = {"env_prefix": "REVCART_PAYSIM_"}
    service: str = "paysim"


if __name__ == "__main__":
    file, data, offset = sys.argv[1:]
    sys.exit(foreground.run(loading.read(Path(file)), data=Path(data), port_offset=int(offset), load=load))
