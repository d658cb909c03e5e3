"""What the commands of `revcart-service` share: exit codes, settings, and how they refuse in one sentence."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib import parse

import typer

if TYPE_CHECKING:
    import pydantic

    from revcart.kit import errors

AWAY: Final = 1
INVALID: Final = 2
UNKNOWN_SCHEMA: Final = 3


def settings(kind: "type[pydantic.BaseModel]", **given: Any) -> Any:
    """The settings of `kind`, where None in `given` leaves the environment's; ends the command when one is wrong."""
    import pydantic

    folder = os.environ.get("REVCART_SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        end(INVALID, f"REVCART_SECRETS_DIR: there is no folder {folder}")
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except pydantic.ValidationError as error:
        # Never the value itself: it may be a secret.
        first = error.errors(include_input=False)[0]
        where = "_".join(str(part) for part in first["loc"]).upper()
        prefix = str(kind.model_config.get("env_prefix", ""))
        end(INVALID, f"{prefix}{where}: {first['msg']}" if where else first["msg"])


_URLS = {"database": "database_url", "documents": "documents_url", "cache": "cache_url", "bus": "bus_url"}


def why(error: "errors.DependencyUnavailable", given: Any = None) -> str:
    """What is away, where `given` settings say that it is, and what the driver said: none of it names a password."""
    from revcart.kit import causes

    place = parse.urlsplit(getattr(given, _URLS.get(error.service, ""), "")).netloc.rpartition("@")[2]
    where = f"{error.service} at {place}" if place else error.service
    said = f": {causes.reason(error.__cause__)}" if error.__cause__ else ""
    return f"{where} does not answer{said}"


@contextlib.contextmanager
def drivers_silent() -> Iterator[None]:
    """Within the block drivers log nothing: what they fail with comes as the command's one sentence."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def end(code: int, sentence: str) -> NoReturn:
    """Say it and exit."""
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
