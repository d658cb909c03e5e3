"""Why a store does not serve, in the words of whoever found out: for a person at a command line."""

import socket
import ssl
from collections.abc import Iterator, Sequence

_LONGEST = 300


def reason(error: BaseException, *, hidden: Sequence[str] = ()) -> str:
    """What a driver says, in a few words without the texts that are `hidden`."""
    causes = list(_chain(error))
    for cause in causes:
        if isinstance(cause, ConnectionRefusedError):
            return "nothing listens there"
        if isinstance(cause, socket.gaierror):
            return "there is no host of that name"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or cause})"
        if isinstance(cause, TimeoutError):
            return "it did not answer"
        if isinstance(cause, ImportError):
            return f"its client {cause.name} is not installed (pip install 'revcart[stores]')"
        if isinstance(cause, OSError) and cause.filename:
            return f"{cause.strerror}: {cause.filename}"
    first = causes[-1]
    said = first.args[-1] if first.args and isinstance(first.args[-1], str) else str(first)
    for secret in hidden:
        if secret:
            said = said.replace(secret, "***")
    return said.strip().rstrip(".").splitlines()[0][:_LONGEST] if said.strip() else type(first).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, the first cause last."""
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        yield at
        at = getattr(at, "orig", None) or at.__cause__ or at.__context__
