"""Takes all ports before anything starts, so that a taken one is a sentence and not half a platform."""

import contextlib
import errno
import socket
from collections.abc import Mapping, Sequence

from revcart_operator.local import refusals
from revcart_operator.platform import catalogue

EPHEMERAL = "ephemeral"
HIGHEST = 65535


def bind(services: Sequence[catalogue.Service], *, host: str, offset: int | None) -> dict[str, socket.socket]:
    """A bound socket per service, on its own port moved by `offset`, or on any free port when `offset` is None.

    Nothing listens yet. Raises PortTaken; then no port is held.
    """
    with contextlib.ExitStack() as stack:
        bound = {
            service.name: stack.enter_context(
                contextlib.closing(_bound(service, host=host, port=0 if offset is None else service.port + offset))
            )
            for service in services
        }
        stack.pop_all()
        return bound


def numbers(bound: Mapping[str, socket.socket]) -> dict[str, int]:
    return {service: sock.getsockname()[1] for service, sock in bound.items()}


def _bound(service: catalogue.Service, *, host: str, port: int) -> socket.socket:
    if port > HIGHEST:
        raise refusals.Refusal(f"{service.name} would get port {port}; write a --port-offset below {HIGHEST - 8091}.")
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is: 40 ms per answer otherwise.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise refusals.PortTaken(service=service.name, port=port) from error
        raise refusals.FailedToStart(
            service=service.name, why=f"port {port} on {host}: {error.strerror or error}"
        ) from error
    sock.setblocking(False)
    return sock
