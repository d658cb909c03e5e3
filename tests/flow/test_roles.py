"""Who may change what somebody is, and the shop's first administrator."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.flow import people


async def set_role(shop: people.People, by: dict[str, Any], user_id: int, role: str) -> httpx2.Response:
    return await shop.user.put(f"/api/users/{user_id}/role", json={"role": role}, headers=people.bearer(by))


@pytest.mark.regression("R2")
async def test_r02_only_admin_changes_roles(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        boss, asha = await shop.admin(), await shop.signup()
        for role in ("ADMIN", "DELIVERY_AGENT"):
            answer = await set_role(shop, asha, asha["id"], role)
            assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")
        body = {"name": "Asha Rao", "role": "ADMIN", "status": "ACTIVE"}
        await shop.user.put("/api/users/profile", json=body, headers=people.bearer(asha))
        assert (await shop.auth.get("/api/auth/me", headers=people.bearer(asha))).json()["role"] == "CUSTOMER"

        own = await set_role(shop, boss, boss["id"], "CUSTOMER")
        assert (own.status_code, own.json()["code"]) == (409, "account.own-role")

        made = await set_role(shop, boss, asha["id"], "ADMIN")
        assert (made.status_code, made.json()["role"]) == (200, "ADMIN")
        assert (await shop.auth.get("/api/auth/me", headers=people.bearer(asha))).status_code == 401
        assert (
            await shop.auth.post("/api/auth/refresh", json={"refreshToken": asha["refreshToken"]})
        ).status_code == 401
        asha = (await shop.login("asha@example.org")).json()
        assert asha["role"] == "ADMIN"

        # The first administrator steps down; with a token from before, the last one left cannot be touched.
        assert (await set_role(shop, asha, boss["id"], "CUSTOMER")).status_code == 200
        answer = await set_role(shop, boss, asha["id"], "CUSTOMER")
        assert (answer.status_code, answer.json()["code"]) == (409, "account.last-admin")
        farah = await shop.signup("farah@example.org")
        answer = await set_role(shop, boss, farah["id"], "ADMIN")
        assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden")
        headers = shop.identity.service_headers("user", callee="auth")
        answer = await shop.auth.put(
            f"/internal/accounts/{asha['id']}/role", json={"role": "CUSTOMER"}, headers=headers
        )
        assert answer.status_code == 403, "the service alone may not, it names the administrator"


async def test_the_last_administrator_stays(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        boss, asha = await shop.admin(), await shop.signup()
        await set_role(shop, boss, asha["id"], "ADMIN")
        asha = (await shop.login("asha@example.org")).json()
        path = f"/api/users/{boss['id']}/status"
        answer = await shop.user.put(path, json={"status": "BLOCKED"}, headers=people.bearer(asha))
        assert (answer.status_code, answer.json()["status"]) == (200, "BLOCKED")
        answer = await set_role(shop, boss, asha["id"], "CUSTOMER")
        assert (answer.status_code, answer.json()["code"]) == (409, "account.last-admin")
        own = await set_role(shop, asha, asha["id"], "CUSTOMER")
        assert own.json()["code"] == "account.own-role"


async def test_the_blocked_are_out(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        boss, asha = await shop.admin(), await shop.signup()
        path = f"/api/users/{asha['id']}/status"
        body = {"status": "BLOCKED", "reason": "Chargebacks"}
        assert (await shop.user.put(path, json=body, headers=people.bearer(boss))).status_code == 200
        assert (await shop.auth.get("/api/auth/me", headers=people.bearer(asha))).status_code == 401
        wrong = await shop.login("asha@example.org", "wrong")
        assert wrong.status_code == 401, "a stranger does not learn of it"
        answer = await shop.login("asha@example.org")
        assert (answer.status_code, answer.json()["code"]) == (403, "account.blocked")
        await shop.user.put(path, json={"status": "ACTIVE"}, headers=people.bearer(boss))
        assert (await shop.login("asha@example.org")).status_code == 200


async def test_unknown_people(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        answer = await set_role(shop, await shop.admin(), 4711, "ADMIN")
        assert (answer.status_code, answer.json()["code"]) == (404, "resource.not-found")


async def test_the_first_administrator_is_made_once(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        boss = await shop.admin()
    async with people.gathered(tmp_path, auth_first_admin_password="something else") as shop:
        assert (await shop.admin())["id"] == boss["id"], "an administrator there is is never changed"


async def test_the_first_administrator_is_promoted(tmp_path: Path) -> None:
    async with people.gathered(tmp_path, auth_first_admin_email="") as shop:
        asha = await shop.signup("boss@example.org", password="an old password")
    async with people.gathered(tmp_path) as shop:
        answer = await shop.auth.post("/api/auth/refresh", json={"refreshToken": asha["refreshToken"]})
        assert answer.status_code == 401
        boss = await shop.admin()
        assert (boss["id"], boss["role"]) == (asha["id"], "ADMIN")
        assert (await shop.login("boss@example.org", "an old password")).status_code == 401


async def test_without_a_password_the_first_administrator_gets_a_link(tmp_path: Path) -> None:
    async with people.gathered(tmp_path, auth_first_admin_password="") as shop:
        body = {"token": await shop.reset_token("boss@example.org"), "newPassword": people.PASSWORD}
        shop.clock.advance(71 * 3600)
        assert (await shop.auth.post("/api/auth/reset-password", json=body)).status_code == 204
        assert (await shop.admin())["role"] == "ADMIN"
