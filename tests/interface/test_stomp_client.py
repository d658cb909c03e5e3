"""The STOMP package in front of real clients: stomp.py over WebSocket, and bare WebSocket frames."""

from __future__ import annotations

import asyncio
import queue as queues
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import stomp
import uvicorn
from starlette import applications, routing
from starlette import websockets as starlette_websockets
from websockets import exceptions
from websockets.sync import client

from revcart.stomp import broker, peer, queue, session, websocket

WAIT = 10


class Guest:
    """May hear every topic under /topic/open and say things to /app/say, which are published there."""

    name = "7"
    valid_seconds = 3_600.0

    def __init__(self, server: Server) -> None:
        self._server = server

    async def channels(self, destination: str) -> tuple[str, ...]:
        if not destination.startswith("/topic/open"):
            raise peer.Forbidden("Closed.")
        return (destination,)

    async def receive(self, destination: str, body: bytes) -> None:
        if destination != "/app/say":
            raise peer.Forbidden("Not here.")
        self._server.broker.publish(queue.Message("/topic/open", body))


class Server:
    """uvicorn on an ephemeral port, in a thread of its own."""

    def __init__(self, limits: session.Limits) -> None:
        self.broker = broker.Broker()
        self._limits = limits
        app = applications.Starlette(routes=[routing.WebSocketRoute("/ws/websocket", self._serve)])
        config = uvicorn.Config(app, port=0, log_level="error", ws_max_size=1024 * 1024, timeout_graceful_shutdown=1)
        self._uvicorn = uvicorn.Server(config)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._uvicorn.run, daemon=True)

    async def _serve(self, socket: starlette_websockets.WebSocket) -> None:
        self.loop = asyncio.get_running_loop()
        await websocket.serve(
            socket, broker=self.broker, authenticate=self._authenticate, now=time.monotonic, limits=self._limits
        )

    async def _authenticate(self, headers: Mapping[str, str]) -> peer.Peer:
        if headers.get("Authorization") != "Bearer good":
            raise peer.Unauthorized("A token is needed.")
        return Guest(self)

    def start(self) -> None:
        self._thread.start()
        until = time.monotonic() + WAIT
        while not self._uvicorn.started and time.monotonic() < until:
            time.sleep(0.01)
        self.port: int = self._uvicorn.servers[0].sockets[0].getsockname()[1]

    def publish(self, message: queue.Message) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.broker.publish, message)

    def stop(self) -> None:
        self._uvicorn.should_exit = True
        self._thread.join(WAIT)

    def connect(self, **options: Any) -> client.ClientConnection:
        opened: client.ClientConnection = client.connect(
            f"ws://127.0.0.1:{self.port}/ws/websocket", open_timeout=WAIT, **options
        )
        return opened


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(session.Limits(connect=0.5, heart_beat=0.3, slow=1.0))
    running.start()
    yield running
    running.stop()


class Listener(stomp.ConnectionListener):  # type: ignore[misc]
    """Collects what stomp.py hands out."""

    def __init__(self) -> None:
        self.found: queues.Queue[tuple[str, Any]] = queues.Queue()

    def on_connected(self, frame: Any) -> None:
        self.found.put(("connected", frame))

    def on_message(self, frame: Any) -> None:
        self.found.put(("message", frame))

    def on_receipt(self, frame: Any) -> None:
        self.found.put(("receipt", frame))

    def on_error(self, frame: Any) -> None:
        self.found.put(("error", frame))

    def next(self, kind: str) -> Any:
        """The next event, which has to be of this kind."""
        found, frame = self.found.get(timeout=WAIT)
        assert found == kind, frame
        return frame


def stomp_py(server: Server, token: str = "good") -> tuple[stomp.WSStompConnection, Listener]:
    connection = stomp.WSStompConnection(
        [("127.0.0.1", server.port)], ws_path="/ws/websocket", heartbeats=(300, 300), reconnect_attempts_max=1
    )
    listener = Listener()
    connection.set_listener("test", listener)
    connection.connect(wait=False, headers={"Authorization": f"Bearer {token}"})
    return connection, listener


def text(raw: str | bytes) -> str:
    assert isinstance(raw, str)
    return raw


def test_stomp_py_connects_subscribes_sends_and_disconnects(server: Server) -> None:
    connection, listener = stomp_py(server)
    connected = listener.next("connected")
    assert connected.headers["version"] == "1.2"
    assert connected.headers["user-name"] == "7"
    connection.subscribe("/topic/open", id="s1", ack="client-individual", headers={"receipt": "r1"})
    assert listener.next("receipt").headers["receipt-id"] == "r1"
    connection.send("/app/say", '{"text": "namaste, \\u0928"}', content_type="application/json")
    message = listener.next("message")
    assert message.headers["subscription"] == "s1"
    assert message.headers["destination"] == "/topic/open"
    assert message.body == '{"text": "namaste, \\u0928"}'
    connection.ack(message.headers["ack"])
    time.sleep(1.2)  # several heart-beats of 300 ms, both ways
    assert connection.is_connected()
    connection.disconnect(receipt="bye")
    assert listener.next("receipt").headers["receipt-id"] == "bye"


def test_stomp_py_is_refused_without_a_token(server: Server) -> None:
    _, listener = stomp_py(server, token="stolen")
    assert listener.next("error").headers["message"] == "unauthorized"


def test_stomp_py_is_refused_a_closed_destination(server: Server) -> None:
    connection, listener = stomp_py(server)
    listener.next("connected")
    connection.subscribe("/topic/closed", id="s1")
    assert listener.next("error").headers["message"] == "forbidden"


CONNECT = "CONNECT\naccept-version:1.2\nAuthorization:Bearer good\n\n\0"


def closed(socket: client.ClientConnection) -> tuple[int, str]:
    """Read until the server closes; the close code and reason."""
    try:
        while True:
            socket.recv(timeout=WAIT)
    except exceptions.ConnectionClosed:
        assert socket.close_code is not None
        return socket.close_code, socket.close_reason or ""


@pytest.mark.parametrize("offered", ["v12.stomp", "v11.stomp", "v10.stomp"])
def test_the_sub_protocol_is_confirmed(server: Server, offered: str) -> None:
    with server.connect(subprotocols=["other", offered]) as socket:
        assert socket.subprotocol == offered


def test_frames_may_span_and_share_messages_and_be_binary(server: Server) -> None:
    with server.connect() as socket:
        for piece in (CONNECT[:9], CONNECT[9:]):
            socket.send(piece)
        assert text(socket.recv(WAIT)).startswith("CONNECTED\nversion:1.2\n")
        two = "SUBSCRIBE\nid:1\ndestination:/topic/open\n\n\0\n\nSEND\ndestination:/app/say\nreceipt:r\n\n{}\0"
        socket.send(two.encode())
        found = [text(socket.recv(WAIT)), text(socket.recv(WAIT))]
        assert sorted(part.split("\n")[0] for part in found) == ["MESSAGE", "RECEIPT"]


def test_close_codes(server: Server) -> None:
    with server.connect() as silent:
        assert closed(silent) == (1008, "Policy violation")
    with server.connect() as garbage:
        garbage.send("CONNECT\nno colon\n\n\0")
        assert text(garbage.recv(WAIT)).startswith("ERROR\nmessage:malformed frame\n")
        assert closed(garbage) == (1008, "Policy violation")
    with server.connect() as large:
        large.send(CONNECT)
        large.send("SEND\ndestination:/app/say\n\n" + "x" * 70_000)
        assert closed(large) == (1009, "Message too big")
    with server.connect() as flooding:
        flooding.send("\n" * 200_000)
        assert closed(flooding) == (1009, "Message too big")
    with server.connect() as leaving:
        leaving.send(CONNECT + "DISCONNECT\nreceipt:bye\n\n\0")
        assert closed(leaving) == (1000, "Go away!")


def test_a_client_that_stops_reading_is_closed_and_harms_nobody(server: Server) -> None:
    with server.connect(max_queue=1, compression=None, close_timeout=1) as slow, server.connect() as quick:
        for socket in (slow, quick):
            socket.send(CONNECT + "SUBSCRIBE\nid:1\ndestination:/topic/open/big\nreceipt:r\n\n\0")
            assert text(socket.recv(WAIT)).startswith("CONNECTED")
            assert text(socket.recv(WAIT)).startswith("RECEIPT")
        before = server.broker.session_count
        until = time.monotonic() + 2 * WAIT
        count = 0
        while server.broker.session_count == before and time.monotonic() < until:
            for _ in range(4):
                server.publish(queue.Message("/topic/open/big", b'"' + b"x" * 60_000 + b'"'))
                assert text(quick.recv(WAIT)).startswith("MESSAGE")
                count += 1
        assert server.broker.session_count == before - 1, f"still open after {count} messages"


def test_a_broken_connection_leaves_nothing_behind(server: Server) -> None:
    with server.connect() as socket:
        socket.send(CONNECT + "SUBSCRIBE\nid:1\ndestination:/topic/open/gone\nreceipt:r\n\n\0")
        socket.recv(WAIT), socket.recv(WAIT)
        before = server.broker.subscription_count
        socket.socket.shutdown(2)
    until = time.monotonic() + WAIT
    while server.broker.subscription_count == before and time.monotonic() < until:
        time.sleep(0.02)
    assert server.broker.subscription_count == before - 1
