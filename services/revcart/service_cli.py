"""The commands of `revcart-service`, which a container runs: one service alone, its database's schema, dead letters.

Settings come from `REVCART_…` variables and from files of those names in `REVCART_SECRETS_DIR`. Each command imports
what it needs when it runs, and the one service it is about.

Exit codes: 0 done; 1 a store or the port is not to be had; 2 the command line or a setting is wrong; 3 the database's
schema is not the one this release knows.
"""

import asyncio
import importlib
import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from revcart import command, dlq, provision

app = typer.Typer(
    name="revcart-service",
    help="Runs one RevCart service, makes its database's schema, and replays dead letters.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold secrets
)

app.add_typer(dlq.app, name="dlq")
app.command()(provision.provision)

Name = Annotated[str, typer.Argument(help="order, payment, gateway, … or paysim.")]


@app.command()
def serve(
    name: Name,
    host: Annotated[str | None, typer.Option(help="Address to listen on; else REVCART_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; else REVCART_PORT.")] = None,
) -> None:
    """Run one service until SIGTERM or Ctrl-C: then no new calls, requests in flight end, the outbox is drained."""
    import sqlalchemy as sa
    import uvloop

    from revcart.kit import errors, migrations, serving, telemetry

    module = _module(name)
    settings = command.settings(module.Settings, host=host, port=port)
    telemetry.configure(getattr(settings, "log_level", "INFO"), getattr(settings, "log_format", "json"), name)
    try:
        application = module.create_app(settings)
    except sa.exc.ArgumentError:
        _no_database(name)
    except (ValueError, OSError) as error:  # how a service refuses a setting, or a file that one names
        command.end(command.INVALID, str(error))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serving.serve(application, settings=settings))
    except migrations.UnknownSchema as error:
        command.end(command.UNKNOWN_SCHEMA, str(error))
    except errors.DependencyUnavailable as error:
        command.end(command.AWAY, f"{name} cannot start: {command.why(error, settings)}")
    except sa.exc.DBAPIError as error:
        command.end(command.AWAY, f"{name} cannot start: the database refused: {error.orig}")
    except OSError as error:
        command.end(
            command.AWAY, f"{name} cannot listen on {settings.host}:{settings.port}: {os.strerror(error.errno or 0)}"
        )


@app.command()
def migrate(name: Name) -> None:
    """Bring a service's database to this release's schema, and make the topics where the bus is Kafka.

    REVCART_DATABASE_URL names a user who may create and alter tables; the service itself needs less.
    """
    import sqlalchemy as sa

    from revcart.kit import errors, migrations, telemetry
    from revcart.kit import settings as kit_settings

    _known(name)
    telemetry.configure("ERROR", "console", name)
    settings = command.settings(kit_settings.Settings, service=name, port=0)
    try:
        if migrations.History.exists(name):
            if not settings.database_url:
                _no_database(name)
            before, after = migrations.upgrade(name, sa.make_url(settings.database_url))
            typer.echo(f"{name}: schema {after}" + ("" if before == after else f", it was {before or 'empty'}"))
        else:
            typer.echo(f"{name} has no SQL schema")
        _make_topics(settings.bus_url)
    except migrations.UnknownSchema as error:
        command.end(command.UNKNOWN_SCHEMA, str(error))
    except errors.DependencyUnavailable as error:
        command.end(command.AWAY, command.why(error, settings))
    except sa.exc.DBAPIError as error:  # what the server says, without the statement
        command.end(command.AWAY, f"The database refused: {error.orig}")
    except (sa.exc.ArgumentError, ValueError) as error:
        command.end(command.INVALID, f"REVCART_DATABASE_URL: {error}")


def _make_topics(bus_url: str) -> None:
    if bus_url.startswith("kafka"):
        from revcart.kit import bus

        with command.drivers_silent():
            made = asyncio.run(bus.ensure_topics(bus_url))
        typer.echo(f"topics made: {', '.join(made) or 'none, all were there'}")


def _module(name: str) -> Any:
    """`revcart.<name>.app`."""
    _known(name)
    return importlib.import_module(f"revcart.{name}.app")


def _known(name: str) -> None:
    """Only a folder beside this file that has an `app.py` is a service; anything else ends the command."""
    services = sorted(file.parent.name for file in Path(__file__).parent.glob("*/app.py"))
    if name not in services:
        command.end(command.INVALID, f"There is no service {name}; there are {', '.join(services)}.")


def _no_database(name: str) -> NoReturn:
    example = f"sqlite+aiosqlite:///{name}.db or mysql+aiomysql://user:password@host/database"
    command.end(command.INVALID, f"REVCART_DATABASE_URL names no database; {name} needs one, e.g. {example}")


if __name__ == "__main__":
    app()
