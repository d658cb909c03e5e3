"""A STOMP conversation without a socket: every frame of the contract's table, its refusals and its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from revcart.stomp import broker, frames, parser, peer, queue, session


class Ann:
    """May hear /topic/mine and /topic/both (two channels), may send to /app/say; `locked` takes all rights away."""

    name = "7"

    def __init__(self) -> None:
        self.valid_seconds = 1_000.0
        self.heard: list[bytes] = []
        self.locked = False

    async def channels(self, destination: str) -> tuple[str, ...]:
        known = {"/topic/mine": ("mine",), "/topic/both": ("mine", "all"), "/topic/fast": ("fast",)}
        if self.locked or destination not in known:
            raise peer.Forbidden("Not yours.")
        return known[destination]

    async def receive(self, destination: str, body: bytes) -> None:
        if destination != "/app/say":
            raise peer.Forbidden("Not here.")
        self.heard.append(body)


class World:
    """A clock, a broker and sessions whose output is read back through the wire format."""

    def __init__(self, **limits: float) -> None:
        self.time = 100.0
        self.ann = Ann()
        self.dropped: list[str] = []
        self.broker = broker.Broker(dropped=self.dropped.append)
        self.limits = session.Limits(**limits)  # type: ignore[arg-type]
        self.session = self.new()

    def new(self) -> session.Session:
        made = session.Session(
            authenticate=self.authenticate,
            router=self.broker,
            now=lambda: self.time,
            wake=lambda: None,
            limits=self.limits,
        )
        assert self.broker.attach(made)
        return made

    async def authenticate(self, headers: Mapping[str, str]) -> peer.Peer:
        if headers.get("token") != "good":
            raise peer.Unauthorized("A token is needed.")
        return self.ann

    def send(self, text: str, of: session.Session | None = None) -> list[frames.Frame]:
        """Give one frame (headers a line each) and return what is sent back."""
        target = of or self.session
        reader = parser.Parser(version=target.version)
        reader.feed(text.encode() + b"\0")
        frame = reader.next_frame()
        assert frame is not None
        asyncio.run(target.receive(frame))
        return self.sent(target)

    def sent(self, of: session.Session | None = None) -> list[frames.Frame]:
        target = of or self.session
        reader = parser.Parser(version=target.version)
        found = []
        while (frame := target.next_frame()) is not None:
            reader.feed(frames.encode(frame, target.version))
            again = reader.next_frame()
            assert again is not None
            found.append(again)
        return found

    def connect(self, version: str = "1.2", extra: str = "") -> frames.Frame:
        (connected,) = self.send(f"CONNECT\naccept-version:{version}\ntoken:good\n{extra}\n")
        return connected

    def publish(self, channel: str = "mine", body: bytes = b"{}", *, replaces: bool = False) -> None:
        self.broker.publish(queue.Message(channel, body, replaces))


def error(found: list[frames.Frame], world: World) -> str:
    """The `message` of the one ERROR frame, after which the session closes with 1008."""
    assert [frame.command for frame in found] == ["ERROR"]
    assert world.session.close == session.POLICY_VIOLATION
    assert found[0].body
    return found[0].get("message") or ""


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("offered", "agreed"), [("1.0,1.1,1.2", "1.2"), ("1.1,1.0", "1.1"), ("1.0", "1.0"), ("2.0,1.1", "1.1")]
)
def test_the_highest_common_version_is_taken(world: World, offered: str, agreed: str) -> None:
    connected = world.connect(offered)
    assert connected.command == "CONNECTED"
    assert connected.get("version") == agreed
    assert connected.get("user-name") == "7"
    assert connected.get("heart-beat") == "10000,10000"
    assert connected.get("session") == world.session.id
    assert (connected.get("server") or "").startswith("RevCart/")


def test_no_accept_version_means_1_0_and_stomp_is_connect(world: World) -> None:
    (connected,) = world.send("STOMP\ntoken:good\n\n")
    assert connected.get("version") == "1.0"


def test_no_common_version_lists_the_known_ones(world: World) -> None:
    found = world.send("CONNECT\naccept-version:3.0\ntoken:good\n\n")
    assert found[0].get("version") == "1.0,1.1,1.2"
    assert error(found, world) == "version not supported"


@pytest.mark.parametrize("token", ["", "token:bad\n", "login:good\npasscode:good\n"])
def test_without_a_good_token_nobody_connects(world: World, token: str) -> None:
    assert error(world.send(f"CONNECT\naccept-version:1.2\n{token}\n"), world) == "unauthorized"


def test_the_first_frame_is_connect_and_there_is_only_one(world: World) -> None:
    other = World()
    assert error(other.send("SUBSCRIBE\nid:1\ndestination:/topic/mine\n\n"), other) == "not connected"
    world.connect()
    assert error(world.send("CONNECT\naccept-version:1.2\ntoken:good\n\n"), world) == "already connected"


def test_connect_is_due_within_ten_seconds(world: World) -> None:
    world.time += 9.9
    assert not world.session.tick()
    assert world.session.close is None
    world.time += 0.1
    world.session.tick()
    assert error(world.sent(), world) == "not connected"


def test_messages_reach_each_subscription_as_subscribed(world: World) -> None:
    world.connect()
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/mine\n\n")
    (receipt,) = world.send("SUBSCRIBE\nid:b\ndestination:/topic/both\nreceipt:r1\n\n")
    assert (receipt.command, receipt.get("receipt-id")) == ("RECEIPT", "r1")
    world.publish(body='{"n":"ä"}'.encode())
    found = world.sent()
    assert [(frame.get("subscription"), frame.get("destination")) for frame in found] == [
        ("a", "/topic/mine"),
        ("b", "/topic/both"),
    ]
    assert found[0].get("content-type") == "application/json;charset=utf-8"
    assert found[0].get("content-length") == "10"
    assert found[0].body.decode() == '{"n":"ä"}'
    assert found[0].get("ack") is None
    assert found[0].get("message-id") != found[1].get("message-id")


def test_unsubscribe_ends_it_and_drops_what_waits(world: World) -> None:
    world.connect()
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/mine\n\n")
    world.publish()
    assert world.send("UNSUBSCRIBE\nid:a\n\n") == []
    assert world.send("UNSUBSCRIBE\nid:unknown\n\n") == []
    world.publish()
    assert world.sent() == []
    assert world.broker.subscription_count == 0


def test_in_1_0_a_subscription_needs_no_id(world: World) -> None:
    world.connect("1.0")
    world.send("SUBSCRIBE\ndestination:/topic/mine\n\n")
    world.publish()
    (message,) = world.sent()
    assert message.get("subscription") is None
    world.send("UNSUBSCRIBE\ndestination:/topic/mine\n\n")
    world.publish()
    assert world.sent() == []


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ("SUBSCRIBE\nid:1\ndestination:/topic/other\n\n", "forbidden"),
        ("SUBSCRIBE\nid:1\ndestination:/topic/*\n\n", "forbidden"),
        ("SUBSCRIBE\ndestination:/topic/mine\n\n", "missing header"),
        ("SUBSCRIBE\nid:1\n\n", "missing header"),
        ("SUBSCRIBE\nid:1\ndestination:/topic/mine\nack:maybe\n\n", "bad ack mode"),
        ("SEND\ndestination:/topic/mine\n\nx", "forbidden"),
        ("SEND\n\nx", "missing header"),
        ("ACK\nmessage-id:1\n\n", "missing header"),
        ("BEGIN\n\n", "missing header"),
        ("COMMIT\ntransaction:t\n\n", "unknown transaction"),
        ("SEND\ndestination:/app/say\ntransaction:t\n\nx", "unknown transaction"),
        ("UNSUBSCRIBE\n\n", "missing header"),
        ("SHOUT\n\n", "unknown command"),
        ("MESSAGE\n\nx", "unknown command"),
    ],
)
def test_refusals_name_their_cause_and_close(world: World, frame: str, message: str) -> None:
    world.connect()
    found = world.send(frame.replace("\n", "\nreceipt:r9\n", 1))
    assert found[0].get("receipt-id") == "r9"
    assert error(found, world) == message
    assert world.send("SEND\ndestination:/app/say\n\nlate") == []
    assert world.ann.heard == []


def test_duplicate_and_too_many_subscriptions(world: World) -> None:
    world.connect()
    for number in range(50):
        assert world.send(f"SUBSCRIBE\nid:{number}\ndestination:/topic/mine\n\n") == []
    other = World()
    other.connect()
    other.send("SUBSCRIBE\nid:1\ndestination:/topic/mine\n\n")
    assert error(other.send("SUBSCRIBE\nid:1\ndestination:/topic/both\n\n"), other) == "duplicate subscription"
    assert error(world.send("SUBSCRIBE\nid:51\ndestination:/topic/mine\n\n"), world) == "too many subscriptions"


@pytest.mark.parametrize(("version", "header"), [("1.2", "id"), ("1.1", "message-id"), ("1.0", "message-id")])
def test_unacknowledged_messages_are_held_at_a_hundred(world: World, version: str, header: str) -> None:
    world.connect(version)
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/mine\nack:client\n\n")
    for _ in range(150):
        world.publish()
    found = world.sent()
    assert len(found) == 100
    assert (found[0].get("ack") is not None) == (version == "1.2")
    tenth = found[9].get("message-id")  # client mode: this one and all before it
    assert len(world.send(f"ACK\n{header}:{tenth}\nsubscription:a\n\n")) == 10


def test_client_individual_and_nack_let_go_of_one(world: World) -> None:
    world.connect()
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/mine\nack:client-individual\n\n")
    for _ in range(120):
        world.publish()
    found = world.sent()
    assert len(world.send(f"ACK\nid:{found[50].get('ack')}\n\n")) == 1
    assert len(world.send(f"NACK\nid:{found[60].get('ack')}\n\n")) == 1
    assert world.send(f"ACK\nid:{found[50].get('ack')}\n\n") == []  # again: no effect
    assert world.session.close is None


def test_nack_is_unknown_in_1_0(world: World) -> None:
    world.connect("1.0")
    assert error(world.send("NACK\nmessage-id:1\n\n"), world) == "unknown command"


def test_a_transaction_takes_effect_on_commit_only(world: World) -> None:
    world.connect()
    world.send("BEGIN\ntransaction:t\n\n")
    world.send("SEND\ndestination:/app/say\ntransaction:t\n\none")
    assert world.ann.heard == []
    world.send("BEGIN\ntransaction:u\n\n")
    world.send("SEND\ndestination:/app/say\ntransaction:u\n\ntwo")
    world.send("ABORT\ntransaction:u\n\n")
    (receipt,) = world.send("COMMIT\ntransaction:t\nreceipt:done\n\n")
    assert receipt.get("receipt-id") == "done"
    assert world.ann.heard == [b"one"]
    assert error(world.send("COMMIT\ntransaction:t\n\n"), world) == "unknown transaction"


def test_transactions_are_bounded(world: World) -> None:
    world.connect()
    for number in range(10):
        world.send(f"BEGIN\ntransaction:{number}\n\n")
    other = World(transaction_frames=2)
    other.connect()
    other.send("BEGIN\ntransaction:t\n\n")
    for _ in range(2):
        assert other.send("SEND\ndestination:/app/say\ntransaction:t\n\nx") == []
    assert error(other.send("SEND\ndestination:/app/say\ntransaction:t\n\nx"), other) == "transaction too large"
    assert error(world.send("BEGIN\ntransaction:11\n\n"), world) == "too many transactions"


def test_disconnect_answers_the_receipt_then_closes(world: World) -> None:
    world.connect()
    (receipt,) = world.send("DISCONNECT\nreceipt:bye\n\n")
    assert receipt.get("receipt-id") == "bye"
    assert world.session.close == session.Close(1000, "Go away!")


def test_heart_beats_are_agreed_by_the_maximum(world: World) -> None:
    world.connect(extra="heart-beat:4000,20000\n")
    world.time += 19
    assert not world.session.tick()
    world.time += 1
    assert world.session.tick()
    assert world.session.close is None
    world.session.spoke()
    world.session.heard()
    world.time += 29.9  # client beats every max(4, 10) s; three may be missed
    world.session.tick()
    assert world.session.close is None
    world.time += 0.2
    world.session.tick()
    assert error(world.sent(), world) == "heart-beat missed"


def test_without_heart_beat_header_nobody_beats(world: World) -> None:
    world.connect()
    world.time += 500
    assert not world.session.tick()
    assert world.session.close is None
    other = World()
    assert error(other.send("CONNECT\naccept-version:1.2\ntoken:good\nheart-beat:1,x\n\n"), other) == "bad heart-beat"


def test_an_expired_token_has_a_minute_of_grace(world: World) -> None:
    world.connect()
    world.time += 1_059
    world.session.tick()
    assert world.session.close is None
    world.time += 1
    world.session.tick()
    assert error(world.sent(), world) == "token expired"


def test_a_newer_location_replaces_the_waiting_one(world: World) -> None:
    world.connect()
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/fast\n\n")
    world.publish("fast", b"first", replaces=True)
    world.publish("fast", b"status")
    world.publish("fast", b"newest", replaces=True)
    assert [frame.body for frame in world.sent()] == [b"newest", b"status"]


@pytest.mark.parametrize(("count", "body"), [(256, b"x"), (8, b"x" * 64 * 1024)])
def test_a_queue_full_for_ten_seconds_closes_with_1013(world: World, count: int, body: bytes) -> None:
    world.connect()
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/mine\n\n")
    for _ in range(count):
        world.publish(body=body)
    assert world.dropped == []
    world.publish(body=body)
    assert world.dropped == ["slow"]
    world.time += 9.9
    world.session.tick()
    assert world.session.close is None
    world.time += 0.1
    world.session.tick()
    assert world.session.close == session.Close(1013, "Try again later")


def test_a_client_that_reads_again_in_time_stays(world: World) -> None:
    world.connect()
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/mine\n\n")
    for _ in range(257):
        world.publish()
    assert len(world.sent()) == 256
    world.time += 60
    world.session.tick()
    assert world.session.close is None


def test_rights_are_asked_again_on_recheck(world: World) -> None:
    world.connect()
    world.send("SUBSCRIBE\nid:a\ndestination:/topic/mine\n\n")
    asyncio.run(world.broker.recheck("mine"))
    assert world.broker.publish(queue.Message("mine", b"1")) == 1
    world.ann.locked = True
    asyncio.run(world.broker.recheck("mine"))
    assert world.broker.publish(queue.Message("mine", b"2")) == 0
    assert world.sent() == []
    assert world.session.close is None


def test_a_user_has_five_sessions_and_gets_the_place_back(world: World) -> None:
    sessions = [world.session, *(world.new() for _ in range(5))]
    for each in sessions[:5]:
        assert world.send("CONNECT\ntoken:good\n\n", each)[0].command == "CONNECTED"
    assert world.send("CONNECT\ntoken:good\n\n", sessions[5]) == []
    assert sessions[5].close == session.TRY_LATER
    world.broker.detach(sessions[5])
    world.broker.detach(sessions[0])
    assert world.send("CONNECT\ntoken:good\n\n", world.new())[0].command == "CONNECTED"


def test_a_replica_has_a_bound() -> None:
    small = broker.Broker(in_all=0)
    world = World()
    assert not small.attach(world.session)
    assert small.session_count == 0
