"""Refresh tokens: each works once, a second use ends the session; the cookie that may carry them."""

import asyncio
from pathlib import Path

import httpx2
import pytest

from tests.flow import people


async def refresh(shop: people.People, token: str) -> httpx2.Response:
    return await shop.auth.post("/api/auth/refresh", json={"refreshToken": token})


async def me(shop: people.People, session: dict[str, str]) -> int:
    return (await shop.auth.get("/api/auth/me", headers=people.bearer(session))).status_code


@pytest.mark.regression("R13")
async def test_r13_rotation_and_reuse(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        first = await shop.signup()
        second = (await refresh(shop, first["refreshToken"])).json()
        assert second["refreshToken"] != first["refreshToken"]
        assert second["id"] == first["id"]
        assert await me(shop, second) == 200

        reused = await refresh(shop, first["refreshToken"])
        assert (reused.status_code, reused.json()["code"]) == (401, "auth.refresh-reused")
        heir = await refresh(shop, second["refreshToken"])
        assert (heir.status_code, heir.json()["code"]) == (401, "auth.refresh-invalid")
        assert await me(shop, second) == 401, "the session's access tokens end with it"
        again = await refresh(shop, first["refreshToken"])
        assert again.json()["code"] == "auth.refresh-reused"

        events = await shop.recorder.wait("notification.requested", count=2)
        warnings = [event for event in events if event.data["template"] == "account.security"]
        assert [event.data["data"]["what"] for event in warnings] == ["TOKEN_REUSED"]
        assert (await shop.login("asha@example.org")).status_code == 200, "other sessions are not concerned"


async def test_of_two_uses_at_once_one_wins(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup()
        answers = await asyncio.gather(*(refresh(shop, session["refreshToken"]) for _ in range(10)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] + [401] * 9
        assert {answer.json()["code"] for answer in answers if answer.status_code == 401} == {"auth.refresh-reused"}


async def test_thirty_days_from_the_last_use(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup()
        for _ in range(3):
            shop.clock.advance(29 * 86400)
            answer = await refresh(shop, session["refreshToken"])
            assert answer.status_code == 200, answer.text
            session = answer.json()
        assert session["refreshExpiresIn"] == 3 * 86400, "ninety days in all"
        shop.clock.advance(3 * 86400)
        answer = await refresh(shop, session["refreshToken"])
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.refresh-expired")


async def test_a_grace_allows_one_double_use(tmp_path: Path) -> None:
    async with people.gathered(tmp_path, auth_refresh_grace_seconds=10) as shop:
        session = await shop.signup()
        assert (await refresh(shop, session["refreshToken"])).status_code == 200
        assert (await refresh(shop, session["refreshToken"])).status_code == 200
        assert (await refresh(shop, session["refreshToken"])).json()["code"] == "auth.refresh-reused"


@pytest.mark.parametrize("token", ["rcr_unknown", "x"])
async def test_unknown_tokens(tmp_path: Path, token: str) -> None:
    async with people.gathered(tmp_path) as shop:
        answer = await refresh(shop, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.refresh-invalid")
        answer = await shop.auth.post("/api/auth/refresh")
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.refresh-invalid")


async def test_the_cookie_carries_it_where_wanted(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup(cookie=True)
        assert session["refreshToken"] is None
        cookie = shop.auth.cookies["revcart_refresh"]
        refused = await shop.auth.post("/api/auth/refresh", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "auth.forbidden")
        answer = await shop.auth.post("/api/auth/refresh", json={}, headers={"X-Requested-With": "RevCart"})
        assert answer.json()["refreshToken"] is None
        assert shop.auth.cookies["revcart_refresh"] != cookie
        attributes = answer.headers["set-cookie"].lower()
        for attribute in ("httponly", "samesite=strict", "path=/api/auth"):
            assert attribute in attributes
        out = await shop.auth.post("/api/auth/logout", headers={"X-Requested-With": "RevCart"})
        assert out.status_code == 204
        assert "revcart_refresh" not in shop.auth.cookies


async def test_logout_ends_the_session(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup()
        body = {"refreshToken": session["refreshToken"]}
        for _ in range(2):
            assert (await shop.auth.post("/api/auth/logout", json=body)).status_code == 204
        assert await me(shop, session) == 401
        assert (await refresh(shop, session["refreshToken"])).status_code == 401
        other = (await shop.login("asha@example.org")).json()
        assert (await shop.auth.post("/api/auth/logout", headers=people.bearer(other))).status_code == 204
        assert (await shop.auth.post("/api/auth/logout", headers=people.bearer(other))).status_code == 204
        assert await me(shop, other) == 401


async def test_sessions_are_listed_and_ended_by_their_owner(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        phone, laptop = await shop.signup(), (await shop.login("asha@example.org")).json()
        stranger = await shop.signup("other@example.org")
        listed = (await shop.auth.get("/api/auth/sessions", headers=people.bearer(phone))).json()
        assert sorted(device["current"] for device in listed) == [False, True]
        laptop_sid = next(device["sid"] for device in listed if not device["current"])
        path = f"/api/auth/sessions/{laptop_sid}"
        assert (await shop.auth.delete(path, headers=people.bearer(stranger))).status_code == 404
        assert (await shop.auth.delete(path, headers=people.bearer(phone))).status_code == 204
        assert await me(shop, laptop) == 401
        assert await me(shop, phone) == 200
        assert (await shop.auth.post("/api/auth/logout-all", headers=people.bearer(phone))).status_code == 204
        assert await me(shop, phone) == 401
        assert await me(shop, stranger) == 200
