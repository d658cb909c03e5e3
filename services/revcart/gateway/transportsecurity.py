"""Which hosts are served, and whether plain HTTP is."""

import urllib.parse
from collections.abc import Iterable
from typing import Final

from revcart.gateway import domain, headers, visits

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


class Guard:
    """`hosts`: names without a port. `https_only`: plain requests are sent to the https address of `public_url`."""

    def __init__(self, *, hosts: Iterable[str], public_url: str, https_only: bool) -> None:
        parts = urllib.parse.urlsplit(public_url)
        self._hosts = frozenset(host.lower() for host in hosts) or frozenset((parts.hostname or "", *_LOOPBACK))
        self._public_host = parts.netloc
        self._https_only = https_only

    def check(self, visit: visits.Visit) -> None:
        """Raises WrongHost (421), Moved (308) or HttpsRequired (403)."""
        if _without_port(visit.host) not in self._hosts:
            raise domain.WrongHost
        if not self._https_only:
            return
        if visit.is_secure:
            visit.extra_headers.append(headers.STRICT_TRANSPORT)
        elif visit.method in ("GET", "HEAD") and visit.scope["type"] == "http":
            raise domain.Moved(f"https://{self._public_host}{visit.target}")
        else:
            raise domain.HttpsRequired


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
