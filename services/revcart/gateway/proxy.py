"""Passes one request to its service and the answer back, both as they come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from starlette import types

from revcart.gateway import answers, bodies, domain, headers, upstreams, visits
from revcart.kit import transport

WHOLE_SECONDS: Final = 60  # a request that is no stream
PIECE_SECONDS: Final = 30  # between two pieces of an answer

_POLICY: Final = frozenset({b"content-security-policy"})
_FRAMED: Final = _POLICY | {b"x-frame-options"}


async def pass_on(
    visit: visits.Visit,
    route: domain.Route,
    *,
    receive: types.Receive,
    answer: answers.Answer,
    upstreams: upstreams.Upstreams,
    body: bytes | None,
) -> None:
    """`body` stands in for the client's own. Raises the refusals of domain.py, TooLarge, and ClientGone."""
    inbound = bodies.Inbound(receive, visit, limit=route.body)
    sent = await inbound.body()
    async with _while_client_stays(inbound):
        deadline = _deadline(route, inbound, streamed=not isinstance(sent, bytes))
        length = "" if isinstance(sent, bytes) else visit.headers.get(b"content-length", b"").decode("latin-1")
        request = transport.Request(
            method=visit.method,
            target=visit.target,
            headers=headers.to_service(visit, length=length),
            body=sent if body is None else body,
        )
        async with upstreams.exchange(visit, route, request=request, deadline=deadline) as exchange:
            await _pass_back(visit, route, exchange=exchange, answer=answer)


def _deadline(route: domain.Route, inbound: bodies.Inbound, *, streamed: bool) -> upstreams.Deadline:
    """The service has its time once it has the whole body; until then the client has the time of a whole request."""
    deadline = upstreams.Deadline(route.first_byte_seconds)
    if streamed:
        deadline.restart(WHOLE_SECONDS)
        inbound.on_end = deadline.restart
    return deadline


async def _pass_back(
    visit: visits.Visit,
    route: domain.Route,
    *,
    exchange: transport.Exchange,
    answer: answers.Answer,
) -> None:
    loop = asyncio.get_running_loop()
    latest = loop.time() + WHOLE_SECONDS if not route.idle_seconds else float("inf")
    idle = route.idle_seconds or PIECE_SECONDS
    await answer.start(exchange.status, exchange.headers, left=_left(visit, route))
    try:
        async with asyncio.timeout(idle) as limit:
            async for piece in exchange.pieces():
                await answer.piece(piece)
                limit.reschedule(min(loop.time() + idle, latest))
            await answer.end()
    except TimeoutError as error:
        raise domain.UpstreamTimeout from error
    except transport.BrokenOff as error:
        raise domain.BadUpstream from error


def _left(visit: visits.Visit, route: domain.Route) -> frozenset[bytes]:
    """The documentation page and the frame of SockJS bring content policies of their own, with the hashes they need."""
    if route.service == "gateway":
        return _POLICY
    return _FRAMED if visit.path.startswith("/ws/iframe") else frozenset()


@contextlib.asynccontextmanager
async def _while_client_stays(inbound: bodies.Inbound) -> AsyncIterator[None]:
    """Ends the block with ClientGone when the client leaves, so that its service call ends too."""
    left = False

    async def watch(limit: asyncio.Timeout) -> None:
        nonlocal left
        await inbound.client_left()
        left = True
        limit.reschedule(0)

    try:
        async with asyncio.timeout(None) as limit:
            watching = asyncio.create_task(watch(limit))
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if left:
            raise domain.ClientGone from None
        raise
