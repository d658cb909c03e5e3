"""Wrong passwords: five in a row lock the address, whether or not there is an account."""

import asyncio
from pathlib import Path

import pytest

from tests.flow import people


@pytest.mark.parametrize("email", ["asha@example.org", "nobody@example.org"])
async def test_five_wrong_passwords_lock_the_address(tmp_path: Path, email: str) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        for _ in range(5):
            answer = await shop.login(email, "wrong")
            assert (answer.status_code, answer.json()["code"]) == (401, "auth.bad-credentials")
        shop.clock.advance(100)
        answer = await shop.login(email.upper())
        assert (answer.status_code, answer.json()["code"]) == (423, "auth.account-locked")
        assert answer.headers["retry-after"] == "800"
        shop.clock.advance(800)
        expected = 200 if email == "asha@example.org" else 401
        assert (await shop.login(email)).status_code == expected


async def test_one_warning_per_lock(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        for _ in range(9):
            await shop.login("asha@example.org", "wrong")
        events = await shop.recorder.wait("notification.requested", count=2)
        assert [event.data["template"] for event in events] == ["account.verify-email", "account.security"]


async def test_the_right_password_forgets_the_wrong_ones(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        for _ in range(3):
            for _ in range(4):
                assert (await shop.login("asha@example.org", "wrong")).status_code == 401
            assert (await shop.login("asha@example.org")).status_code == 200


async def test_so_does_time(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        for _ in range(2):
            for _ in range(4):
                assert (await shop.login("asha@example.org", "wrong")).status_code == 401
            shop.clock.advance(900)
        assert (await shop.login("asha@example.org")).status_code == 200


async def test_guessing_at_once_does_not_get_round_it(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        answers = await asyncio.gather(*(shop.login("asha@example.org", f"guess {number}") for number in range(40)))
        assert sum(answer.status_code == 401 for answer in answers) == 5
        assert (await shop.login("asha@example.org")).status_code == 423


async def test_a_reset_lifts_the_lock(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup()
        for _ in range(5):
            await shop.login("asha@example.org", "wrong")
        await shop.auth.post("/api/auth/forgot-password", json={"email": "asha@example.org"})
        body = {"token": await shop.reset_token("asha@example.org"), "newPassword": "another battery"}
        assert (await shop.auth.post("/api/auth/reset-password", json=body)).status_code == 204
        again = await shop.auth.post("/api/auth/reset-password", json=body)
        assert (again.status_code, again.json()["code"]) == (422, "account.reset-token-invalid")
        assert (await shop.auth.get("/api/auth/me", headers=people.bearer(session))).status_code == 401
        answer = await shop.login("asha@example.org", "another battery")
        assert (answer.status_code, answer.json()["emailVerified"]) == (200, True)


async def test_checks_of_the_password_count_too(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup()
        body = {"currentPassword": "wrong", "newPassword": "another battery"}
        for _ in range(5):
            answer = await shop.auth.post("/api/auth/change-password", json=body, headers=people.bearer(session))
            assert answer.status_code == 401
        headers = shop.identity.service_headers("user", callee="auth")
        path = f"/internal/accounts/{session['id']}/password-check"
        answer = await shop.auth.post(path, json={"password": people.PASSWORD}, headers=headers)
        assert answer.status_code == 423
