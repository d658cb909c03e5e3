"""Every template, in every language and on every channel, is rendered from what its event brings and from no more."""

import re
from typing import Any

import jinja2
import pytest
from jinja2 import meta
from tests.flow import notification_world as world

from revcart.kit import clock, events
from revcart.notification import domain, messages, rendering
from revcart.notification import events as ours

SHOP = "https://shop.example"
ORDER = {"orderNumber": "RC-900", "totalPaise": 24240}
OFFERED = {"email": "asha@example.org", "name": "Asha"}


def received(type: str, kind: type[events.Payload], **changes: Any) -> events.Received[Any]:
    data = {**world.EXAMPLES.get(type, {}), **changes}
    return events.decode(events.encode(world.envelope(type, data))).received(kind)


def requested(template: str, **fields: Any) -> domain.Notice:
    data = world.request(template, f"{template}:1", **fields)
    return messages.requested(received("notification.requested", ours.NotificationRequested, **data), user_id=7)


def examples() -> list[tuple[domain.Notice, dict[str, Any]]]:
    """A notice of each template, with the content of its secret."""
    status = "order.status.updated"
    plain = [
        *messages.order_created(received("order.created", ours.OrderCreated)),
        *messages.order_status_updated(received(status, ours.OrderStatusUpdated), ORDER),
        *messages.order_status_updated(received(status, ours.OrderStatusUpdated, to="PREPARING"), ORDER),
        *messages.order_status_updated(received(status, ours.OrderStatusUpdated, to="DELIVERED"), ORDER),
        *messages.order_status_updated(received(status, ours.OrderStatusUpdated, to="DELIVERED"), {}),
        *messages.order_cancelled(received("order.cancelled", ours.OrderCancelled)),
        *messages.order_cancelled(received("order.cancelled", ours.OrderCancelled, paid=False, refundPaise=0)),
        *messages.order_expired(received("order.expired", ours.OrderExpired)),
        *messages.payment_completed(received("payment.completed", ours.PaymentCompleted)),
        *messages.payment_failed(received("payment.failed", ours.PaymentFailed)),
        *messages.payment_refunded(received("payment.refunded", ours.PaymentRefunded)),
        *messages.delivery_assigned(received("delivery.assigned", ours.DeliveryAssigned)),
        *messages.delivery_status_updated(received("delivery.status.updated", ours.DeliveryStatusUpdated)),
        *messages.user_registered(received("user.registered", ours.UserRegistered)),
        messages.stock_low(received("stock.low", ours.StockLow), admin_id=1),
        requested("delivery.delayed", data={"orderId": 900, "deliveryId": 40, "etaAt": world.AT}),
        requested("account.security", data={"name": "Asha", "what": "LOCKED"}),
        requested("admin.broadcast", data={"title": "Holiday", "message": "Closed on Monday."}),
        requested("admin.alert", data={"type": "delivery.unassigned", "severity": "WARN", "title": "No rider"}),
    ]
    secret = [
        (requested("delivery.picked-up", data={"orderId": 900}), {"otp": "483920"}),
        (requested("account.verify-email", data={"name": "Asha"}), {"otp": "483920"}),
        (requested("account.reset-password", data={"invitation": False}), {"link": f"{SHOP}/r#token=x"}),
        (requested("account.reset-password", data={"invitation": True}), {"link": f"{SHOP}/r#token=x"}),
    ]
    return [*((notice, {}) for notice in plain), *secret]


EXAMPLES = examples()


@pytest.fixture(scope="module")
def renderer() -> rendering.Renderer:
    return rendering.Renderer(timezone="Asia/Kolkata", storefront_url=SHOP)


def context(notice: domain.Notice, secret: dict[str, Any]) -> dict[str, Any]:
    """The variables as `flow.notify` gathers them."""
    label = {"order_label": "RC-900"} if notice.order_id else {}
    return {"name": "Asha", "url": notice.url or "/", **label, **notice.context, **secret}


def test_there_is_an_example_of_every_template_and_a_template_for_every_file() -> None:
    assert {notice.template for notice, _ in EXAMPLES} == set(domain.TEMPLATES)
    files = {path.name for path in rendering.FOLDER.glob("*.j2")} - {"layout.html.j2"}
    pattern = re.compile(r"(?P<key>[a-z]+\.[a-z-]+)\.(?P<locale>en|hi)\.(?P<channel>email|sms|websocket)\.j2")
    parts = [pattern.fullmatch(name) for name in files]
    assert all(part is not None and part["key"] in domain.TEMPLATES for part in parts), files
    english = {(part["key"], part["channel"].upper()) for part in parts if part and part["locale"] == "en"}
    assert english == {(key, channel) for key, each in domain.TEMPLATES.items() for channel in each.channels}


@pytest.mark.parametrize(("notice", "secret"), EXAMPLES, ids=[notice.template for notice, _ in EXAMPLES])
@pytest.mark.parametrize("locale", ["en", "hi"])
def test_every_template_renders(
    renderer: rendering.Renderer, notice: domain.Notice, secret: dict[str, Any], locale: str
) -> None:
    template = domain.TEMPLATES[notice.template]
    for channel in renderer.channels(template):
        rendered = renderer.render(template, channel=channel, locale=locale, context=context(notice, secret))
        shown = rendered.title + rendered.text
        assert rendered.text
        assert "None" not in shown
        assert "{" not in shown
        assert (rendered.title == "") == (channel == "SMS")
        assert (rendered.html is None) == (channel != "EMAIL")
        if channel == "SMS":
            assert domain.sms_segments(rendered.text) <= 2
        for value in secret.values():
            assert value in shown


@pytest.mark.parametrize("path", sorted(rendering.FOLDER.glob("*.*.*.*.j2")), ids=lambda path: path.name)
def test_no_template_uses_a_variable_that_its_event_does_not_bring(path: Any) -> None:
    key = ".".join(path.name.split(".")[:2])
    environment = jinja2.Environment(autoescape=True)
    environment.filters |= dict.fromkeys(("rupees", "clock", "day"), str)
    used = meta.find_undeclared_variables(environment.parse(path.read_text()))
    checked = set(re.findall(r"(\w+) is defined", path.read_text()))  # what may be absent is asked for first
    for notice, secret in EXAMPLES:
        if notice.template == key:
            assert used - checked <= {*context(notice, secret), "storefront_url"}


def test_an_unknown_variable_is_an_error(renderer: rendering.Renderer) -> None:
    with pytest.raises(jinja2.UndefinedError):
        renderer.render(domain.TEMPLATES["order.placed"], channel="WEBSOCKET", locale="en", context={"name": ""})


def test_titles_are_translated_and_the_text_falls_back_to_english(renderer: rendering.Renderer) -> None:
    template = domain.TEMPLATES["order.preparing"]
    given = {"order_label": "RC-900"}
    hindi = renderer.render(template, channel="WEBSOCKET", locale="hi", context=given)
    english = renderer.render(template, channel="WEBSOCKET", locale="en", context=given)
    assert hindi.title == "आपका ऑर्डर पैक हो रहा है"
    assert english.title == "We are packing your order"
    assert hindi.text == english.text


def test_html_is_escaped_and_links(renderer: rendering.Renderer) -> None:
    given = {"name": "<b>A&B</b>", "url": "/orders/9", "order_label": "RC-9"}
    rendered = renderer.render(domain.TEMPLATES["order.confirmed"], channel="EMAIL", locale="en", context=given)
    assert rendered.html is not None
    assert "<b>" not in rendered.html
    assert "&lt;b&gt;A&amp;B&lt;/b&gt;" in rendered.html
    assert f'<a href="{SHOP}/orders/9"' in rendered.html
    assert "<b>A&B</b>" in rendered.text


def test_amounts_and_times_are_shown_as_people_write_them(renderer: rendering.Renderer) -> None:
    (notice,) = messages.order_created(received("order.created", ours.OrderCreated))
    placed = renderer.render(
        domain.TEMPLATES["order.placed"], channel="WEBSOCKET", locale="en", context=context(notice, {})
    )
    assert "₹242.40" in placed.text
    assigned = messages.delivery_assigned(received("delivery.assigned", ours.DeliveryAssigned))[0]
    assert clock.to_text(clock.from_text(world.AT)) == world.AT
    shown = renderer.render(
        domain.TEMPLATES["delivery.assigned"], channel="WEBSOCKET", locale="en", context=context(assigned, {})
    )
    assert "14:35" in shown.text  # 09:05 UTC in Kolkata
