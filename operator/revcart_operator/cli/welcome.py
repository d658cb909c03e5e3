"""What a newcomer reads once the platform serves: where the shop is, who may sign in, what to type next."""

import importlib
from collections.abc import Mapping

from rich.console import Console

from revcart_operator.platform import catalogue, spec


def show(platform: spec.RevCartPlatform, *, addresses: Mapping[str, str], console: Console) -> None:
    def say(text: str = "") -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    gateway = addresses.get("gateway", "")
    say(f"{platform.name} serves.")
    say(f"  API           {gateway}/api")
    say(f"  API reference {gateway}/api/docs")
    if catalogue.PAYSIM.name in addresses:
        say(f"  Payments      simulated, {addresses[catalogue.PAYSIM.name]}")
    if platform.spec.demo_data is spec.Switch.ENABLED:
        # The accounts are auth's: asked for where it lives, so that they are written down once.
        demo = importlib.import_module("revcart.auth.demo")
        say(f"Sign in (password {demo.PASSWORD}):")
        for _, role, name, email, _ in _one_per_role(demo.PEOPLE):
            say(f"  {role:<15} {email} ({name})")
    say("Next: revcart status · revcart logs order -f · revcart down (or Ctrl-C here)")


def _one_per_role(people: tuple[tuple[int, str, str, str, str], ...]) -> list[tuple[int, str, str, str, str]]:
    first: dict[str, tuple[int, str, str, str, str]] = {}
    for person in people:
        first.setdefault(person[1], person)
    return list(first.values())
