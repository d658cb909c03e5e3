"""The one door for configuration: every value a service reads comes from here (prefix `REVCART_`).

A service adds its own fields in a subclass in its `app.py`; their names begin with the service's name, so that
`order_unpaid_seconds` is `REVCART_ORDER_UNPAID_SECONDS`. Each value may also be a file of that name in the folder
`REVCART_SECRETS_DIR`. The scheme of a URL chooses the adapter.
"""

import os
from typing import Literal, Self

import pydantic
import pydantic_settings

PREFIX = "REVCART_"
Environment = Literal["development", "production"]


class Sources(pydantic_settings.BaseSettings):
    """Where settings come from, whatever they are."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[pydantic_settings.BaseSettings],
        init_settings: pydantic_settings.PydanticBaseSettingsSource,
        env_settings: pydantic_settings.PydanticBaseSettingsSource,
        dotenv_settings: pydantic_settings.PydanticBaseSettingsSource,
        file_secret_settings: pydantic_settings.PydanticBaseSettingsSource,
    ) -> tuple[pydantic_settings.PydanticBaseSettingsSource, ...]:
        """Explicit values win over the environment, the environment over secret files; a .env file is never read."""
        folder = os.environ.get(f"{PREFIX}SECRETS_DIR")
        if not folder:
            return init_settings, env_settings
        return init_settings, env_settings, pydantic_settings.SecretsSettingsSource(settings_cls, secrets_dir=folder)


class Settings(Sources):
    """The settings that all services share. Read once, at start."""

    model_config = pydantic_settings.SettingsConfigDict(
        env_prefix=PREFIX,
        extra="ignore",
        frozen=True,
        validate_default=False,
    )

    service: str
    host: str = "127.0.0.1"
    port: int
    environment: Environment = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    build_commit: str = ""  # set in the image
    build_time: str = ""

    database_url: str = ""
    database_pool_size: int = pydantic.Field(default=10, ge=1, le=200)
    documents_url: str = ""
    cache_url: str = "memory://"
    bus_url: str = "memory://"
    registry_url: str = "memory://"
    registry_dns_template: str = "{service}:{port}"  # where services are with `dns://`, or while Consul is away
    registry_ports: dict[str, int] = {}  # {port} of the template, by service; one that is not here has no name in DNS
    registry_static: dict[str, list[str]] = {}  # base addresses by service, for `static://` or when DNS knows none
    advertise_host: str = ""  # under which others reach this instance; empty: `host`
    config_dir: str = ""  # live settings where there is no Consul: `<config_dir>/config/<service>/data`

    events_key: str = ""  # Fernet key for the `secret` of notification.requested
    jwt_issuer: str = "revcart"
    jwt_audience: str = "revcart-api"
    jwt_jwks_url: str = "service://auth/api/auth/jwks"
    jwt_leeway_seconds: int = 30
    service_token_secrets: list[str] = []  # the first signs, all verify

    public_url: str = "http://localhost:8080"
    storefront_url: str = "http://localhost:4200"
    timezone: str = "Asia/Kolkata"
    body_limit_bytes: int = 1_048_576
    request_timeout_seconds: float = 10
    call_timeout_seconds: float = 2
    shutdown_seconds: float = 25
    otlp_endpoint: str = ""  # empty: traces are off
    demo_data: bool = False

    pricing_tax_basis_points: int = 1800
    pricing_delivery_fee_paise: int = 3000
    pricing_free_delivery_above_paise: int = 19900
    pricing_minimum_order_paise: int = 0

    @pydantic.model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.environment == "production":
            if self.demo_data:
                raise ValueError("REVCART_DEMO_DATA makes accounts with a public password; production refuses it")
            if not self.service_token_secrets or any(len(secret) < 32 for secret in self.service_token_secrets):
                raise ValueError("REVCART_SERVICE_TOKEN_SECRETS needs at least one secret of 32 characters or more")
        return self
