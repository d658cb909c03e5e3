"""Makes a service's application out of its parts, and runs what lives beside its requests.

`create` is called at the end of each service's `app.py`; its lifespan opens the adapters, prepares data, starts the
outbox relay, the consumer and the workers, announces the service, and undoes all that in reverse order.
"""

import asyncio
import contextlib
import dataclasses
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.middleware import Middleware
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

import revcart
from revcart.kit import actuator, consumer, edge, errors, events, problems, routing, telemetry, wiring
from revcart.kit.routing import body_limit, produces, router

__all__ = ["Worker", "body_limit", "create", "ports", "produces", "router"]

log = telemetry.get_logger(__name__)

# What any endpoint may answer beside what it documents itself.
_ALWAYS = (errors.InvalidRequest, errors.MalformedRequest, errors.MethodNotAllowed, errors.NotAcceptable)
_ALWAYS_TOO = (errors.NotFound, errors.TooLarge, errors.UnsupportedMediaType, errors.DependencyUnavailable)
_WITH_TOKEN = (errors.TokenMissing, errors.TokenInvalid, errors.TokenExpired, errors.TokenRevoked, errors.Forbidden)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Worker:
    """Something a service does again and again: `run(ports=…)`, then a pause of `every` seconds (± 10 %).

    A run that fails is logged and counted, and the next one comes after the same pause.
    """

    name: str
    every: float
    run: Callable[..., Awaitable[Any]]


def ports(request: Request) -> Any:
    """The service's ports, for its endpoints: `Annotated[flow.Ports, Depends(asgi.ports)]`."""
    return request.app.state.ports


def create(
    *,
    wires: wiring.Wiring,
    ports: Any,
    routers: Sequence[APIRouter],
    handlers: events.Handlers | None = None,
    workers: Sequence[Worker] = (),
    on_start: Callable[..., Awaitable[Any]] | None = None,
) -> FastAPI:
    """The application of a service. `on_start(ports=…)` runs once the stores are open, before anything is served."""
    settings = wires.settings
    health = wires.health()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(wires)
            if on_start is not None:
                await on_start(ports=ports)
            await stack.enter_async_context(wires.relaying())
            if handlers:
                await stack.enter_async_context(consumer.running(wires=wires, handlers=handlers, ports=ports))
            await stack.enter_async_context(_working(workers, ports=ports, metrics=wires.metrics))
            await stack.enter_async_context(wires.announced(app, health=health))
            log.info("service.started", port=settings.port)
            yield
            await withdraw()
            log.info("service.stopping")

    async def withdraw() -> None:
        """Let no new calls come: a server does this before it stops taking connections. May be done twice."""
        health.draining = True
        await wires.withdraw()

    app = FastAPI(
        title=f"RevCart {settings.service}",
        version=revcart.__version__,
        lifespan=lifespan,
        middleware=[
            Middleware(
                edge.Edge,
                service=settings.service,
                seconds=settings.request_timeout_seconds,
                metrics=wires.metrics,
            )
        ],
        redirect_slashes=False,
        strict_content_type=True,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.ports = ports
    app.state.settings = settings
    app.state.verifier = wires.verifier
    app.state.health = health
    app.state.withdraw = withdraw
    problems.install(app)
    for part in routers:
        app.include_router(part)
    app.include_router(actuator.router(health, settings=settings, metrics=wires.metrics))
    _document(app, routers)
    _answer_405_in_full(app, routers)
    return app


def _document(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Add what every endpoint may answer to the OpenAPI document, and the original's addresses of it."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = errors.PROBLEM_SCHEMA
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for item in document["paths"].values():
            for operation in item.values():
                answers = operation["responses"]
                if "HTTPValidationError" in str(answers.get("422", "")):
                    del answers["422"]
                known = [*_ALWAYS, *_ALWAYS_TOO, *(_WITH_TOKEN if "security" in operation else ())]
                for status, answer in errors.documented(*known).items():
                    answers.setdefault(str(status), answer)
        return document

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/api-docs", include_in_schema=False)
    async def api_docs() -> Response:
        return RedirectResponse("/openapi.json", status_code=308)

    @app.get("/swagger-ui.html", include_in_schema=False)
    async def swagger_ui() -> Response:
        return RedirectResponse("/docs", status_code=308)


def _answer_405_in_full(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """`Allow` must name every method of the path; the framework names those of the first route that fits it."""
    table = [
        (re.compile(route.path_regex), route.methods or set())
        for part in routers
        for route in part.routes
        if isinstance(route, routing.Route)
    ]

    async def not_allowed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.scope["path"]
        allowed = {method for pattern, methods in table if pattern.match(path) for method in methods}
        allowed |= {"HEAD"} if "GET" in allowed else set()
        answer = problems.response(errors.MethodNotAllowed(), instance=path)
        answer.headers["Allow"] = ", ".join(sorted(allowed)) or (error.headers or {}).get("Allow", "")
        return answer

    app.add_exception_handler(405, not_allowed)


@contextlib.asynccontextmanager
async def _working(workers: Sequence[Worker], *, ports: Any, metrics: telemetry.Metrics) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(_repeat(worker, ports=ports, metrics=metrics), name=f"worker-{worker.name}")
        for worker in workers
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(worker: Worker, *, ports: Any, metrics: telemetry.Metrics) -> None:
    failed = metrics.counter("revcart_worker_failures_total", "Runs of a worker that failed", ("worker",))
    while True:
        try:
            with telemetry.span(f"worker {worker.name}"):
                await worker.run(ports=ports)
        except errors.DependencyUnavailable as away:
            failed.labels(worker.name).inc()
            log.warning("worker.waits", worker=worker.name, dependency=away.service)
        except Exception as error:  # the next run may well succeed, and nobody else would start it
            failed.labels(worker.name).inc()
            log.error("worker.failed", worker=worker.name, exc_info=error)
        await asyncio.sleep(worker.every * random.uniform(0.9, 1.1))
