"""What the tests of every service share: settings without an environment, and tokens without the auth service.

identity = testing.Identity()
hub = hub.Hub(None, identity.clock)
identity.install(hub)                           # services of this hub now trust the identity's key
settings = testing.settings(app.Settings, database_url="sqlite+aiosqlite:///…")
headers = identity.headers(user_id=7, role="ADMIN")
internal = identity.service_headers("order", callee="product")
async with testing.serving(app.create_app(settings, hub=hub)) as client, testing.Recorder(hub.bus) as recorder:
    answer = await client.post("/api/orders", json=…, headers=headers)
    [created] = await recorder.wait("order.created")
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

import httpx2
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI

from revcart.kit import bus, events, ids, keys, tokens, topics
from revcart.kit import clock as clocks
from revcart.kit import settings as kit_settings

SERVICE_SECRET: Final = "test-service-secret-of-32-characters-or-more"
EVENTS_KEY: Final = "dGVzdC1ldmVudHMta2V5LW9mLTMyLWJ5dGVzLi4uLi4="  # a Fernet key: 32 bytes, base64url

S = TypeVar("S", bound=kit_settings.Settings)


class TrustsKeys(Protocol):
    """The part of a hub that an identity writes."""

    keys: keys.Keys | None


def settings(kind: type[S], **values: Any) -> S:
    """Settings for a service under test: the shared test secrets, a free port, and `values` on top."""
    return kind(**{"port": 0, "events_key": EVENTS_KEY, "service_token_secrets": [SERVICE_SECRET], **values})


@functools.cache
def _key() -> tokens.SigningKey:
    """One key for the whole test run: making an RSA key takes a tenth of a second."""
    return tokens.SigningKey(kid="test", private=rsa.generate_private_key(public_exponent=65537, key_size=2048))


class Identity:
    """Stands in for auth: signs user tokens that a hub's services accept, and service tokens for `/internal`."""

    def __init__(self, clock: clocks.Clock | None = None, *, key: tokens.SigningKey | None = None) -> None:
        self.clock = clock or clocks.System()
        self.key = key or _key()
        self._services = tokens.ServiceTokens([SERVICE_SECRET], clock=self.clock)

    @property
    def keys(self) -> keys.StaticKeys:
        """The key set that verifies these tokens."""
        return keys.StaticKeys([self.key.public_jwk()])

    def install(self, hub: TrustsKeys) -> None:
        """Make the services built on `hub` trust these tokens."""
        hub.keys = self.keys

    def token(
        self,
        *,
        user_id: int = 1,
        role: tokens.Role = "CUSTOMER",
        email: str | None = None,
        sid: str | None = None,
        seconds: int = 86400,
        issuer: str = "revcart",
        audience: str = "revcart-api",
    ) -> str:
        """A user token; the later arguments make one that must be refused."""
        return tokens.sign_user(
            self.key,
            user_id=user_id,
            email=email or f"user{user_id}@example.com",
            role=role,
            sid=sid or ids.uuid7(),
            issuer=issuer,
            audience=audience,
            issued_at=self.clock.now(),
            seconds=seconds,
        )

    def headers(self, *, user_id: int = 1, role: tokens.Role = "CUSTOMER") -> dict[str, str]:
        """Request headers of a signed-in user."""
        return {"Authorization": f"Bearer {self.token(user_id=user_id, role=role)}"}

    def service_token(self, service: str, callee: str, acting_for: tokens.Actor | None = None) -> str:
        """A service token with which `service` calls `callee`."""
        return self._services.mint(service, callee, acting_for)

    def service_headers(
        self,
        service: str,
        *,
        callee: str,
        acting_for: tokens.Actor | None = None,
    ) -> dict[str, str]:
        """Request headers of a calling service."""
        return {"Authorization": f"Bearer {self.service_token(service, callee, acting_for)}"}


@contextlib.asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Start the application, its workers and consumers included, and give a client that calls it in this process."""
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


class Recorder:
    """Everything that is published on a bus, from its beginning."""

    def __init__(self, source: bus.Bus) -> None:
        self.seen: list[events.Envelope] = []
        self._bus = source
        self._subscription: bus.Subscription | None = None
        self._changed = asyncio.Condition()

    async def wait(self, type_: str, *, count: int = 1, seconds: float = 5) -> list[events.Envelope]:
        """The events of a type, once there are at least `count`. Raises TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.of(type_)) >= count)
        return self.of(type_)

    def of(self, type_: str) -> list[events.Envelope]:
        """The events of a type seen so far."""
        return [event for event in self.seen if event.type == type_]

    async def __aenter__(self) -> Self:
        self._subscription = await self._bus.subscribe(
            "test", topics=[topic.name for topic in topics.TOPICS], handler=self._record
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._subscription is not None
        await self._subscription.close()

    async def _record(self, delivery: bus.Delivery) -> None:
        async with self._changed:
            self.seen.append(events.decode(delivery.message.value))
            self._changed.notify_all()
