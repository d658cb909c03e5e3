"""The world of the identity tests: auth and user in one process, a clock that the test moves, every event recorded."""

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from cryptography import fernet

from revcart.auth import app as auth_app
from revcart.kit import clock, events, hub, testing
from revcart.user import app as user_app
from tests import databases

PASSWORD = "correct horse battery"
KEY_ENCRYPTION_KEY = testing.EVENTS_KEY
OTP_KEY = "test-otp-key-of-32-characters-or-more"


@dataclasses.dataclass
class People:
    """Clients of both services, and what a mailbox would hold."""

    clock: clock.Manual
    hub: hub.Hub
    auth: httpx2.AsyncClient
    user: httpx2.AsyncClient
    recorder: testing.Recorder
    identity: testing.Identity

    async def signup(self, email: str = "asha@example.org", **fields: Any) -> dict[str, Any]:
        """Sign up; the Session."""
        body = {"name": "Asha Rao", "email": email, "password": PASSWORD, **fields}
        answer = await self.auth.post("/api/auth/signup", json=body)
        assert answer.status_code == 201, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def login(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.auth.post("/api/auth/login", json={"email": email, "password": password})

    async def admin(self) -> dict[str, Any]:
        """The first administrator's Session."""
        answer = await self.login("boss@example.org")
        assert answer.status_code == 200, answer.text
        session: dict[str, Any] = answer.json()
        return session

    async def secrets(self, template: str, email: str, *, count: int = 1) -> list[dict[str, str]]:
        """What was mailed to `email` in secret: `{"otp"}` or `{"link"}`, oldest first."""

        async def found() -> list[events.Envelope]:
            return [
                event
                for event in self.recorder.of("notification.requested")
                if event.data["template"] == template and event.data["recipient"]["email"] == email
            ]

        wanted = count
        while len(await found()) < count:
            wanted += 1
            await self.recorder.wait("notification.requested", count=wanted - 1)
        return [decrypted(event.data["secret"]) for event in await found()]

    async def otp(self, email: str, *, count: int = 1) -> str:
        """The newest code mailed to `email`, the `count`-th."""
        return (await self.secrets("account.verify-email", email, count=count))[-1]["otp"]

    async def reset_token(self, email: str, *, count: int = 1) -> str:
        """The token of the newest link mailed to `email`, the `count`-th."""
        link = (await self.secrets("account.reset-password", email, count=count))[-1]["link"]
        return link.partition("#token=")[2]


def decrypted(secret: str) -> dict[str, str]:
    content: dict[str, str] = json.loads(fernet.Fernet(testing.EVENTS_KEY).decrypt(secret))
    return content


def stored_bytes(folder: Path) -> bytes:
    """Everything that auth has written to its database."""
    return databases.content(databases.url("auth", folder))


def text_in(folder: Path) -> str:
    """The files of a folder."""
    return "".join(file.read_text() for file in folder.iterdir())


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['token']}"}


def auth_settings(folder: Path, **values: Any) -> auth_app.Settings:
    return testing.settings(
        auth_app.Settings,
        **{
            "database_url": databases.url("auth", folder),
            "auth_bcrypt_rounds": 4,
            "auth_otp_key": OTP_KEY,
            "auth_key_encryption_key": KEY_ENCRYPTION_KEY,
            "auth_first_admin_email": "boss@example.org",
            "auth_first_admin_password": PASSWORD,
            **values,
        },
    )


def user_settings(folder: Path, **values: Any) -> user_app.Settings:
    return testing.settings(user_app.Settings, **{"database_url": databases.url("user", folder), **values})


@contextlib.asynccontextmanager
async def gathered(folder: Path, **values: Any) -> AsyncIterator[People]:
    """Both services running; `values` are settings of auth."""
    time = clock.Manual()
    async with (
        hub.Hub(None, time) as shared,
        testing.serving(auth_app.create_app(auth_settings(folder, **values), hub=shared)) as auth_client,
        testing.serving(user_app.create_app(user_settings(folder), hub=shared)) as user_client,
        testing.Recorder(shared.bus) as recorder,
    ):
        yield People(
            clock=time,
            hub=shared,
            auth=auth_client,
            user=user_client,
            recorder=recorder,
            identity=testing.Identity(time),
        )
