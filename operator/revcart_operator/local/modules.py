"""Finds the code of a service, and makes its settings out of rendered values."""

import importlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import pydantic
from starlette.types import ASGIApp

from revcart_operator.local import refusals
from revcart_operator.platform import catalogue


class ServiceModule(Protocol):
    """`revcart.<service>.app`: `create_app(settings, *, hub)`; paysim, no service of the shop, takes no hub."""

    Settings: type[pydantic.BaseModel]
    create_app: Callable[..., ASGIApp]


Load = Callable[[catalogue.Service], ServiceModule]


def load(service: catalogue.Service) -> ServiceModule:
    """Import a service. Raises NoSuchService."""
    try:
        module = importlib.import_module(service.module)
    except (ImportError, SyntaxError) as error:
        raise refusals.NoSuchService(service=service.name, module=service.module, why=str(error)) from error
    for name in ("Settings", "create_app"):
        if not hasattr(module, name):
            raise refusals.NoSuchService(service=service.name, module=service.module, why=f"it has no {name}")
    return cast(ServiceModule, module)


def names(kind: type[pydantic.BaseModel]) -> set[str]:
    """The full names of the settings that a service reads."""
    prefix = cast(str, kind.model_config.get("env_prefix", ""))
    return {f"{prefix}{name}".upper() for name in kind.model_fields}


def make_settings(kind: type[pydantic.BaseModel], *, service: str, values: Mapping[str, Any]) -> Any:
    """A service's settings from `REVCART_…` names; a name that it does not have is somebody else's and is left out.

    Raises FailedToStart when a value is refused.
    """
    prefix = cast(str, kind.model_config.get("env_prefix", ""))
    given = {name.removeprefix(prefix).lower(): value for name, value in values.items() if name.startswith(prefix)}
    try:
        return kind(**{name: _value(value) for name, value in given.items() if name in kind.model_fields})
    except pydantic.ValidationError as error:
        # Never the value itself: it may be a secret.
        first = error.errors(include_input=False)[0]
        where = f"{prefix}{'_'.join(str(part) for part in first['loc'])}".upper()
        raise refusals.FailedToStart(service=service, why=f"{where}: {first['msg']}") from error


def _value(value: Any) -> Any:
    """Text from the CR's `env` that holds a JSON list or object is one, as it is in an environment variable."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
