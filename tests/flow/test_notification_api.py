"""The endpoints of a user's notifications and preferences, and the personal data of both."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from revcart.kit import clock
from tests.flow import notification_world as worlds
from tests.flow.notification_world import ADMIN, CUSTOMER, OTHER

BASE = "/api/notifications"


@pytest.fixture
async def world() -> AsyncIterator[worlds.World]:
    async with worlds.world() as made:
        made.contacts[CUSTOMER] = worlds.contact()
        yield made


async def three(world: worlds.World) -> list[dict[str, Any]]:
    """Three notifications, a second apart, newest first."""
    listed = {"order.created": "ORDER_PLACED", "payment.failed": "PAYMENT_FAILED", "payment.refunded": "REFUND"}
    for event, type_ in listed.items():
        await world.happens(event)
        await world.listed(type_)
        world.clock.advance(1)
    return await world.notifications()


async def unread(world: worlds.World, user_id: int = CUSTOMER) -> int:
    answer = await world.client.get(f"{BASE}/unread-count", headers=world.headers(user_id))
    count: int = answer.json()["count"]
    return count


async def test_the_list_is_paged_filtered_and_newest_first(world: worlds.World) -> None:
    found = await three(world)
    assert [each["type"] for each in found] == ["REFUND", "PAYMENT_FAILED", "ORDER_PLACED"]
    answer = (await world.client.get(f"{BASE}?size=2&page=1", headers=world.headers())).json()
    assert (answer["totalElements"], answer["last"], len(answer["content"])) == (3, True, 1)
    assert set(found[0]) == {
        "id", "userId", "type", "category", "title", "message", "data", "read", "readAt", "createdAt",
    }  # fmt: skip
    assert (await world.notifications(query="?sort=createdAt,asc"))[0]["type"] == "ORDER_PLACED"
    bad = await world.client.get(f"{BASE}?sort=title,asc", headers=world.headers())
    assert (bad.status_code, bad.json()["code"]) == (400, "request.invalid")
    assert await world.notifications(OTHER) == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_reading_one_keeps_the_first_time(world: worlds.World, method: str) -> None:
    newest = (await three(world))[0]
    assert await unread(world) == 3
    path = f"{BASE}/{newest['id']}/read"
    first = await world.client.request(method, path, headers=world.headers())
    assert first.status_code == 200
    assert first.json()["read"] is True
    world.clock.advance(60)
    again = await world.client.request(method, path, headers=world.headers())
    assert again.json() == first.json()
    assert await unread(world) == 2
    assert len(await world.notifications(query="?unread=true")) == 2
    assert [each["id"] for each in await world.notifications(query="?unread=false")] == [newest["id"]]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_reading_all_may_stop_at_an_instant(world: worlds.World, method: str) -> None:
    found = await three(world)
    before = {"before": found[1]["createdAt"]}
    answer = await world.client.request(method, f"{BASE}/read-all", json=before, headers=world.headers())
    assert answer.json() == {"updated": 2}
    assert await unread(world) == 1
    answer = await world.client.request(method, f"{BASE}/read-all", headers=world.headers())
    assert answer.json() == {"updated": 1}
    answer = await world.client.request(method, f"{BASE}/read-all", headers=world.headers())
    assert answer.json() == {"updated": 0}


async def test_deleting_is_repeatable(world: worlds.World) -> None:
    newest = (await three(world))[0]
    for _ in range(2):
        answer = await world.client.delete(f"{BASE}/{newest['id']}", headers=world.headers())
        assert (answer.status_code, answer.content) == (204, b"")
    assert len(await world.notifications()) == 2


async def test_somebody_elses_notification_is_as_one_that_does_not_exist(world: worlds.World) -> None:
    newest = (await three(world))[0]
    other = world.headers(OTHER)
    answers = [await world.client.put(f"{BASE}/{one}/read", headers=other) for one in (newest["id"], "0" * 24)]
    texts = [{**answer.json(), "instance": "", "requestId": ""} for answer in answers]
    assert texts[0] == texts[1]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert (await world.client.delete(f"{BASE}/{newest['id']}", headers=other)).status_code == 204
    assert len(await world.notifications()) == 3
    assert await unread(world) == 3


async def test_preferences_have_defaults_and_are_replaced_as_a_whole(world: worlds.World) -> None:
    on, off = dict.fromkeys(("EMAIL", "SMS", "WEBSOCKET"), True), dict.fromkeys(("EMAIL", "SMS", "WEBSOCKET"), False)
    defaults = {
        "locale": "en",
        "quietHours": None,
        "categories": {"ORDER": on, "PAYMENT": on, "DELIVERY": on, "OFFERS": off},
    }
    path = f"{BASE}/preferences"
    assert (await world.client.get(path, headers=world.headers())).json() == defaults
    body = {
        "locale": "hi",
        "quietHours": {"start": "22:00", "end": "07:00", "timezone": "Asia/Kolkata"},
        "categories": {"ORDER": {"SMS": False}, "OFFERS": {"EMAIL": True}, "ACCOUNT": {"EMAIL": True}},
    }
    saved = await world.client.put(path, json=body, headers=world.headers())
    assert saved.status_code == 200, saved.text
    assert saved.json()["quietHours"] == body["quietHours"]
    assert saved.json()["categories"]["ORDER"] == {**on, "SMS": False}
    assert saved.json()["categories"]["OFFERS"] == {**off, "EMAIL": True}
    assert (await world.client.get(path, headers=world.headers())).json() == saved.json()
    assert (await world.client.put(path, json={}, headers=world.headers())).json() == defaults


async def test_the_account_category_is_locked(world: worlds.World) -> None:
    body = {"locale": "hi", "categories": {"ACCOUNT": {"EMAIL": False}}}
    refused = await world.client.put(f"{BASE}/preferences", json=body, headers=world.headers())
    assert (refused.status_code, refused.json()["code"]) == (422, "notification.category-locked")
    assert (await world.client.get(f"{BASE}/preferences", headers=world.headers())).json()["locale"] == "en"


@pytest.mark.parametrize(
    "body",
    [
        {"locale": "fr"},
        {"quietHours": {"start": "25:00", "end": "07:00", "timezone": "UTC"}},
        {"quietHours": {"start": "22:00", "end": "07:00", "timezone": "Mars/Olympus"}},
        {"quietHours": {"start": "22:00", "end": "07:00", "timezone": "../../etc/passwd"}},
        {"quietHours": {"start": "22:00"}},
        {"categories": {"ORDER": {"SMS": "no"}}},
    ],
)
async def test_bad_preferences_are_400(world: worlds.World, body: dict[str, Any]) -> None:
    answer = await world.client.put(f"{BASE}/preferences", json=body, headers=world.headers())
    assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""), ("GET", "/unread-count"), ("PUT", "/read-all"), ("PUT", "/x/read"), ("DELETE", "/x"),
        ("GET", "/preferences"), ("PUT", "/preferences"), ("GET", "/failed"), ("POST", "/x/retry"),
        ("GET", "/dev/mailbox"), ("DELETE", "/dev/mailbox"),
    ],
)  # fmt: skip
async def test_nothing_is_open(world: worlds.World, method: str, path: str) -> None:
    answer = await world.client.request(method, BASE + path)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token-missing")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/failed"), ("POST", "/x/retry"), ("GET", "/dev/mailbox"), ("DELETE", "/dev/mailbox")]
)
async def test_sending_is_the_admins_business(world: worlds.World, method: str, path: str) -> None:
    answer = await world.client.request(method, BASE + path, headers=world.headers())
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")


async def test_failed_checks_its_filters(world: worlds.World) -> None:
    for query in ("from=yesterday", "channel=PIGEON"):
        answer = await world.client.get(f"{BASE}/failed?{query}", headers=world.admin)
        assert answer.status_code == 400
    at = clock.to_text(world.clock.now())
    answer = await world.client.get(f"{BASE}/failed", params={"from": at}, headers=world.admin)
    assert answer.json()["totalElements"] == 0


async def test_the_mailbox_can_be_searched_and_emptied(world: worlds.World) -> None:
    await world.happens("order.status.updated")
    await world.mail("order.confirmed")
    path = f"{BASE}/dev/mailbox"
    found = await world.client.get(path, params={"to": "asha@example.org"}, headers=world.admin)
    assert [each["channel"] for each in found.json()] == ["EMAIL"]
    assert (await world.client.get(f"{path}?to=nobody@example.org", headers=world.admin)).json() == []
    assert (await world.client.delete(path, headers=world.admin)).status_code == 204
    assert (await world.client.get(path, headers=world.admin)).json() == []


async def test_personal_data_is_exported_and_erased(world: worlds.World) -> None:
    await world.happens("user.registered")
    await world.happens("user.registered", userId=OTHER, email="other@example.org")
    await world.listed("WELCOME", OTHER)
    await world.happens("order.status.updated")
    await world.mail("order.confirmed")
    internal = world.identity.service_headers("user", callee="notification")
    export = await world.client.get(f"/internal/export/{CUSTOMER}", headers=internal)
    assert export.status_code == 200
    assert export.json()["contact"]["email"] == "asha@example.org"
    assert {each["type"] for each in export.json()["notifications"]} == {"WELCOME", "ORDER_CONFIRMATION"}
    assert "other@example.org" not in export.text
    for _ in range(2):
        answer = await world.client.delete(f"/internal/personal-data/{CUSTOMER}", headers=internal)
        assert answer.status_code == 204
    export = await world.client.get(f"/internal/export/{CUSTOMER}", headers=internal)
    assert export.json() == {"contact": None, "preferences": None, "notifications": [], "messages": []}
    assert await world.notifications() == []
    assert len(await world.notifications(OTHER)) == 1
    mails = await world.client.get(f"{BASE}/dev/mailbox", headers=world.admin)
    assert "asha@example.org" not in mails.text


@pytest.mark.parametrize("path", ["/internal/export/7", "/internal/personal-data/7"])
async def test_internal_paths_are_for_user_alone(world: worlds.World, path: str) -> None:
    method = "GET" if "export" in path else "DELETE"
    wrong = world.identity.service_headers("order", callee="notification")
    assert (await world.client.request(method, path, headers=wrong)).status_code == 403
    assert (await world.client.request(method, path, headers=world.headers(ADMIN, "ADMIN"))).status_code == 401
    assert (await world.client.request(method, path)).status_code == 401


async def test_the_document_names_every_operation_once(world: worlds.World) -> None:
    document = (await world.client.get("/openapi.json")).json()
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))
    assert "put" in document["paths"]["/api/notifications/{id}/read"]
    assert "patch" in document["paths"]["/api/notifications/{id}/read"]
    assert "422" in document["paths"]["/api/notifications/preferences"]["put"]["responses"]
