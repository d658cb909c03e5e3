"""What a person sees while a platform starts: a live table on a terminal, plain lines anywhere else."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from revcart_operator.local import state

_COLOURS = {
    state.State.UP: "green",
    state.State.FAILED: "red",
    state.State.STARTING: "yellow",
    state.State.STOPPING: "yellow",
}
_TOLD = (state.State.UP, state.State.FAILED)  # in plain lines


class Board:
    """`addresses` may be filled while the board is shown."""

    def __init__(self, services: Sequence[str], *, addresses: Mapping[str, str], console: Console) -> None:
        self._states = dict.fromkeys(services, state.State.WAITING)
        self._addresses = addresses
        self._console = console
        self._live: Live | None = None

    def set(self, service: str, reached: state.State) -> None:
        self._states[service] = reached
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
        elif not self._console.is_terminal and reached in _TOLD:
            line = f"{service:<12} {reached:<6} {self._addresses.get(service, '')}"
            self._console.print(line, soft_wrap=True, highlight=False)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with Live(self._table(), console=self._console, auto_refresh=False) as live:
            self._live = live
            try:
                yield
            finally:
                live.update(self._table(), refresh=True)
                self._live = None

    def _table(self) -> Table:
        rows = [(service, now, self._addresses.get(service, "")) for service, now in self._states.items()]
        return table(("service", "state", "address"), rows, colours={str(key): name for key, name in _COLOURS.items()})


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, colours: Mapping[str, str]) -> Table:
    """A table whose second column is a state, coloured by its word."""
    made = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        name, state, *rest = row
        made.add_row(name, Text(state, style=colours.get(state, "")), *rest)
    return made
