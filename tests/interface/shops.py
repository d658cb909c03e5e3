"""What the tests of the command line share: running `revcart`, and ports that nobody has."""

import os
import socket
import subprocess
import sys

from revcart_operator.platform import catalogue

SECONDS = 60
RUNNING = (*catalogue.SERVICES, catalogue.PAYSIM)


def revcart(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "revcart_operator.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def free_offset() -> int:
    """An offset that moves all ports to where nobody listens."""
    for offset in range(12_000 + os.getpid() % 1_000 * 20, 50_000, 20):  # processes side by side do not meet
        sockets: list[socket.socket] = []
        try:
            for service in RUNNING:
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", service.port + offset))
            return offset
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
    raise AssertionError("no free ports")
