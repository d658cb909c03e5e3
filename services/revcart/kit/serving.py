"""One service on one port, until the process is asked to end."""

import asyncio
import signal
import socket
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI

_BACKLOG = 2_048
_DRAIN_SECONDS = 10  # for requests in flight; the outbox has as long after them


class Address(Protocol):
    """The settings that are read here."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


async def serve(application: FastAPI, *, settings: Address) -> None:
    """Start the application, serve it, and on SIGTERM or SIGINT end it in order.

    Raises what the application's start raises, and OSError where the port is not to be had.
    """
    with _bound(settings.host, settings.port) as listening:
        async with application.router.lifespan_context(application):
            await _serve(application, listening)


async def _serve(application: FastAPI, listening: socket.socket) -> None:
    config = uvicorn.Config(
        application,
        lifespan="off",  # run around this, so that its refusals reach the command line
        http="httptools",
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # the gateway alone decides which proxy is trusted
        server_header=False,
        timeout_keep_alive=75,  # longer than any client of ours keeps a connection idle: the client closes first
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.main_loop()
    await withdraw(application)
    await server.shutdown(sockets=[listening])


async def withdraw(application: Any) -> None:
    """Get no new calls; paysim, which no registry knows, has nothing to take back."""
    own: Any = getattr(application.state, "withdraw", None)
    if own is not None:
        await own()


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)
