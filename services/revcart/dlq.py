"""`revcart-service dlq`: what the services gave up, why, and its second chance (docs/dead-letters.md).

REVCART_BUS_URL says where: `kafka://…`, or `memory://` for the bus that `revcart up` keeps in its data folder.
"""

import asyncio
import contextlib
import enum
import fcntl
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revcart import command

if TYPE_CHECKING:
    from revcart.kit import bus, dead_letters

app = typer.Typer(help="Lists, shows and replays dead letters: events that a service gave up.", no_args_is_help=True)

_AT_ONCE = 100  # messages sent in one call


class Output(enum.StrEnum):
    TEXT = "text"
    JSON = "json"


Topic = Annotated[str | None, typer.Option(help="One topic, e.g. order-events.dlq; else all.")]
Group = Annotated[str | None, typer.Option(help="Given up by this group or service, e.g. revcart.order or order.")]
Type = Annotated[str | None, typer.Option("--type", help="Of this event type, e.g. payment.completed.")]
Since = Annotated[str | None, typer.Option(help="Given up at this time or later, e.g. 2026-01-31T09:05:00Z.")]
Data = Annotated[Path, typer.Option(help="Data folder of `revcart up`; read where REVCART_BUS_URL is memory://.")]
Format = Annotated[Output, typer.Option("--output", "-o", help="text or json.")]
DATA = Path(".revcart")


@app.command("list")
def list_(
    topic: Topic = None,
    group: Group = None,
    type_: Type = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="Show the newest so many of each topic; all are counted.")] = 50,
    data: Data = DATA,
    output: Format = Output.TEXT,
) -> None:
    """Count the dead letters by topic and group, and list the newest."""
    wanted = _filter(topic=topic, group=group, type_=type_, since=since)
    counts, shown = _run(lambda log: _listed(log, wanted, limit), data=data)
    if output is Output.JSON:
        typer.echo(json.dumps({"topics": counts, "letters": shown}, indent=2))
        return
    for name, groups in counts.items():
        by_group = ", ".join(f"{count} of {of or 'an unknown group'}" for of, count in sorted(groups.items()))
        typer.echo(f"{name}: {by_group or 'none'}")
    for letter in shown:
        typer.echo("  ".join(letter[name] or "-" for name in ("id", "failedAt", "group", "type", "error")))


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `dlq list` names it, e.g. order-events.dlq:0:17.")],
    data: Data = DATA,
    output: Format = Output.TEXT,
) -> None:
    """Show one dead letter with its headers and body; secrets and personal data in them are hidden."""
    details = _run(lambda log: _letter(log, id_), data=data).details()
    if output is Output.JSON:
        typer.echo(json.dumps(details, indent=2, ensure_ascii=False))
        return
    headers, body = details.pop("headers"), details.pop("body")
    for name, value in [*details.items(), *((f"header {name}", value) for name, value in headers.items())]:
        typer.echo(f"{name}: {value}")
    typer.echo("no JSON" if body is None else json.dumps(body, indent=2, ensure_ascii=False))


@app.command()
def replay(
    id_: Annotated[str | None, typer.Option("--id", help="This one, as `dlq list` names it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that there are, or that the filters leave.")] = False,
    topic: Topic = None,
    group: Group = None,
    type_: Type = None,
    since: Since = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, topic by topic, the oldest first.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    data: Data = DATA,
    output: Format = Output.TEXT,
) -> None:
    """Send dead letters back to their topic, for the group that gave them up. Twice is harmless; they stay listed."""
    filters = (topic, group, type_, since)
    if id_ is not None and (everything or any(filters)):
        command.end(command.INVALID, "--id names one dead letter; it goes with no filter.")
    if id_ is None and not everything and not any(filters):
        command.end(command.INVALID, "Say which: --id ID, a filter such as --topic order-events.dlq, or --all.")
    wanted = _filter(topic=topic, group=group, type_=type_, since=since)
    sent = _run(
        lambda log: _replayed(log, wanted, id_=id_, limit=limit, dry_run=dry_run), data=data, writes=not dry_run
    )
    if output is Output.JSON:
        typer.echo(json.dumps({"replayed": sent, "dryRun": dry_run}, indent=2))
        return
    for one in sent:
        typer.echo(f"{one['id']} to {one['topic']} for {one['group'] or 'every group'}")
    typer.echo(f"{len(sent)} {'would be replayed' if dry_run else 'replayed'}")


def _filter(*, topic: str | None, group: str | None, type_: str | None, since: str | None) -> "dead_letters.Filter":
    from revcart.kit import clock, dead_letters

    try:
        dead_letters.graves(topic)
    except ValueError as error:
        command.end(command.INVALID, str(error))
    try:
        at = clock.from_text(since) if since else None
    except ValueError as error:
        command.end(command.INVALID, f"--since: {error}")
    return dead_letters.Filter(topic=topic, group=group, type=type_, since=at)


async def _listed(log: "bus.Bus", wanted: "dead_letters.Filter", limit: int) -> tuple[dict[str, Any], list[Any]]:
    from revcart.kit import dead_letters

    counts: dict[str, Counter[str]] = {grave: Counter() for grave in dead_letters.graves(wanted.topic)}
    newest: dict[str, list[dict[str, str]]] = {grave: [] for grave in counts}
    async for letter in dead_letters.found(log, wanted):
        grave = letter.message.topic
        counts[grave][letter.group] += 1
        newest[grave] = [*newest[grave], letter.summary()][-limit:] if limit else []
    return {grave: dict(groups) for grave, groups in counts.items()}, [one for each in newest.values() for one in each]


async def _letter(log: "bus.Bus", id_: str) -> "dead_letters.Letter":
    from revcart.kit import dead_letters

    letter = await dead_letters.get(log, id_)
    if letter is None:
        command.end(
            command.INVALID, f"There is no dead letter {id_}; `revcart-service dlq list` names those there are."
        )
    return letter


async def _replayed(
    log: "bus.Bus",
    wanted: "dead_letters.Filter",
    *,
    id_: str | None,
    limit: int | None,
    dry_run: bool,
) -> list[dict[str, str]]:
    from revcart.kit import dead_letters

    if id_ is not None:
        letter = await _letter(log, id_)
        if not dry_run:
            await log.publish([letter.original()])
        return [letter.summary()]
    sent: list[dict[str, str]] = []
    batch: list[bus.Message] = []
    async with contextlib.aclosing(dead_letters.found(log, wanted)) as letters:
        async for letter in letters:
            sent.append(letter.summary())
            batch.append(letter.original())
            if len(sent) == limit:
                break
            if len(batch) == _AT_ONCE and not dry_run:
                await log.publish(batch)
                batch = []
    if not dry_run:
        await log.publish(batch)
    return sent


def _run(work: "Callable[[bus.Bus], Awaitable[Any]]", *, data: Path, writes: bool = False) -> Any:
    """What `work` gives on an open bus; ends the command in one sentence when the bus is not to be had."""
    from revcart.kit import bus, bus_memory, clock, errors, settings, telemetry

    telemetry.configure("ERROR", "console", "dlq")
    url = str(command.settings(settings.Settings, service="dlq", port=0).bus_url)
    kept = bus_memory.Memory(data / "bus.sqlite", clock=clock.System())
    try:
        log = bus.connect(url, memory=kept, metrics=telemetry.Metrics("dlq"))
    except ValueError as error:
        command.end(command.INVALID, f"REVCART_BUS_URL: {error}")

    async def run() -> Any:
        await log.open()
        try:
            return await work(log)
        finally:
            await log.close()

    with contextlib.ExitStack() as stack:
        stack.enter_context(command.drivers_silent())
        if log is kept:
            stack.enter_context(_folder(data, alone=writes))
        try:
            return asyncio.run(run())
        except errors.DependencyUnavailable as error:
            command.end(command.AWAY, command.why(error))


@contextlib.contextmanager
def _folder(data: Path, *, alone: bool) -> Iterator[None]:
    """The data folder of `revcart up`, which must have run; `alone`: held, as it holds it, so that neither runs on it.

    A platform that runs would not notice what another process adds to its bus.
    """
    if not (data / "bus.sqlite").is_file():
        sentence = f"There is no bus in {data}: name the folder of `revcart up` with --data, or set REVCART_BUS_URL."
        command.end(command.INVALID, sentence)
    with open(data / "lock", "a", encoding="utf-8") as lock:
        if alone:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                command.end(command.AWAY, f"A platform runs on {data}: run `revcart down` first, then replay.")
        yield
