"""The double's webhooks arrive signed, again after a refusal, and as badly as the switches say."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests

from revcart.paysim import app, domain, testing

SECRET = "webhook_secret"


class Receiver:
    """A shop's webhook endpoint: keeps what comes, answers what `answers` says, 200 after that."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/"

    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in self.got]

    def wait(self, count: int) -> None:
        until(lambda: len(self.got) >= count)


class World:
    def __init__(self, url: str, receiver: Receiver) -> None:
        self.url, self.receiver = url, receiver

    def faults(self, **switches: Any) -> None:
        requests.put(f"{self.url}/_sim/faults", json=switches, timeout=5).raise_for_status()

    def pay(self, **order: Any) -> dict[str, Any]:
        made = requests.post(
            f"{self.url}/v1/orders", json={"amount": 1000, "currency": "INR", **order}, auth=("k", "s"), timeout=5
        ).json()
        paid: dict[str, Any] = requests.post(f"{self.url}/_sim/orders/{made['id']}/pay", json={}, timeout=5).json()
        return paid

    def log(self) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = requests.get(f"{self.url}/_sim/webhooks", timeout=5).json()
        return log


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 5 s"
        time.sleep(0.02)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    receiver = Receiver()
    settings = app.Settings(
        database_url=f"sqlite:///{tmp_path}/p.db",
        key_id="k",
        key_secret="s",
        webhook_url=receiver.url,
        webhook_secret=SECRET,
        webhook_retry_seconds=0.1,
    )
    with testing.served(app.create_app(settings)) as url:
        yield World(url, receiver)
    receiver.server.shutdown()
    receiver.server.server_close()


def test_events_are_signed_and_tell_the_whole_story(world: World) -> None:
    paid = world.pay(payment_capture=1)
    world.receiver.wait(3)
    assert sorted(world.receiver.events()) == ["order.paid", "payment.authorized", "payment.captured"]
    for headers, body in world.receiver.got:
        expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        assert headers["x-razorpay-signature"] == expected
        assert headers["x-razorpay-event-id"]
        event = json.loads(body)
        assert event["entity"] == "event"
        assert event["account_id"].startswith("acc_")
        assert list(event["payload"]) == event["contains"]
        assert event["payload"]["payment"]["entity"]["id"] == paid["razorpay_payment_id"]
    until(lambda: all(row["state"] == "delivered" for row in world.log()))


def test_a_refused_event_comes_again_with_growing_waits(world: World) -> None:
    world.receiver.answers = [500, 503]
    world.pay()
    world.receiver.wait(3)
    ids = {headers["x-razorpay-event-id"] for headers, _ in world.receiver.got}
    bodies = {body for _, body in world.receiver.got}
    assert len(ids) == 1
    assert len(bodies) == 1
    until(lambda: world.log()[0]["state"] == "delivered")
    assert world.log()[0]["tries"] == 3


def test_an_event_can_be_sent_again(world: World) -> None:
    world.pay()
    world.receiver.wait(1)
    until(lambda: world.log()[0]["state"] == "delivered")
    sent = requests.post(f"{world.url}/_sim/webhooks/{world.log()[0]['id']}/resend", timeout=5)
    assert sent.status_code == 202
    world.receiver.wait(2)
    assert requests.post(f"{world.url}/_sim/webhooks/none/resend", timeout=5).status_code == 400


def test_webhooks_may_be_lost_doubled_forged_and_nameless(world: World) -> None:
    world.faults(webhookDrop={"count": 1})
    world.pay()
    assert [row["state"] for row in world.log()] == ["dropped"]
    world.faults(webhookDuplicate={"count": 1}, webhookNoEventId=True, webhookBadSignature={"count": 1})
    world.pay()
    world.receiver.wait(2)
    (first, body), (second, _) = world.receiver.got
    assert "x-razorpay-event-id" not in first | second
    right = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert first["x-razorpay-signature"] != right
    assert second["x-razorpay-signature"] == right


def test_webhooks_may_overtake_and_be_late(world: World) -> None:
    world.faults(webhookReorder=True)
    world.pay(payment_capture=1)
    world.receiver.wait(3)
    assert world.receiver.events()[0] == "payment.captured"
    world.faults(webhookDelayMs=400)
    began = time.monotonic()
    world.pay()
    world.receiver.wait(4)
    assert time.monotonic() - began >= 0.4


def test_refund_events_carry_refund_and_payment(world: World) -> None:
    paid = world.pay(payment_capture=1)
    requests.post(
        f"{world.url}/v1/payments/{paid['razorpay_payment_id']}/refund", json={}, auth=("k", "s"), timeout=5
    ).raise_for_status()
    until(lambda: {"refund.created", "refund.processed"} <= set(world.receiver.events()))
    body = next(json.loads(body) for _, body in world.receiver.got if b"refund.processed" in body)
    assert body["contains"] == ["refund", "payment"]
    assert body["payload"]["payment"]["entity"]["status"] == "refunded"


@pytest.mark.parametrize(
    ("secret", "message", "signature"),
    [
        (
            "key_secret",
            b"fake_order_id|fake_payment_id",
            "b2335e3b0801106b84a7faff035df56ecffde06918c9ddd1f0fafbb37a51cc89",
        ),
        (
            "webhook_secret",
            b'{"entity":"event","event":"payment.captured"}',
            "6d6a4e1c25e740448e2f31d7a6a18b53244be96aeefc467f5302166ad760501d",
        ),
    ],
)
def test_signatures_equal_the_contracts_vectors(secret: str, message: bytes, signature: str) -> None:
    assert domain.sign(secret=secret, message=message) == signature
