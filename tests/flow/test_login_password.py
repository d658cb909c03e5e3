"""Signing in by password, changing and resetting it; the keys that sign what comes out."""

from pathlib import Path

import httpx2
import jwt

from revcart.auth import passwords
from tests.flow import people


def without_id(answer: httpx2.Response) -> dict[str, object]:
    return {name: value for name, value in answer.json().items() if name != "requestId"}


async def test_refusals_do_not_tell_why(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        unknown, wrong = await shop.login("nobody@example.org"), await shop.login("asha@example.org", "wrong")
        assert without_id(unknown) == without_id(wrong)
        assert wrong.headers["www-authenticate"].startswith("Bearer ")
        too_long = await shop.login("asha@example.org", people.PASSWORD + "x" * 80)
        assert without_id(too_long) == without_id(wrong)


async def test_a_password_that_begins_alike_is_wrong(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup(password="x" * 72)
        assert (await shop.login("asha@example.org", "x" * 73)).status_code == 401
        assert (await shop.login("asha@example.org", "x" * 72)).status_code == 200


async def test_changing_the_password_ends_the_other_sessions(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        here, there = await shop.signup(), (await shop.login("asha@example.org")).json()
        body = {"currentPassword": people.PASSWORD, "newPassword": "another battery"}
        answer = await shop.auth.post("/api/auth/change-password", json=body, headers=people.bearer(here))
        assert answer.status_code == 204
        assert (await shop.auth.get("/api/auth/me", headers=people.bearer(here))).status_code == 200
        assert (await shop.auth.get("/api/auth/me", headers=people.bearer(there))).status_code == 401
        assert (await shop.login("asha@example.org")).status_code == 401
        assert (await shop.login("asha@example.org", "another battery")).status_code == 200


async def test_reset_links_last_half_an_hour_and_the_newest_counts(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        ask = {"email": "asha@example.org"}
        unknown = await shop.auth.post("/api/auth/forgot-password", json={"email": "nobody@example.org"})
        known = await shop.auth.post("/api/auth/forgot-password", json=ask)
        assert (known.status_code, known.json()) == (202, unknown.json())
        first = await shop.reset_token("asha@example.org")
        await shop.auth.post("/api/auth/forgot-password", json=ask)
        second = await shop.reset_token("asha@example.org", count=2)

        async def reset(token: str) -> int:
            body = {"token": token, "newPassword": "another battery"}
            return (await shop.auth.post("/api/auth/reset-password", json=body)).status_code

        assert await reset(first) == 422
        shop.clock.advance(1800)
        assert await reset(second) == 422
        for _ in range(4):
            await shop.auth.post("/api/auth/forgot-password", json=ask)
        third = await shop.reset_token("asha@example.org", count=3)
        assert await reset(third) == 204, "three an hour, the fourth is not sent"


async def test_keys_rotate_without_signing_anybody_out(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:

        async def kids() -> set[str]:
            return {key["kid"] for key in (await shop.auth.get("/api/auth/jwks")).json()["keys"]}

        headers = shop.identity.service_headers("auth", callee="auth")
        assert (await shop.auth.post("/internal/keys/rotate", headers=headers)).status_code == 202
        session = await shop.signup()
        old = jwt.get_unverified_header(session["token"])["kid"]
        assert old in await kids()
        assert len(await kids()) == 2, "the next key is published before it signs"

        shop.clock.advance(601)
        headers = shop.identity.service_headers("auth", callee="auth")
        await shop.auth.post("/internal/keys/rotate", headers=headers)
        fresh = (await shop.login("asha@example.org")).json()
        new = jwt.get_unverified_header(fresh["token"])["kid"]
        assert new != old
        for token in (session, fresh):
            assert (await shop.auth.get("/api/auth/me", headers=people.bearer(token))).status_code == 200
            assert (await shop.user.get("/api/users/profile", headers=people.bearer(token))).status_code == 200

        shop.clock.advance(86400 + 200)
        headers = shop.identity.service_headers("auth", callee="auth")
        await shop.auth.post("/internal/keys/rotate", headers=headers)
        assert old not in await kids()
        assert new in await kids()


async def test_private_keys_are_not_in_the_file(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        content = people.stored_bytes(tmp_path)
        assert b"PRIVATE" not in content
        assert b"\x06\t*\x86H\x86\xf7\r\x01\x01\x01" not in content, "the DER of an RSA key in clear"


async def test_a_cheaper_hash_is_renewed(tmp_path: Path) -> None:
    old = await passwords.Passwords(rounds=4).hash(people.PASSWORD)
    today = passwords.Passwords(rounds=5)
    for prefix in ("$2a$", "$2b$", "$2y$"):
        assert await today.matches(people.PASSWORD, prefix + old[4:])
        assert today.is_stale(prefix + old[4:])
    assert not today.is_stale(await today.hash(people.PASSWORD))
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
    async with people.gathered(tmp_path, auth_bcrypt_rounds=5) as shop:
        assert (await shop.login("asha@example.org")).status_code == 200
        assert (await shop.login("asha@example.org")).status_code == 200
