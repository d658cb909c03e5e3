"""One-time codes: where they go, how they are kept, how long they last; and changing the address."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import structlog

from revcart.auth import domain
from revcart.kit import telemetry
from tests import databases
from tests.flow import people

EMAIL = "asha@example.org"


async def verify(shop: people.People, otp: str, email: str = EMAIL) -> httpx2.Response:
    return await shop.auth.post("/api/auth/verify-email", json={"email": email, "otp": otp})


async def resend(shop: people.People, email: str = EMAIL) -> httpx2.Response:
    return await shop.auth.post("/api/auth/resend-verification", json={"email": email})


def wrong(otp: str) -> str:
    return f"{(int(otp) + 1) % 1_000_000:06d}"


@pytest.fixture
def log_folder(tmp_path: Path) -> Iterator[Path]:
    """Where the log goes, all levels of it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    telemetry.configure("DEBUG", "json", "auth", directory=tmp_path / "logs")
    yield tmp_path / "logs"
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.regression("R3")
async def test_r03_code_is_never_disclosed(tmp_path: Path, log_folder: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        said = []
        body = {"name": "Asha Rao", "email": EMAIL, "password": people.PASSWORD}
        said.append(await shop.auth.post("/api/auth/signup", json=body))
        first = await shop.otp(EMAIL)
        shop.clock.advance(61)
        said.append(await resend(shop))
        second = await shop.otp(EMAIL, count=2)
        said.append(await verify(shop, wrong(second)))
        said.append(await verify(shop, second))
        said.append(await shop.auth.post("/api/auth/forgot-password", json={"email": EMAIL}))
        token = await shop.reset_token(EMAIL)
        body = {"token": token, "newPassword": "another battery"}
        said.append(await shop.auth.post("/api/auth/reset-password", json=body))
        assert said[-1].status_code == 204

        told = "".join(answer.text + str(answer.headers) for answer in said)
        logged = people.text_in(log_folder)
        clear = "".join(
            str({**event.data, "secret": None}) for event in shop.recorder.of("notification.requested")
        ) + str([event.data for event in shop.recorder.of("user.registered")])
        assert "account.opened" in logged, "the log is what was captured"
        for secret in (first, second, token):
            alone = re.compile(rf"(?<![\w-]){secret}(?![\w-])")
            assert [where[:80] for where in (told, logged, clear) if alone.search(where)] == []
            assert alone.search(f"code {secret}."), "the search finds what is there"


@pytest.mark.regression("R4")
async def test_r04_code_is_random_and_hashed(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        codes = []
        for number in range(20):
            email = f"asha{number}@example.org"
            await shop.signup(email)
            codes.append(await shop.otp(email))
        assert all(len(code) == 6 and code.isdecimal() for code in codes)
        assert len(set(codes)) >= 19, "20 of a million: two pairs alike mean a poor generator"

        stored = databases.execute(databases.url("auth", tmp_path), "SELECT code_hash FROM one_time_codes")
        assert len(stored) == 20
        assert all(len(digest) == 32 for (digest,) in stored)
        content = people.stored_bytes(tmp_path)
        assert not [code for code in codes if f'"{code}"'.encode() in content]

        # The digest is keyed: the same code of the same account under another key is another digest.
        purpose = domain.Purpose.VERIFY_EMAIL
        digests = {
            domain.otp_digest("123456", key=key, purpose=purpose, account_id=account)
            for key in ("a" * 32, "b" * 32)
            for account in (1, 2)
        }
        assert len(digests) == 4


@pytest.mark.regression("R5")
async def test_r05_tries_and_time_are_limited(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        otp = await shop.otp(EMAIL)
        for left in (4, 3, 2, 1, 0):
            problem = (await verify(shop, wrong(otp))).json()
            assert (problem["code"], problem["attemptsLeft"]) == ("account.otp-invalid", left)
        exhausted = await verify(shop, otp)
        assert (exhausted.status_code, exhausted.json()["code"]) == (422, "account.otp-exhausted")

        shop.clock.advance(61)
        await resend(shop)
        second = await shop.otp(EMAIL, count=2)
        shop.clock.advance(600)
        assert (await verify(shop, second)).json()["code"] == "account.otp-expired"

        await resend(shop)
        third = await shop.otp(EMAIL, count=3)
        if third != second:
            assert (await verify(shop, second)).json()["code"] == "account.otp-invalid"
        assert (await verify(shop, third)).json() == {"emailVerified": True}
        assert (await verify(shop, third)).json() == {"emailVerified": True}, "a repeat is harmless"
        unused = "SELECT count(*) FROM one_time_codes WHERE used_at IS NULL"
        assert databases.execute(databases.url("auth", tmp_path), unused) == [(0,)], "used once, it is dead"


async def test_an_unknown_address_is_like_a_wrong_code(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        otp = await shop.otp(EMAIL)
        known, unknown = await verify(shop, wrong(otp)), await verify(shop, wrong(otp), "nobody@example.org")
        strip = {"requestId"}
        assert {k: v for k, v in known.json().items() if k not in strip} == {
            k: v for k, v in unknown.json().items() if k not in strip
        }
        assert known.status_code == unknown.status_code == 422


async def test_a_minute_between_two_codes_and_five_an_hour(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        await shop.signup()
        same = await resend(shop)
        for _ in range(8):
            shop.clock.advance(61)
            answer = await resend(shop)
            assert (answer.status_code, answer.json()) == (202, same.json())
        await shop.otp(EMAIL, count=5)
        shop.clock.advance(3600)
        await resend(shop)
        assert len(await shop.secrets("account.verify-email", EMAIL, count=6)) == 6


async def test_another_address_takes_effect_once_it_is_proven(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup()
        body = {"newEmail": "Rao@Example.org", "password": "wrong"}
        answer = await shop.auth.post("/api/auth/change-email", json=body, headers=people.bearer(session))
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.bad-credentials")
        body["password"] = people.PASSWORD
        answer = await shop.auth.post("/api/auth/change-email", json=body, headers=people.bearer(session))
        assert answer.status_code == 202
        assert (await shop.login("rao@example.org")).status_code == 401
        otp = await shop.otp("Rao@Example.org")
        assert (await verify(shop, otp, "rao@example.org")).json() == {"emailVerified": True}
        assert (await shop.login("rao@example.org")).status_code == 200
        assert (await shop.login(EMAIL)).status_code == 401


async def test_an_address_in_use_cannot_be_taken_over(tmp_path: Path) -> None:
    async with people.gathered(tmp_path) as shop:
        session = await shop.signup()
        await shop.signup("rao@example.org")
        body = {"newEmail": "RAO@example.org", "password": people.PASSWORD}
        answer = await shop.auth.post("/api/auth/change-email", json=body, headers=people.bearer(session))
        assert (answer.status_code, answer.json()["code"]) == (409, "account.email-taken")
