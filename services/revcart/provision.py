"""`revcart-service provision`: the databases of a service and their users, before and after its migrations.

On a cluster a Job runs it as root; no service ever holds those passwords.
"""

import asyncio
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from revcart import command


def provision(name: Annotated[str, typer.Argument(help="order, payment, …")]) -> None:
    """Make a service's databases and users, with the passwords in its own URLs. To be run again after `migrate`.

    REVCART_PROVISION_ADMIN_URL and REVCART_PROVISION_MIGRATOR_URL are the MySQL users who may do everything, and who
    will migrate; REVCART_PROVISION_DOCUMENTS_ADMIN_URL is MongoDB's root. Without them only the database of
    REVCART_DATABASE_URL is made, if its user may.
    """
    import pydantic_settings
    import sqlalchemy as sa

    from revcart.kit import errors, telemetry
    from revcart.kit import settings as kit_settings

    class Settings(kit_settings.Settings):
        model_config = pydantic_settings.SettingsConfigDict(env_prefix=kit_settings.PREFIX)
        provision_admin_url: str = ""
        provision_migrator_url: str = ""
        provision_documents_admin_url: str = ""

    if not (Path(__file__).parent / name / "app.py").is_file():
        command.end(command.INVALID, f"There is no service {name}.")
    telemetry.configure("ERROR", "console", name)
    given = command.settings(Settings, service=name, port=0)
    try:
        if given.database_url.startswith("mysql"):
            typer.echo(_database(name, given))
        if given.provision_documents_admin_url:
            typer.echo(_documents(given))
    except errors.DependencyUnavailable as error:
        command.end(command.AWAY, command.why(error, given))
    except sa.exc.DBAPIError as error:  # what the server says, without the statement
        command.end(command.AWAY, f"The database refused: {error.orig}")
    except (sa.exc.ArgumentError, ValueError) as error:
        command.end(command.INVALID, f"One of the URLs cannot be used: {error}")


def rights(name: str) -> Mapping[str, Sequence[str]]:
    """Table → what the service may do there, where that is not to read and write rows."""
    module = f"revcart.{name}.rights"
    if importlib.util.find_spec(module) is None:
        return {}
    found: Mapping[str, Sequence[str]] = importlib.import_module(module).RIGHTS
    return found


def _database(name: str, given: Any) -> str:
    import sqlalchemy as sa

    from revcart.kit import provisioning

    service = sa.make_url(given.database_url)
    where = f"{service.database} on {service.host}"
    if not given.provision_admin_url:
        provisioning.make_database(service)
        return f"{name}: database {where}; its users are made by others"
    tables = provisioning.make(
        sa.make_url(given.provision_admin_url),
        service=service,
        migrator=sa.make_url(given.provision_migrator_url),
        rights=rights(name),
    )
    return f"{name}: database {where} with its users, who have their rights on {len(tables)} tables"


def _documents(given: Any) -> str:
    from urllib import parse

    from revcart.kit import documents

    parts = parse.urlsplit(given.documents_url)
    database, user = parts.path.removeprefix("/"), parse.unquote(parts.username or "")
    asyncio.run(
        documents.make_user(
            given.provision_documents_admin_url,
            user=user,
            password=parse.unquote(parts.password or ""),
            database=database,
        )
    )
    return f"{given.service}: documents {database} on {parts.hostname} with the user {user}"
