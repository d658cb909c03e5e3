"""Profile, preferences and contact: identity is auth's, with a copy for when auth is away."""

from pathlib import Path
from typing import Any

import pytest

from revcart.auth import app as auth_app
from revcart.kit import clock, hub, testing
from revcart.user import app as user_app
from tests.flow import people


async def test_the_profile_is_read_and_changed(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup()
        headers = people.bearer(asha)
        answer = await shop.user.get("/api/users/profile", headers=headers)
        profile = answer.json()
        assert (profile["id"], profile["email"], profile["role"]) == (asha["id"], "asha@example.org", "CUSTOMER")
        assert (profile["phone"], profile["avatarUrl"], profile["dateOfBirth"]) == (None, None, None)
        unchanged = await shop.user.get(
            "/api/users/profile", headers={**headers, "If-None-Match": answer.headers["etag"]}
        )
        assert unchanged.status_code == 304

        body = {
            "name": "Asha R. Rao",
            "phone": "9876543210",
            "avatarUrl": "https://example.org/a.png",
            "dateOfBirth": "1990-02-28",
            "email": "evil@example.org",
            "role": "ADMIN",
        }
        changed = await shop.user.put("/api/users/profile", json=body, headers=headers)
        assert changed.status_code == 200, changed.text
        expected = {**profile, **body, "phone": "+919876543210", "email": "asha@example.org", "role": "CUSTOMER"}
        assert changed.json() == {**expected, "version": changed.json()["version"]}
        assert changed.json()["version"] > profile["version"]
        assert (await shop.user.get("/api/users/profile", headers=headers)).json() == changed.json()
        me = (await shop.auth.get("/api/auth/me", headers=headers)).json()
        assert (me["name"], me["phone"]) == ("Asha R. Rao", "+919876543210")


@pytest.mark.parametrize(
    "change",
    [
        {"name": "A"},
        {"avatarUrl": "http://example.org/a.png"},
        {"avatarUrl": "https://" + "x" * 500},
        {"dateOfBirth": "28.02.1990"},
        {"dateOfBirth": "1990-02-30"},
        {"phone": "12"},
    ],
    ids=str,
)
async def test_what_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup()
        answer = await shop.user.put(
            "/api/users/profile", json={"name": "Asha Rao", **change}, headers=people.bearer(asha)
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")


async def test_preferences(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        headers = people.bearer(await shop.signup())
        path = "/api/users/preferences"
        assert (await shop.user.get(path, headers=headers)).json() == {
            "locale": "en",
            "substitution": "SUBSTITUTE",
            "theme": "SYSTEM",
        }
        wanted = {"locale": "hi", "substitution": "CONTACT_ME", "theme": "DARK"}
        for _ in range(2):
            assert (await shop.user.put(path, json=wanted, headers=headers)).json() == wanted
        assert (await shop.user.get(path, headers=headers)).json() == wanted
        answer = await shop.user.put(path, json={**wanted, "theme": "dark"}, headers=headers)
        assert answer.status_code == 400


async def test_contact_for_other_services(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        asha = await shop.signup(phone="9876543210")
        path = f"/internal/users/{asha['id']}/contact"
        for caller in ("notification", "delivery", "order"):
            answer = await shop.user.get(path, headers=shop.identity.service_headers(caller, callee="user"))
            assert answer.json() == {
                "userId": asha["id"],
                "name": "Asha Rao",
                "email": "asha@example.org",
                "emailVerified": False,
                "phone": "+919876543210",
                "locale": "en",
                "role": "CUSTOMER",
            }
        assert (await shop.user.get(path, headers=people.bearer(asha))).status_code == 401
        headers = shop.identity.service_headers("order", callee="user")
        assert (await shop.user.get("/internal/users/4711/contact", headers=headers)).status_code == 404


async def test_the_copy_serves_while_auth_is_away(tmp_path: Path) -> None:
    time = clock.Manual()
    identity = testing.Identity(time)
    async with hub.Hub(None, time) as shared:
        identity.install(shared)
        settings = people.user_settings(tmp_path)
        async with testing.serving(user_app.create_app(settings, hub=shared)) as user:
            made = auth_app.create_app(people.auth_settings(tmp_path), hub=shared)
            async with testing.serving(made) as auth:
                body = {"name": "Asha Rao", "email": "asha@example.org", "password": people.PASSWORD}
                user_id = (await auth.post("/api/auth/signup", json=body)).json()["id"]
                headers = identity.headers(user_id=user_id)
                before = await user.get("/api/users/profile", headers=headers)
                assert before.status_code == 200
            time.advance(61)
            headers = identity.headers(user_id=user_id)
            assert (await user.get("/api/users/profile", headers=headers)).json() == before.json()
            stranger = await user.get("/api/users/profile", headers=identity.headers(user_id=4711))
            assert (stranger.status_code, stranger.json()["service"]) == (503, "auth")


async def test_demo_customers_have_addresses(tmp_path: Path) -> None:
    identity = testing.Identity()
    async with hub.Hub() as shared:
        identity.install(shared)
        for _ in range(2):
            settings = people.user_settings(tmp_path, demo_data=True)
            async with testing.serving(user_app.create_app(settings, hub=shared)) as user:
                found = (await user.get("/api/users/addresses", headers=identity.headers(user_id=2))).json()
                assert [address["isDefault"] for address in found] == [True, False]
                assert {address["city"] for address in found} == {"Bengaluru"}
