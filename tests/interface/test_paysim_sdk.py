"""The double speaks Razorpay's API: driven by the official SDK over TCP, by its base URL alone."""

import base64
import json
import pathlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import razorpay
import requests

from revcart.paysim import app, testing

KEY = ("rzp_test_double", "key_secret")
VISA_PAYS = "4100 2800 0000 1007"


class Double:
    """A running double, its SDK client and its switches."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sdk = razorpay.Client(auth=KEY, base_url=url)

    def order(self, amount: int = 50_000, **options: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.sdk.order.create({"amount": amount, "currency": "INR", **options})
        return made

    def pay(self, order_id: str, **instrument: str) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/_sim/orders/{order_id}/pay", json=instrument, timeout=5)
        assert answer.status_code == 200, answer.text
        paid: dict[str, Any] = answer.json()
        return paid

    def faults(self, **switches: Any) -> None:
        answer = requests.put(f"{self.url}/_sim/faults", json=switches, timeout=5)
        assert answer.status_code == 200, answer.text

    def captured(self, amount: int = 50_000) -> str:
        payment_id: str = self.pay(self.order(amount)["id"])["razorpay_payment_id"]
        self.sdk.payment.capture(payment_id, amount, {"currency": "INR"})
        return payment_id


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("paysim") / "paysim.db"
    settings = app.Settings(
        database_url=f"sqlite:///{path}", key_id=KEY[0], key_secret=KEY[1], advance_seconds=0.05, webhook_url=""
    )
    with testing.served(app.create_app(settings)) as url:
        yield url


@pytest.fixture
def double(_server: str) -> Iterator[Double]:
    yield Double(_server)
    requests.post(f"{_server}/_sim/reset", timeout=5)


def refusal(call: Callable[[], Any], kind: type[Exception] = razorpay.errors.BadRequestError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 5 s"
        time.sleep(0.02)


def test_an_order_has_razorpays_shape(double: Double) -> None:
    order = double.order(receipt="order_7", notes={"orderNumber": "RC1"})
    assert order["id"].startswith("order_")
    assert len(order["id"]) == 20
    assert {name: order[name] for name in ("entity", "amount", "amount_paid", "amount_due", "status", "attempts")} == {
        "entity": "order",
        "amount": 50_000,
        "amount_paid": 0,
        "amount_due": 50_000,
        "status": "created",
        "attempts": 0,
    }
    assert order["notes"] == {"orderNumber": "RC1"}
    assert order["offer_id"] is None
    assert double.order()["notes"] == []
    assert double.sdk.order.fetch(order["id"]) == order
    assert double.sdk.order.edit(order["id"], {"notes": {"a": "b"}})["notes"] == {"a": "b"}


def test_orders_are_found_by_receipt_and_listed_newest_first(double: Double) -> None:
    made = [double.order(receipt=f"order_{n}")["id"] for n in range(3)]
    listed = double.sdk.order.all({"count": 2})
    assert (listed["entity"], listed["count"]) == ("collection", 2)
    assert [order["id"] for order in listed["items"]] == [made[2], made[1]]
    assert [order["id"] for order in double.sdk.order.all({"receipt": "order_0"})["items"]] == [made[0]]
    assert [order["id"] for order in double.sdk.order.all({"skip": 2})["items"]] == [made[0]]
    double.pay(made[1])
    assert [order["id"] for order in double.sdk.order.all({"authorized": 1})["items"]] == [made[1]]
    assert double.sdk.order.all({"expand[]": "payments", "authorized": 1})["items"][0]["payments"]["count"] == 1
    assert double.sdk.order.all({"from": int(time.time()) + 60})["count"] == 0


def test_bad_orders_are_refused_in_razorpays_words(double: Double) -> None:
    assert refusal(lambda: double.order(99)) == "The amount must be at least INR 1.00."
    assert refusal(lambda: double.sdk.order.create({"currency": "INR"})) == "The amount field is required."
    assert "receipt" in refusal(lambda: double.order(receipt="x" * 41))
    assert "notes" in refusal(lambda: double.order(notes={str(n): "x" for n in range(16)}))
    assert "Notes" in refusal(lambda: double.order(notes={"a": "x" * 257}))
    assert refusal(lambda: double.order(currency="XYZ")) == "Currency is not supported"
    assert refusal(lambda: double.sdk.order.fetch("order_00000000000000")) == "The id provided does not exist"
    assert refusal(lambda: double.sdk.order.all({"count": 101})) == "The count may not be greater than 100."
    double.order(receipt="once", unique_receipt=True)
    assert "Receipt" in refusal(lambda: double.order(receipt="once", unique_receipt=True))


def test_a_wrong_key_is_refused(double: Double) -> None:
    stranger = razorpay.Client(auth=(KEY[0], "wrong"), base_url=double.url)
    assert refusal(lambda: stranger.order.all()) == "Authentication failed"
    for header in ({}, {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}):
        answer = requests.get(f"{double.url}/v1/orders", headers=header, timeout=5)
        assert answer.status_code == 401
        assert set(answer.json()["error"]) == {"code", "description", "source", "step", "reason", "metadata"}
    answer = requests.get(f"{double.url}/v1/nothing", timeout=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "BAD_REQUEST_ERROR")


def test_without_a_secret_nothing_opens(tmp_path: pathlib.Path) -> None:
    settings = app.Settings(database_url=f"sqlite:///{tmp_path}/p.db", key_id="rzp_test_x", key_secret="")
    with testing.served(app.create_app(settings)) as url:
        empty = base64.b64encode(b"rzp_test_x:").decode()
        answer = requests.get(f"{url}/v1/orders", headers={"Authorization": f"Basic {empty}"}, timeout=5)
        assert answer.status_code == 401


def test_a_payment_is_authorised_then_captured_whole(double: Double) -> None:
    order = double.order()
    paid = double.pay(order["id"], method="upi", vpa="success@razorpay")
    payment_id = paid["razorpay_payment_id"]
    parameters = {name: paid[name] for name in ("razorpay_order_id", "razorpay_payment_id", "razorpay_signature")}
    assert double.sdk.utility.verify_payment_signature(parameters)
    assert double.sdk.payment.fetch(payment_id)["status"] == "authorized"
    assert double.sdk.order.fetch(order["id"])["status"] == "attempted"
    wrong = "Capture amount must be equal to the amount authorized."
    assert refusal(lambda: double.sdk.payment.capture(payment_id, 49_999, {"currency": "INR"})) == wrong

    captured = double.sdk.payment.capture(payment_id, 50_000, {"currency": "INR"})

    assert (captured["status"], captured["captured"], captured["fee"], captured["tax"]) == ("captured", True, 1180, 180)
    after = double.sdk.order.fetch(order["id"])
    assert (after["status"], after["amount_paid"], after["amount_due"]) == ("paid", 50_000, 0)
    assert [payment["id"] for payment in double.sdk.order.payments(order["id"])["items"]] == [payment_id]
    again = refusal(lambda: double.sdk.payment.capture(payment_id, 50_000, {"currency": "INR"}))
    assert again == "This payment has already been captured"
    second = requests.post(f"{double.url}/_sim/orders/{order['id']}/pay", json={}, timeout=5)
    assert second.json()["error"]["description"] == "Payment already done for this order."


@pytest.mark.parametrize(
    ("instrument", "reason"),
    [
        ({"method": "upi", "vpa": "failure@razorpay"}, "payment_failed"),
        ({"method": "card", "card": "4100 2800 0008 0001"}, "insufficient_fund"),
        ({"method": "card", "card": "4100 2800 0007 0002"}, "payment_cancelled"),
        ({"method": "card", "card": "4100 2800 0006 0003"}, "card_declined"),
        ({"method": "card", "card": "4100 2800 0009 0000"}, "payment_timed_out"),
    ],
)
def test_failing_instruments_leave_the_order_open(double: Double, instrument: dict[str, str], reason: str) -> None:
    order = double.order()
    failed = double.pay(order["id"], **instrument)
    assert failed["payment"]["status"] == "failed"
    assert failed["payment"]["error_reason"] == reason
    assert failed["razorpay_signature"] is None
    paid = double.pay(order["id"], method="card", card=VISA_PAYS)
    assert paid["payment"]["status"] == "authorized"
    assert paid["payment"]["card_id"].startswith("card_")
    assert double.sdk.order.fetch(order["id"])["attempts"] == 2


def test_capture_follows_account_order_and_switch(double: Double) -> None:
    assert double.pay(double.order(payment_capture=1)["id"])["payment"]["status"] == "captured"
    assert double.pay(double.order(payment={"capture": "automatic"})["id"])["payment"]["status"] == "captured"
    assert double.pay(double.order()["id"])["payment"]["status"] == "authorized"
    double.faults(autoCapture=True)
    assert double.pay(double.order()["id"])["payment"]["status"] == "captured"


def test_refunds_are_bounded_and_counted(double: Double) -> None:
    payment_id = double.captured()
    part = double.sdk.payment.refund(payment_id, {"amount": 20_000, "receipt": "r1"})
    assert part["id"].startswith("rfnd_")
    assert (part["status"], part["amount"]) == ("processed", 20_000)
    payment = double.sdk.payment.fetch(payment_id)
    assert (payment["status"], payment["refund_status"], payment["amount_refunded"]) == ("captured", "partial", 20_000)
    too_much = refusal(lambda: double.sdk.payment.refund(payment_id, {"amount": 30_001}))
    assert too_much == "The refund amount provided is greater than amount captured."
    rest = double.sdk.payment.refund(payment_id, {})
    assert rest["amount"] == 30_000
    assert double.sdk.payment.fetch(payment_id)["status"] == "refunded"
    nothing_left = refusal(lambda: double.sdk.payment.refund(payment_id, {}))
    assert nothing_left == "The payment has been fully refunded already."
    assert double.sdk.payment.fetch_multiple_refund(payment_id)["count"] == 2
    assert double.sdk.payment.fetch_refund_id(payment_id, rest["id"]) == double.sdk.refund.fetch(rest["id"])
    assert double.sdk.refund.edit(rest["id"], {"notes": {"why": "late"}})["notes"] == {"why": "late"}
    order = double.sdk.order.fetch(payment["order_id"])
    assert order["status"] == "paid"


def test_a_refund_key_is_worth_one_refund(double: Double) -> None:
    payment_id = double.captured()
    headers = {"X-Refund-Idempotency": "rcrefund-00000001"}
    first = double.sdk.payment.refund(payment_id, {"amount": 100}, headers=headers)
    assert double.sdk.payment.refund(payment_id, {"amount": 100}, headers=headers) == first
    other = refusal(lambda: double.sdk.payment.refund(payment_id, {"amount": 200}, headers=headers))
    assert other == "Different request with the same idempotency key has already been processed."
    assert double.sdk.payment.fetch_multiple_refund(payment_id)["count"] == 1
    short = {"X-Refund-Idempotency": "short"}
    assert "idempotency key" in refusal(lambda: double.sdk.payment.refund(payment_id, {"amount": 100}, headers=short))


def test_a_refund_key_at_once_is_one_refund(double: Double) -> None:
    payment_id = double.captured()
    headers = {"X-Refund-Idempotency": "rcrefund-00000002"}
    url = f"{double.url}/v1/payments/{payment_id}/refund"

    def refund() -> requests.Response:
        return requests.post(url, json={"amount": 100}, headers=headers, auth=KEY, timeout=5)

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(refund) for _ in range(8)]]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert double.sdk.payment.fetch_multiple_refund(payment_id)["count"] == 1


def test_only_captured_payments_are_refunded(double: Double) -> None:
    payment_id = double.pay(double.order()["id"])["razorpay_payment_id"]
    assert "captured" in refusal(lambda: double.sdk.payment.refund(payment_id, {}))


def test_refunds_may_wait_and_fail(double: Double) -> None:
    payment_id = double.captured()
    double.faults(refundPending=True)
    waiting = double.sdk.payment.refund(payment_id, {"amount": 100})
    assert waiting["status"] == "pending"
    double.faults()
    until(lambda: double.sdk.refund.fetch(waiting["id"])["status"] == "processed")
    double.faults(refundFail={"count": 1})
    failing = double.sdk.payment.refund(payment_id, {"amount": 200})
    until(lambda: double.sdk.refund.fetch(failing["id"])["status"] == "failed")
    assert double.sdk.payment.fetch(payment_id)["amount_refunded"] == 100


def test_late_authorisation(double: Double) -> None:
    double.faults(lateAuthorizeSeconds=0.2)
    paid = double.pay(double.order()["id"])
    assert paid["payment"]["status"] == "created"
    assert paid["razorpay_signature"] is None
    until(lambda: double.sdk.payment.fetch(paid["razorpay_payment_id"])["status"] == "authorized")


def test_api_faults(double: Double) -> None:
    double.faults(http500={"count": 1})
    refusal(double.order, razorpay.errors.ServerError)
    assert double.order()["status"] == "created"
    double.faults(rateLimit={"count": 1})
    assert "try again" in refusal(double.order)
    double.faults(latencyMs=300)
    began = time.monotonic()
    double.order()
    assert time.monotonic() - began >= 0.3
    double.faults(amountTampered=-100)
    assert double.pay(double.order()["id"])["payment"]["amount"] == 49_900
    assert requests.put(f"{double.url}/_sim/faults", json={"unheardOf": True}, timeout=5).status_code == 400


def test_a_time_out_after_the_commit_keeps_the_effect(double: Double) -> None:
    payment_id = double.captured()
    double.faults(timeoutAfterCommit={"path": "/refund", "count": 1})
    headers = {"X-Refund-Idempotency": "rcrefund-00000009"}
    with pytest.raises(requests.exceptions.ReadTimeout):
        double.sdk.payment.refund(payment_id, {"amount": 100}, headers=headers, timeout=0.5)
    again = double.sdk.payment.refund(payment_id, {"amount": 100}, headers=headers)
    assert double.sdk.payment.fetch_multiple_refund(payment_id)["items"] == [again]


def test_what_was_made_outlives_a_restart(tmp_path: pathlib.Path) -> None:
    settings = app.Settings(database_url=f"sqlite:///{tmp_path}/p.db", key_id=KEY[0], key_secret=KEY[1])
    with testing.served(app.create_app(settings)) as url:
        order = Double(url).order()
    with testing.served(app.create_app(settings)) as url:
        assert Double(url).sdk.order.fetch(order["id"]) == order


def test_switches_are_closed_in_production_unless_simulated_on_purpose(tmp_path: pathlib.Path) -> None:
    common: dict[str, Any] = {"environment": "production", "key_id": KEY[0], "key_secret": KEY[1]}
    closed = app.Settings(database_url=f"sqlite:///{tmp_path}/a.db", **common)
    with testing.served(app.create_app(closed)) as url:
        assert requests.get(f"{url}/_sim/faults", timeout=5).status_code == 403
        assert Double(url).order()["status"] == "created"
    opened = app.Settings(database_url=f"sqlite:///{tmp_path}/b.db", mode="Simulated", **common)
    with testing.served(app.create_app(opened)) as url:
        assert requests.get(f"{url}/_sim/faults", timeout=5).status_code == 200


def test_bodies_that_are_no_objects_are_refused(double: Double) -> None:
    for raw in (b"[1]", b"{", json.dumps("x").encode()):
        answer = requests.post(f"{double.url}/v1/orders", data=raw, auth=KEY, timeout=5)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BAD_REQUEST_ERROR")
