"""The ASGI callable in front of everything: the order of work for each request, from its first byte to its log record.

Size of the head, client address, host, HTTPS, CORS, alias, route, token, rate limits (address and class in one round
trip), body limit, breaker, instance, then both ways as a stream. Pure ASGI; no request objects on this path.
"""

import time
from typing import Final

from starlette import applications, types

from revcart.gateway import (
    access,
    aliases,
    answers,
    cors,
    domain,
    proxy,
    quotas,
    records,
    rewriting,
    routes,
    sockets,
    switches,
    transportsecurity,
    upstreams,
    visits,
)
from revcart.kit import errors, telemetry

HEAD_BYTES: Final = 16_384

_log = telemetry.get_logger(__name__)


class Front:
    """Serves what the table lists, and hands `/actuator` of direct callers to `own`, the gateway's own application."""

    def __init__(
        self,
        *,
        own: applications.Starlette,
        reception: visits.Reception,
        security: transportsecurity.Guard,
        cors: cors.Cors,
        table: routes.Table,
        gatekeeper: access.Gatekeeper,
        quotas: quotas.Quotas,
        switches: switches.Switches,
        upstreams: upstreams.Upstreams,
        records: records.Records,
        docs: domain.Access | None,
    ) -> None:
        self._own = own
        self.router, self.state = own.router, own.state  # a server runs the lifespan, and withdraws it, by these
        self._reception = reception
        self._security = security
        self.cors = cors
        self._rewriter = rewriting.Rewriter()
        self.table = table
        self._gatekeeper = gatekeeper
        self.quotas = quotas
        self.switches = switches
        self.upstreams = upstreams
        self.records = records
        self._docs = docs

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        if scope["type"] == "lifespan":
            await self._own(scope, receive, send)
            return
        visit = self._reception.visit(scope)
        if visit.segments and visit.segments[0] == "actuator" and scope["type"] == "http" and not visit.through_proxy:
            await self._own(scope, receive, send)
            return
        with telemetry.context(
            service="gateway",
            request_id=visit.request_id,
            traceparent=visit.traceparent,
        ):
            await self._answer(visit, receive, send)

    async def _answer(self, visit: visits.Visit, receive: types.Receive, send: types.Send) -> None:
        began = time.perf_counter()
        answer = answers.Answer(send, visit)
        try:
            if visit.scope["type"] == "websocket":
                await self._socket(visit, receive, send)
                answer.status = 101
            else:
                await self._http(visit, receive, answer)
        except errors.RevCartError as refusal:
            await answer.refuse(refusal)
        except domain.ClientGone:
            pass
        except Exception as bug:
            _log.error("http.bug", exc_info=bug, route=visit.route.path if visit.route else "")
            await answer.refuse(errors.Bug("That is a bug of ours; please report the requestId."))
        finally:
            self.records.write(visit, answer, seconds=time.perf_counter() - began)

    async def _http(self, visit: visits.Visit, receive: types.Receive, answer: answers.Answer) -> None:
        _check_head(visit)
        self._security.check(visit)
        if self.cors.apply(visit):
            await answer.whole(204, ())
            return
        if visit.path in aliases.MOVED:
            raise domain.Moved(aliases.MOVED[visit.path])
        body = await self._admit(visit, visit.method)
        assert visit.route is not None
        await proxy.pass_on(visit, visit.route, receive=receive, answer=answer, upstreams=self.upstreams, body=body)

    async def _socket(self, visit: visits.Visit, receive: types.Receive, send: types.Send) -> None:
        _check_head(visit)
        self._security.check(visit)
        self.cors.check_socket(visit)
        await self._admit(visit, "GET")
        assert visit.route is not None
        await sockets.pass_through(visit, visit.route, receive=receive, send=send, upstreams=self.upstreams)

    async def _admit(self, visit: visits.Visit, method: str) -> bytes | None:
        """Alias, route, token, role and rate limits; the body that an alias makes, if one does.

        One round trip counts the address and the class together, so the refusals found before it wait for it: an
        address over its limit sees 429, whatever else is wrong.
        """
        refusal: errors.RevCartError | None = None
        body = None
        try:
            rewritten = self._rewrite(visit, method)
            visit.route = self.table.match(visit.method, visit.segments or ())
            await self.switches.check(visit, visit.route)
            visit.user = await self._gatekeeper.check(visit, self._access(visit.route))
            if rewritten is not None:
                body = _settle_owner(visit, rewritten)
        except errors.RevCartError as found:
            refusal = found
        counted = None if refusal is not None or visit.route is None else _class(visit, visit.route)
        await self.quotas.hit(visit, name=counted)
        if refusal is not None:
            raise refusal
        return body

    def _rewrite(self, visit: visits.Visit, method: str) -> rewriting.Rewritten | None:
        if visit.segments is None:
            raise errors.NotFound
        rewritten = self._rewriter.rewrite(method, visit.segments, query=visit.query, has_body=visit.has_body)
        if rewritten is not None:
            visit.become(rewritten.method, rewritten.path, target=rewritten.target)
            visit.replace_headers(rewritten.headers)
            if rewritten.body is not None:
                visit.replace_headers({b"content-type": b"application/json"})
            link = f'<{rewritten.path}>; rel="successor-version"'
            visit.extra_headers += [(b"deprecation", b"true"), (b"link", link.encode())]
        return rewritten

    def _access(self, route: domain.Route) -> domain.Access:
        if route.service != "gateway":
            return route.access
        if self._docs is None:
            raise errors.NotFound
        return self._docs


def _check_head(visit: visits.Visit) -> None:
    fields = sum(len(name) + len(value) + 4 for name, value in visit.scope["headers"])
    if fields + len(visit.target) + len(visit.method) + 12 > HEAD_BYTES:
        raise domain.HeadTooLarge


def _settle_owner(visit: visits.Visit, rewritten: rewriting.Rewritten) -> bytes | None:
    """An old path with a user's id in it is that user's alone; an ADMIN is sent to the list of all."""
    if rewritten.owner:
        if visit.user is None:
            raise errors.TokenMissing
        if visit.user.role == "ADMIN" and rewritten.for_admin is not None:
            visit.become(rewritten.for_admin.method, rewritten.for_admin.path, target=rewritten.for_admin.target)
        elif rewritten.owner != str(visit.user.id):
            raise errors.NotFound
    return rewritten.body


def _class(visit: visits.Visit, route: domain.Route) -> str:
    """Opening a socket is rarer, and dearer, than polling one."""
    return "realtime-session" if visit.scope["type"] == "websocket" else route.limit
