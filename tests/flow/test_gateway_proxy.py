"""What passes between client and service: headers, bodies as they come, and time."""

import asyncio
import json
import time as times
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from starlette import types

from revcart.gateway import domain
from revcart.kit import telemetry
from revcart_operator.platform import routes as catalogue
from tests import gateway

TABLE = [domain.Route(**line) for line in catalogue.table()]
QUICK = [
    domain.Route(path="/api/orders/**", service="order", access="open", seconds=0.2, body=1024),
    domain.Route(path="/api/admin/logs", service="order", access="open", idle_seconds=0.3, body=0),
    domain.Route(path="/api/upload/**", service="order", access="open", seconds=0.5, body=5_000_000),
]


async def _get(address: str, head: str) -> str:
    """The whole answer to a raw request; what a client library would never send can be sent."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read(-1)
    writer.close()
    return answer.decode("latin-1")


async def test_untrue_headers_are_taken_out_and_true_ones_put_in() -> None:
    async with gateway.world(TABLE) as world:
        product = await world.stub("product")
        sent = {
            "X-User-Id": "1",
            "X-User-Role": "ADMIN",
            "userId": "1",
            "X-Internal-Call": "yes",
            "Connection": "x-secret, keep-alive",
            "X-Secret": "of this connection",
            "TE": "trailers",
            "X-Forwarded-For": "198.51.100.1, 203.0.113.7",
            "X-Forwarded-Proto": "https",
            "X-Request-ID": "request-0815",
            "Traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
            "Tracestate": "x=1",
            "Accept-Language": "hi",
            "X-Cart-Session": "gs_1",
        }
        answer = await world.client.get("/api/products", headers=sent)
        seen = product.seen[0]
        for name in ("x-user-id", "x-user-role", "userid", "x-internal-call", "x-secret", "te", "connection"):
            assert seen.header(name) is None, name
        assert seen.header("x-forwarded-for") == "198.51.100.1, 203.0.113.7, 127.0.0.1"
        assert seen.header("x-forwarded-proto") == "https"
        assert seen.header("x-forwarded-host") == "localhost"
        assert seen.header("x-forwarded-port") == "443"
        assert seen.header("x-request-id") == answer.headers["x-request-id"] == "request-0815"
        parent = seen.header("traceparent") or ""
        assert parent.startswith(f"00-{'a' * 32}-")
        assert "b" * 16 not in parent
        assert (seen.header("tracestate"), seen.header("accept-language")) == ("x=1", "hi")
        assert seen.header("x-cart-session") == "gs_1"


async def test_only_a_trusted_proxy_is_believed() -> None:
    async with gateway.world(TABLE, gateway_trusted_proxies=["10.0.0.0/8"]) as world:
        product = await world.stub("product")
        forged = {"X-Forwarded-For": "10.1.1.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
        bad_id = {"X-Request-ID": "short", "Traceparent": "nonsense"}
        answer = await world.client.get("/api/products", headers={**forged, **bad_id})
        seen = product.seen[0]
        assert seen.header("x-forwarded-for") == "127.0.0.1"
        assert (seen.header("x-forwarded-proto"), seen.header("x-forwarded-host")) == ("http", "localhost")
        assert seen.header("x-request-id") == answer.headers["x-request-id"] != "short"
        assert (seen.header("traceparent") or "").startswith("00-")


async def test_every_answer_has_the_security_headers_once() -> None:
    async with gateway.world(TABLE) as world:
        product, notification = await world.stub("product"), await world.stub("notification")
        product.reply = gateway.Reply(
            headers=[
                ("server", "x"),
                ("x-powered-by", "y"),
                ("x-frame-options", "SAMEORIGIN"),
                ("cache-control", "public, max-age=60"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("etag", '"3"'),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
            ]
        )
        for path in ("/api/products", "/api/orders", "/nowhere"):
            answer = await world.client.get(path)
            assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
            assert answer.headers.get_list("x-frame-options") == ["DENY"]
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert answer.headers["cross-origin-resource-policy"] == "same-site"
            assert answer.headers["permissions-policy"] == "geolocation=(), camera=(), microphone=()"
            assert not {"server", "x-powered-by", "x-hop"} & set(answer.headers)
        answer = await world.client.get("/api/products")
        assert (answer.headers["cache-control"], answer.headers["etag"]) == ("public, max-age=60", '"3"')
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert (await world.client.get("/api/orders")).headers["cache-control"] == "no-store"
        notification.reply = gateway.Reply(headers=[("content-security-policy", "script-src 'sha256-x'")])
        frame = await world.client.get("/ws/iframe.html")
        assert frame.headers["content-security-policy"] == "script-src 'sha256-x'"
        assert "x-frame-options" not in frame.headers


async def test_a_problem_of_the_gateway_is_a_problem_of_the_contract() -> None:
    async with gateway.world(TABLE) as world:
        answer = await world.client.get("/api/nothing?token=secret")
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem == {
            "type": "urn:revcart:problem:resource.not-found",
            "title": "Not found",
            "status": 404,
            "detail": "Not found.",
            "instance": "/api/nothing",
            "message": "Not found.",
            "code": "resource.not-found",
            "errors": [],
            "requestId": answer.headers["x-request-id"],
        }


async def test_bodies_over_their_limit_are_413_also_in_pieces() -> None:
    async def pieces(number: int) -> AsyncIterator[bytes]:
        for _ in range(number):
            yield b"x" * 256

    async with gateway.world(QUICK) as world:
        order = await world.stub("order")
        assert (await world.client.post("/api/orders", content=b"x" * 1024)).status_code == 200
        assert (await world.client.post("/api/orders", content=pieces(4))).status_code == 200
        assert [len(seen.body) for seen in order.seen] == [1024, 1024]
        for content in (b"x" * 1025, pieces(5)):
            refused = await world.client.post("/api/orders", content=content)
            assert (refused.status_code, refused.json()["code"]) == (413, "request.too-large")
        assert (await world.client.request("GET", "/api/admin/logs", content=b"x")).status_code == 413
        async with gateway.served(world.gateway) as address, httpx2.AsyncClient() as client:
            for content in (b"x" * 1025, pieces(5)):
                assert (await client.post(f"{address}/api/orders", content=content)).status_code == 413


async def test_a_head_over_16_kib_is_431() -> None:
    async with gateway.world(TABLE) as world:
        await world.stub("product")
        assert (await world.client.get("/api/products", headers={"X-A": "x" * 15_000})).status_code == 200
        for target, headers in (("/api/products", {"X-A": "x" * 16_500}), ("/api/products?q=" + "x" * 16_500, {})):
            refused = await world.client.get(target, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (431, "request.headers-too-large")


async def test_an_unknown_host_is_421() -> None:
    async with gateway.world(TABLE, public_url="https://shop.example/") as world:
        await world.stub("product")
        for host, status in (
            ("shop.example", 200),
            ("SHOP.example:8080", 200),
            ("localhost:1", 200),
            ("evil.example", 421),
        ):
            answer = await world.client.get("/api/products", headers={"Host": host})
            assert answer.status_code == status, host
    async with gateway.world(TABLE, gateway_allowed_hosts=["a.example"]) as world:
        assert (await world.client.get("/nowhere", headers={"Host": "a.example"})).status_code == 404
        assert (await world.client.get("/nowhere")).status_code == 421


async def test_plain_requests_are_sent_to_https_where_it_is_required() -> None:
    async with gateway.world(TABLE, public_url="https://shop.example", gateway_https="Redirect") as world:
        await world.stub("product")
        moved = await world.client.get("/api/products?q=a%20b")
        assert (moved.status_code, moved.headers["location"]) == (308, "https://shop.example/api/products?q=a%20b")
        refused = await world.client.post("/api/products/search")
        assert (refused.status_code, refused.json()["code"]) == (403, "gateway.https-required")
        secure = await world.client.get("/api/products", headers={"X-Forwarded-Proto": "https"})
        assert secure.status_code == 200
        assert secure.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        probe = await world.client_of(world.gateway, host="10.0.0.1").get("/actuator/health/liveness")
        assert probe.status_code == 200
    async with gateway.world(TABLE) as world:
        await world.stub("product")
        assert "strict-transport-security" not in (await world.client.get("/api/products")).headers


async def _slow_pieces(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """Three pieces, each a tenth of a second after the former."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(3):
        await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("tcp", [False, True])
async def test_answers_are_passed_on_piece_by_piece(tcp: bool) -> None:
    async with gateway.world(QUICK) as world:
        stub = gateway.Stub()
        stub.handle = _slow_pieces
        async with gateway.served(stub) as behind, gateway.served(world.gateway) as address:
            await world.register("order", stub, address=behind if tcp else None)
            began = times.perf_counter()
            async with httpx2.AsyncClient() as client, client.stream("GET", f"{address}/api/orders") as answer:
                came = [(piece, times.perf_counter() - began) async for piece in answer.aiter_raw()]
        assert [piece for piece, _ in came] == [b"0", b"1", b"2"]
        assert came[0][1] < 0.15 < came[2][1], "the first piece did not wait for the last"


@pytest.mark.parametrize("tcp", [False, True])
async def test_large_bodies_stream_through_and_slow_uploads_are_not_the_services_fault(tcp: bool) -> None:
    async def upload() -> AsyncIterator[bytes]:
        for _ in range(8):
            await asyncio.sleep(0.1)  # 0.8 s in all, more than the service has for its answer
            yield b"x" * 100_000

    async with gateway.world(QUICK) as world:
        stub = gateway.Stub()
        async with gateway.served(stub) as behind, gateway.served(world.gateway) as address:
            await world.register("order", stub, address=behind if tcp else None)
            async with httpx2.AsyncClient() as client:
                answer = await client.post(f"{address}/api/upload/image", content=upload())
                assert (answer.status_code, len(stub.seen[0].body)) == (200, 800_000)
                answer = await client.post(f"{address}/api/upload/image", content=b"y" * 3_000_000)
                assert (answer.status_code, stub.seen[1].body) == (200, b"y" * 3_000_000)
                assert stub.seen[1].header("content-length") == "3000000"


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_service_that_is_too_slow_is_504_and_told_to_stop(tcp: bool) -> None:
    async with gateway.world(QUICK) as world:
        stub = gateway.Stub()
        stub.reply = gateway.Reply(pause=30)
        async with gateway.served(stub) as behind:
            await world.register("order", stub, address=behind if tcp else None)
            began = times.perf_counter()
            answer = await world.client.get("/api/orders")
            assert (answer.status_code, answer.json()["code"]) == (504, "gateway.timeout")
            assert times.perf_counter() - began < 1
            async with asyncio.timeout(2):
                await stub.left.wait()


@pytest.mark.parametrize("tcp", [False, True])
async def test_a_client_that_leaves_ends_the_call(tcp: bool) -> None:
    async with gateway.world(TABLE) as world:
        stub = gateway.Stub()
        stub.reply = gateway.Reply(pause=30)
        async with gateway.served(stub) as behind, gateway.served(world.gateway) as address:
            await world.register("product", stub, address=behind if tcp else None)
            async with httpx2.AsyncClient() as client:
                with pytest.raises(httpx2.TimeoutException):
                    await client.get(f"{address}/api/products", timeout=0.2)
            async with asyncio.timeout(2):
                await stub.left.wait()
            health = (await world.client.get("/actuator/health")).json()
            assert health["components"]["breakers"]["details"] == {"product": "CLOSED"}


async def test_a_service_that_breaks_off_is_502_and_half_an_answer_is_never_taken_for_whole() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/api/products/1" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    async with server, gateway.world(TABLE) as world, gateway.served(world.gateway) as address:
        await world.stub("product", address=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        refused = await world.client.post("/api/products/search")
        assert (refused.status_code, refused.json()["code"]) == (502, "gateway.bad-upstream")
        async with httpx2.AsyncClient() as client:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(f"{address}/api/products/1")


async def test_a_silent_stream_is_cut_and_a_talking_one_is_not() -> None:
    async def stream(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(4):
            await send({"type": "http.response.body", "body": b"line\n", "more_body": True})
            await asyncio.sleep(0.2)
        if scope["query_string"]:
            await asyncio.sleep(5)
        await send({"type": "http.response.body", "body": b"end"})

    async with gateway.world(QUICK) as world, gateway.served(world.gateway) as address:
        stub = await world.stub("order")
        stub.handle = stream
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"{address}/api/admin/logs")).content == b"line\n" * 4 + b"end"
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(f"{address}/api/admin/logs?silent")


async def test_over_tcp_the_wire_is_clean() -> None:
    async with gateway.world(TABLE) as world:
        stub = gateway.Stub()
        stub.reply = gateway.Reply(
            body=b'{"a":1}', headers=[("content-length", "7"), ("content-type", "application/json")]
        )
        async with gateway.served(stub) as behind, gateway.served(world.gateway) as address:
            await world.register("product", stub, address=behind)
            head = "GET /api/products/a%2Fb?x=%zz HTTP/1.1\nHost: localhost\nConnection: close"
            answer = await _get(address, head)
            assert answer.startswith("HTTP/1.1 200")
            assert answer.endswith('\r\n\r\n{"a":1}')
            assert answer.lower().count("date:") == 1
            assert answer.lower().count("content-length:") == 1
            assert stub.seen[0].target == "/api/products/a%2Fb?x=%zz"
            assert stub.seen[0].header("user-agent") is None, "nothing is invented"
            answer = await _get(address, head.replace("GET", "HEAD"))
            assert answer.startswith("HTTP/1.1 200")
            assert "content-length: 7" in answer.lower()
            assert answer.endswith("\r\n\r\n")


@pytest.fixture
def json_logs() -> Iterator[None]:
    telemetry.configure("INFO", "json", "gateway")
    yield
    telemetry.configure("WARNING", "console", "tests")


@pytest.mark.usefixtures("json_logs")
async def test_a_request_leaves_one_record_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    async with gateway.world(TABLE) as world:
        await world.stub("order")
        await world.client.get(
            "/api/orders/7?code=s3cret",
            headers={
                **world.identity.headers(user_id=7),
                "Cookie": "a=s3cret",
                "Referer": "https://shop.example/orders?code=s3cret",
                "User-Agent": "test-agent",
            },
        )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "http.request" in line]
    assert len(lines) == 1
    record = lines[0]
    assert "s3cret" not in json.dumps(record)
    assert "eyJ" not in json.dumps(record)
    assert (record["method"], record["route"], record["status"], record["userId"]) == ("GET", "/api/orders/**", 200, 7)
    assert (record["service"], record["fields"]["callee"], record["fields"]["tries"]) == ("gateway", "order", 1)
    assert record["fields"]["referer"] == "https://shop.example"
    assert record["requestId"]
    assert record["traceId"]
