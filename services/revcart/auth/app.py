"""Composition of auth (8081): accounts, sessions, tokens and their keys."""

import datetime as dt
import functools

import pydantic
from fastapi import FastAPI

from revcart.auth import (
    administration,
    api,
    api_credentials,
    demo,
    domain,
    flow,
    internal,
    keyring,
    mail,
    passwords,
    store,
    tables,
)
from revcart.kit import asgi, auth, hub, sessions, settings, wiring

ROTATION_EVERY = 60
SWEEP_EVERY = 3600


class Settings(settings.Settings):
    """Settings of auth. `auth_key_encryption_key` is a Fernet key; `auth_otp_key` any secret of 32 characters."""

    service: str = "auth"
    port: int = 8081

    auth_access_token_seconds: int = 86400
    auth_refresh_token_seconds: int = 2_592_000
    auth_session_max_seconds: int = 7_776_000
    auth_refresh_grace_seconds: int = 0
    auth_require_verified_email: bool = False
    auth_bcrypt_rounds: int = pydantic.Field(default=12, ge=4, le=16)
    auth_lockout_attempts: int = 5
    auth_lockout_seconds: int = 900
    auth_otp_seconds: int = 600
    auth_otp_attempts: int = 5
    auth_otp_key: str = pydantic.Field(min_length=32)
    auth_reset_seconds: int = 1800
    auth_key_encryption_key: str
    auth_key_rotation_days: int = pydantic.Field(default=30, ge=1)
    auth_first_admin_email: str = ""
    auth_first_admin_password: str = pydantic.Field(default="", max_length=72)

    def rules(self) -> domain.Rules:
        """The numbers that the flows go by."""
        return domain.Rules(
            access_seconds=self.auth_access_token_seconds,
            refresh_seconds=self.auth_refresh_token_seconds,
            session_max_seconds=self.auth_session_max_seconds,
            refresh_grace_seconds=self.auth_refresh_grace_seconds,
            require_verified_email=self.auth_require_verified_email,
            lockout_attempts=self.auth_lockout_attempts,
            lockout_seconds=self.auth_lockout_seconds,
            otp_seconds=self.auth_otp_seconds,
            otp_attempts=self.auth_otp_attempts,
            otp_key=self.auth_otp_key,
            reset_seconds=self.auth_reset_seconds,
        )


def create_app(settings: Settings, *, hub: hub.Hub | None = None) -> FastAPI:
    """The application."""
    wires = wiring.Wiring(settings=settings, hub=hub)
    accounts = store.Store(wires.database(tables.metadata))
    life = settings.auth_access_token_seconds + settings.jwt_leeway_seconds
    ring = keyring.Keyring(
        store=accounts,
        clock=wires.clock,
        encryption_key=settings.auth_key_encryption_key,
        rotation=dt.timedelta(days=settings.auth_key_rotation_days),
        token_life=dt.timedelta(seconds=life),
    )
    revocations = sessions.Revocations(wires.cache, metrics=wires.metrics, seconds=life)
    # The keys are in this house: no call to the own /api/auth/jwks, and ended sessions are refused here as well.
    wires.verifier = auth.Verifier(settings=settings, keys=ring, clock=wires.clock, revoked=revocations)
    ports = flow.Ports(
        clock=wires.clock,
        store=accounts,
        passwords=passwords.Passwords(rounds=settings.auth_bcrypt_rounds),
        keyring=ring,
        revocations=revocations,
        mail=mail.Mail(events_key=settings.events_key, storefront_url=settings.storefront_url),
        rules=settings.rules(),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )
    return asgi.create(
        wires=wires,
        ports=ports,
        routers=[api.router, api_credentials.router, internal.router],
        workers=[
            asgi.Worker(name="rotate-keys", every=ROTATION_EVERY, run=flow.rotate_keys),
            asgi.Worker(name="sweep", every=SWEEP_EVERY, run=flow.sweep),
        ],
        on_start=functools.partial(_prepare, settings=settings),
    )


async def _prepare(*, ports: flow.Ports, settings: Settings) -> None:
    """The first key, the demonstration's people, the first administrator."""
    await ports.keyring.prepare()
    if settings.demo_data and settings.environment == "development":
        await demo.prepare(ports=ports)
    if settings.auth_first_admin_email:
        await administration.make_first_admin(
            email=settings.auth_first_admin_email, password=settings.auth_first_admin_password, ports=ports
        )
