"""Opening an account: who one becomes, what is refused, what happens with the e-mail address."""

from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.flow import people


@pytest.mark.regression("R1")
async def test_r01_role_from_client_is_ignored(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup(role="ADMIN", userId=1, id=1, emailVerified=True, status="ACTIVE")
        assert session["role"] == "CUSTOMER"
        assert session["emailVerified"] is False
        claims = jwt.decode(session["token"], options={"verify_signature": False})
        assert claims["role"] == "CUSTOMER"
        answer = await shop.user.get("/api/users", headers=people.bearer(session))
        assert answer.status_code == 403


async def test_signup_signs_in_and_tells_the_others(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup("Asha@Example.org", phone="9876543210")
        assert session["type"] == "Bearer"
        assert session["expiresIn"] == 86400
        assert session["refreshExpiresIn"] == 30 * 86400
        me = (await shop.auth.get("/api/auth/me", headers=people.bearer(session))).json()
        assert (me["email"], me["phone"], me["hasPassword"]) == ("Asha@Example.org", "+919876543210", True)
        registered = [
            event for event in await shop.recorder.wait("user.registered", count=2) if event.data["via"] == "PASSWORD"
        ]
        assert [event.data["userId"] for event in registered] == [session["id"]]
        profile = await shop.user.get("/api/users/profile", headers=people.bearer(session))
        assert profile.json()["name"] == "Asha Rao"


async def test_an_address_is_taken_whatever_its_case(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup("asha@example.org")
        body = {"name": "Other", "email": "ASHA@example.org", "password": people.PASSWORD}
        answer = await shop.auth.post("/api/auth/signup", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "account.email-taken")


GOOD = {"name": "Asha Rao", "email": "asha@example.org", "password": people.PASSWORD}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "A"},
        {"name": "A" * 51},
        {"name": "A\u0000B"},
        {"name": 7},
        {"email": "no-at"},
        {"email": "a@b@c"},
        {"email": "a" * 250 + "@b.cd"},
        {"password": "short"},
        {"password": "x" * 73},
        {"password": "\N{GRINNING FACE}" * 19},
        {"password": "ASHA@example.org"},
        {"phone": "12"},
        {"phone": 9876543210},
        {"email": None},
    ],
    ids=str,
)
async def test_what_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    async with people.gathered(tmp_path) as shop:
        answer = await shop.auth.post("/api/auth/signup", json={**GOOD, **change})
        assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")
        assert (await shop.login("asha@example.org")).status_code == 401


async def test_where_the_address_must_be_proven_first(tmp_path: Path) -> None:
    async with people.gathered(tmp_path, auth_require_verified_email=True) as shop:
        session = await shop.signup()
        assert (session["token"], session["refreshToken"]) == (None, None)
        refused = await shop.login("asha@example.org")
        assert (refused.status_code, refused.json()["code"]) == (403, "account.email-unverified")
        otp = await shop.otp("asha@example.org")
        await shop.auth.post("/api/auth/verify-email", json={"email": "asha@example.org", "otp": otp})
        assert (await shop.login("asha@example.org")).status_code == 200


async def test_the_demonstrations_people(tmp_path: Path) -> None:
    async with people.gathered(tmp_path, demo_data=True, auth_first_admin_email="") as shop:
        for email, role in (
            ("admin@example.com", "ADMIN"),
            ("asha@example.com", "CUSTOMER"),
            ("ravi@example.com", "DELIVERY_AGENT"),
        ):
            session = (await shop.login(email, "revcart-demo")).json()
            assert (session["role"], session["emailVerified"]) == (role, True)
        assert len(await shop.recorder.wait("user.registered", count=8)) == 8


def test_production_refuses_the_demonstration(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="production refuses"):
        people.auth_settings(tmp_path, environment="production", demo_data=True)
