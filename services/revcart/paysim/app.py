"""Composition of the double: settings, its file, its webhooks, its routes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic_settings import SettingsConfigDict
from starlette.exceptions import HTTPException

from revcart.kit import clock, settings
from revcart.paysim import (
    checkout,
    domain,
    faults,
    flow,
    orders,
    payments,
    refunds,
    sim,
    store,
    webhooks,
)


class Settings(settings.Sources):
    """Prefix REVCART_PAYSIM_. Without `key_secret` every call is refused, without `webhook_url` webhooks only logged.

    `auto_capture` is Razorpay's account setting; its default there is manual capture. `mode=Simulated` says that a
    production environment runs on the double on purpose, which leaves `/_sim` open there.
    """

    model_config = SettingsConfigDict(env_prefix="REVCART_PAYSIM_")

    host: str = "127.0.0.1"
    port: int = 8091
    environment: Literal["development", "production"] = "development"
    mode: Literal["", "Simulated"] = ""
    database_url: str = "sqlite:///paysim.db"
    key_id: str = "rzp_test_revcart"
    key_secret: str = ""
    webhook_url: str = ""
    webhook_secret: str = ""
    webhook_retry_seconds: float = 1.0
    auto_capture: bool = False
    advance_seconds: float = 0.5


def create_app(settings: Settings) -> FastAPI:
    switches, system, file = (
        faults.Faults(),
        clock.System(),
        store.Store(settings.database_url),
    )
    target = webhooks.Target(
        url=settings.webhook_url,
        secret=settings.webhook_secret,
        first_wait_seconds=settings.webhook_retry_seconds,
    )
    ports = flow.Ports(
        clock=system,
        store=file,
        faults=switches,
        webhooks=webhooks.Sender(target=target, store=file, faults=switches, clock=system),
        key_secret=settings.key_secret,
        auto_capture=settings.auto_capture,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await file.open()
        workers = [
            asyncio.create_task(ports.webhooks.run()),
            asyncio.create_task(flow.keep_advancing(ports=ports, every=settings.advance_seconds)),
        ]
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await file.close()

    app = FastAPI(title="Razorpay, simulated", lifespan=lifespan)
    app.state.settings = settings
    app.state.ports = ports
    for router in (
        orders.router,
        payments.router,
        refunds.router,
        checkout.router,
        sim.router,
    ):
        app.include_router(router)
    app.add_api_route("/actuator/health", _health, include_in_schema=False)
    app.add_exception_handler(domain.Refused, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


async def _health() -> dict[str, str]:
    return {"status": "UP"}


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, domain.Refused)
    return JSONResponse(error.body, status_code=error.status)


async def _unknown(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    refused = domain.Refused(
        "The requested URL was not found on the server.",
        status=error.status_code,
        reason="NA",
    )
    return JSONResponse(refused.body, status_code=error.status_code, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    refused = domain.Refused(f"{first['msg']}: {'.'.join(str(part) for part in first['loc'])}")
    return JSONResponse(refused.body, status_code=refused.status)
