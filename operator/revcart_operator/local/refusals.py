"""Why a platform does not start on this machine, each in one sentence that says what to do."""

from dataclasses import dataclass


class Refusal(Exception):
    """Nothing was started, or everything that was has been stopped again."""


class PortTaken(Refusal):
    def __init__(self, *, service: str, port: int) -> None:
        super().__init__(
            f"Port {port}, which {service} wants, is taken by another program: stop that program, "
            "or move all ports with --port-offset 100."
        )


class AlreadyRunning(Refusal):
    def __init__(self, *, folder: str, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"A platform already runs on {folder} ({who}): `revcart down` stops it, --data chooses another folder."
        )


@dataclass(frozen=True, kw_only=True)
class Away:
    """An External store that does not serve, and why. Holds no password."""

    store: str
    address: str
    reason: str


class StoresAway(Refusal):
    """One line per store."""

    def __init__(self, away: tuple[Away, ...]) -> None:
        super().__init__(
            "\n".join(
                f"The store {each.store} at {each.address} does not serve: {each.reason}; nothing was started."
                for each in away
            )
        )
        self.away = away


class NotPrepared(Refusal):
    def __init__(self, *, what: str, why: str) -> None:
        super().__init__(f"{what} could not be prepared: {why}")


class NoSuchService(Refusal):
    def __init__(self, *, service: str, module: str, why: str) -> None:
        super().__init__(f"The service {service} cannot be loaded from {module}: {why}.")


class UnreadVariable(Refusal):
    def __init__(self, *, name: str, meant: str) -> None:
        hint = f" Did you mean {meant}?" if meant else ""
        super().__init__(f"env: no service has a setting {name}.{hint}")


class FailedToStart(Refusal):
    def __init__(self, *, service: str, why: str) -> None:
        super().__init__(f"{service} did not start: {why}")


class BrokenFolder(Refusal):
    def __init__(self, *, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be used: {why}.")
