"""The commands of `revcart`. Each imports what it needs when it runs, so that `--help` and `version` answer at once.

Exit codes: 0 done; 1 refused or degraded; 2 the platform file or the command line is wrong; 3 nothing runs.
"""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from revcart_operator.platform import spec

app = typer.Typer(
    name="revcart",
    help="Runs RevCart on this machine, and checks and explains RevCartPlatform files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold secrets
)

REFUSED = 1
INVALID = 2
NOT_RUNNING = 3


class Output(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


class Document(enum.StrEnum):
    YAML = "yaml"
    JSON = "json"


File = Annotated[Path, typer.Option("--file", "-f", help="The RevCartPlatform to use.")]
Data = Annotated[Path, typer.Option("--data", help="Folder with the platform's data, secrets and logs.")]
Format = Annotated[Output, typer.Option("--output", "-o", help="text or json.")]
DATA = Path(".revcart")


@app.command()
def up(
    file: File = Path("platform.yaml"),
    data: Data = DATA,
    port_offset: Annotated[int, typer.Option(min=0, help="Added to every port (8080-8091).")] = 0,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it serves; it runs on.")] = False,
) -> None:
    """Run the whole platform in this process; Managed stores are embedded. Ctrl-C stops it; nothing is lost."""
    from revcart_operator.cli import background, foreground

    platform = _read(file)
    if detach:
        _end(background.start(platform=platform, file=file, data=data, port_offset=port_offset))
    _end(foreground.run(platform, data=data, port_offset=port_offset))


@app.command()
def down(data: Data = DATA) -> None:
    """Stop the platform that runs on a data folder, and wait until it has stopped. Its data stays."""
    from revcart_operator.cli import background

    _end(background.stop(data))


@app.command()
def status(data: Data = DATA, output: Format = Output.TEXT) -> None:
    """Ask every service how it and its stores are. Exit code 0: all up; 1: some are not; 3: nothing runs."""
    from revcart_operator.cli import health

    _end(health.show(data, as_json=output is Output.JSON))


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service, or revcart for the process itself.")],
    data: Data = DATA,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for further lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
    output: Format = Output.TEXT,
) -> None:
    """Show what a service wrote to its log."""
    from revcart_operator.cli import logbook

    _end(logbook.show(service, data=data, follow=follow, lines=lines, as_json=output is Output.JSON))


@app.command()
def validate(file: File = Path("platform.yaml")) -> None:
    """Check a platform file; one sentence per mistake."""
    platform = _read(file)
    typer.echo(f"{file}: ok ({platform.kind} {platform.name}, profile {platform.spec.profile})")


@app.command()
def render(
    file: File = Path("platform.yaml"),
    output: Annotated[Document, typer.Option("--output", "-o", help="yaml or json.")] = Document.YAML,
    manifests: Annotated[bool, typer.Option("--manifests", help="The Kubernetes objects that it becomes.")] = False,
) -> None:
    """Show a platform with every default spelled out, or its Kubernetes objects with their secrets hidden."""
    import json

    import yaml

    from revcart_operator.platform import effective

    platform = effective.resolve(_read(file))
    documents = _objects(platform) if manifests else [effective.as_document(platform)]
    if output is Document.JSON:
        shown = {"apiVersion": "v1", "kind": "List", "items": documents} if manifests else documents[0]
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), nl=False)


def _objects(platform: "spec.RevCartPlatform") -> list[dict[str, Any]]:
    from revcart_operator.cli import preview
    from revcart_operator.render import patches

    try:
        return preview.objects(platform)
    except patches.DoesNotApply as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(INVALID) from error


@app.command()
def operator(
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="Serve this namespace only; may be repeated.")
    ] = None,
    lease_namespace: Annotated[str, typer.Option(help="Where the Lease is; default: where this process runs.")] = "",
    host: Annotated[str, typer.Option(help="Address of the two ports.")] = "0.0.0.0",  # noqa: S104 — probes of a pod
    health_port: Annotated[int, typer.Option(min=0, max=65535, help="/healthz and /readyz; 0: a free one.")] = 9465,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="/metrics; 0: a free one.")] = 9464,
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], typer.Option()] = "INFO",
) -> None:
    """Run the platforms of a Kubernetes cluster: all of them, or those of some namespaces."""
    from revcart_operator.cli import operator

    code = operator.run(
        namespaces=tuple(namespace or ()),
        lease_namespace=lease_namespace,
        host=host,
        health_port=health_port,
        metrics_port=metrics_port,
        log_level=log_level,
    )
    _end(code)


@app.command()
def version() -> None:
    """Print the version."""
    import revcart

    typer.echo(revcart.__version__)


def _read(file: Path) -> "spec.RevCartPlatform":
    from revcart_operator.platform import loading

    try:
        return loading.read(file)
    except loading.InvalidPlatform as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(INVALID) from error


def _end(code: int) -> NoReturn:
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
