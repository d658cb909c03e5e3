"""The double's Checkout: a page that works without script, and the script that shops include."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import razorpay
import requests

from revcart.paysim import app, testing

KEY = ("rzp_test_page", "key_secret")


class Page(HTMLParser):
    """What of a page a reader with a screen reader depends on."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.labels: set[str] = set()
        self.fields: dict[str, str] = {}
        self.unlabelled: list[str] = []
        self.roles: set[str] = set()
        self.lang: str | None = None
        self.body: dict[str, str | None] = {}
        self._in_label = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.lang = given.get("lang") if tag == "html" else self.lang
        self.body = given if tag == "body" else self.body
        self.roles.add(given.get("role") or "")
        if tag == "label":
            self._in_label += 1
            self.labels.add(given.get("for") or "")
        shown = tag in ("input", "select") and given.get("type") != "hidden"
        if shown and not self._in_label and given.get("id") not in self.labels:
            self.unlabelled.append(str(given.get("name")))
        if tag == "input" and given.get("type") in ("hidden", "text"):
            self.fields[str(given["name"])] = given.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_label -= tag == "label"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    settings = app.Settings(database_url=f"sqlite:///{tmp_path}/p.db", key_id=KEY[0], key_secret=KEY[1])
    with testing.served(app.create_app(settings)) as address:
        yield address


@pytest.fixture
def sdk(url: str) -> razorpay.Client:
    return razorpay.Client(auth=KEY, base_url=url)


def opened(url: str, order_id: str, **query: str) -> requests.Response:
    return requests.get(f"{url}/checkout", params={"key": KEY[0], "order_id": order_id, **query}, timeout=5)


def test_the_page_is_accessible(url: str, sdk: razorpay.Client) -> None:
    order = sdk.order.create({"amount": 22_116, "currency": "INR"})
    answer = opened(url, order["id"], name="RevCart")
    page = Page(answer.text)
    assert answer.status_code == 200
    assert "₹221.16" in answer.text
    assert "RevCart" in answer.text
    assert page.lang == "en"
    assert page.unlabelled == []
    assert answer.headers["cache-control"] == "no-store"


def test_paying_on_the_page_gives_a_signed_result(url: str, sdk: razorpay.Client) -> None:
    order = sdk.order.create({"amount": 1000, "currency": "INR"})
    fields = Page(opened(url, order["id"], origin="https://shop.example").text).fields
    answer = requests.post(f"{url}/checkout", data={**fields, "method": "upi"}, timeout=5)
    page = Page(answer.text)
    assert "status" in page.roles
    assert page.body["data-origin"] == "https://shop.example"
    result = dict(re.findall(r'"(razorpay_\w+)": ?"([^"]+)"', page.body["data-result"] or ""))
    assert sdk.utility.verify_payment_signature(result)


def test_a_failure_is_told_and_can_be_tried_again(url: str, sdk: razorpay.Client) -> None:
    order = sdk.order.create({"amount": 1000, "currency": "INR"})
    fields = Page(opened(url, order["id"]).text).fields
    answer = requests.post(f"{url}/checkout", data={**fields, "method": "upi", "vpa": "failure@razorpay"}, timeout=5)
    page = Page(answer.text)
    assert "alert" in page.roles
    assert "payment_failed" in (page.body["data-error"] or "")
    unknown = requests.post(f"{url}/checkout", data={**fields, "method": "upi", "vpa": "nobody@bank"}, timeout=5)
    assert unknown.status_code == 400
    assert "Invalid VPA" in unknown.text
    again = requests.post(
        f"{url}/checkout", data={**page.fields, "method": "upi", "vpa": "success@razorpay"}, timeout=5
    )
    assert "Payment successful" in again.text


def test_what_a_shop_sends_is_escaped(url: str, sdk: razorpay.Client) -> None:
    order = sdk.order.create({"amount": 1000, "currency": "INR"})
    answer = opened(url, order["id"], name='"><script>alert(1)</script>')
    assert "<script>alert" not in answer.text


def test_a_wrong_key_or_order_opens_nothing(url: str, sdk: razorpay.Client) -> None:
    order = sdk.order.create({"amount": 1000, "currency": "INR"})
    wrong = requests.get(f"{url}/checkout", params={"key": "other", "order_id": order["id"]}, timeout=5)
    assert wrong.status_code == 401
    assert opened(url, "order_unknown").status_code == 400


def test_the_script_offers_razorpays_interface(url: str) -> None:
    answer = requests.get(f"{url}/v1/checkout.js", timeout=5)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "window.Razorpay = Razorpay" in answer.text
