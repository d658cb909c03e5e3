"""What is generated for a platform and kept in the Secret `<platform>-credentials`: one key per value.

The engine makes what lacks and never changes what is there; here is only what must be there, and what it is called.
"""

from collections.abc import Mapping
from dataclasses import fields

from revcart_operator.platform import catalogue
from revcart_operator.render import settings

PART = "credentials"
MYSQL_ROOT = "mysql-root-password"
MONGODB_ROOT = "mongodb-root-password"
REDIS = "redis-password"
KAFKA = "kafka-password"


def mysql(service: str) -> str:
    """The password of the user that reads and writes rows."""
    return f"mysql-{service}-password"


def migrating(service: str) -> str:
    """The password of the user that makes and alters tables."""
    return f"mysql-migrate-{service}-password"


def mongodb(service: str) -> str:
    return f"mongodb-{service}-password"


_OF_SECRETS = {field.name: field.name.replace("_", "-") for field in fields(settings.Secrets)}

# All of them whatever the stores' modes: a store that changes its mode and back finds its passwords again.
NAMES: tuple[str, ...] = (
    *_OF_SECRETS.values(),
    MYSQL_ROOT,
    *(name(service.name) for service in catalogue.SERVICES if service.database for name in (mysql, migrating)),
    MONGODB_ROOT,
    *(mongodb(service.name) for service in catalogue.SERVICES if service.documents),
    REDIS,
    KAFKA,
)


def secrets(values: Mapping[str, str]) -> settings.Secrets:
    """The values that services share, out of the credentials."""
    return settings.Secrets(**{name: values[key] for name, key in _OF_SECRETS.items()})
