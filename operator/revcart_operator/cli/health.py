"""`revcart status`: what every service says about itself."""

import concurrent.futures
import http.client
import json
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from revcart_operator.cli import board
from revcart_operator.local import folder

ANSWER_SECONDS = 3
ALL_UP = 0
DEGRADED = 1
NOT_RUNNING = 3
_COLOURS = {"UP": "green", "DOWN": "red", "UNREACHABLE": "red", "OUT_OF_SERVICE": "yellow", "DEGRADED": "yellow"}
_COMPONENTS = {"mysql": "db", "mongodb": "mongo", "redis": "redis", "kafka": "kafka", "consul": "discoveryComposite"}


@dataclass(frozen=True, kw_only=True)
class Health:
    """`status` is the service's own word, or UNREACHABLE. `components`: name → word."""

    name: str
    status: str
    address: str
    components: Mapping[str, str] = field(default_factory=dict)

    @property
    def trouble(self) -> str:
        return ", ".join(f"{name} {word}" for name, word in self.components.items() if word not in ("UP", "UNKNOWN"))


@dataclass(frozen=True, kw_only=True)
class StoreHealth:
    """A store as the services that use it see it: UP or DOWN for all, DEGRADED for some of them, UNKNOWN to none."""

    name: str
    kind: str
    address: str
    status: str
    trouble: str

    @classmethod
    def seen_by(cls, services: Sequence[Health], store: folder.Store) -> "StoreHealth":
        words = {each.name: word for each in services if (word := each.components.get(_COMPONENTS[store.name]))}
        away = [name for name, word in words.items() if word != "UP"]
        status = "UNKNOWN" if not words else "UP" if not away else "DOWN" if len(away) == len(words) else "DEGRADED"
        trouble = f"away for {', '.join(away)}" if status == "DEGRADED" else ""
        return cls(name=store.name, kind=store.kind, address=store.address, status=status, trouble=trouble)


def show(data: Path, *, as_json: bool) -> int:
    """Print the state of the platform on `data`; the exit code."""
    place = folder.Folder(data)
    run = place.run()
    if run is None:
        if as_json:
            print(json.dumps({"running": False, "services": [], "stores": []}))
        else:
            print(f"No platform runs on {place.path}. Start one with: revcart up -f platform.yaml", file=sys.stderr)
        return NOT_RUNNING
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(run.addresses) or 1) as pool:
        found = list(pool.map(lambda item: probe(*item), run.addresses.items()))
    up = sum(each.status == "UP" for each in found)
    stores = [StoreHealth.seen_by(found, store) for store in run.stores]
    if as_json:
        services = [asdict(each) for each in found]
        about = {"running": True, "platform": run.platform, "state": run.state, "pid": run.pid, "since": run.since}
        print(json.dumps({**about, "services": services, "stores": [asdict(each) for each in stores]}, indent=2))
    else:
        console = Console()
        rows = [(each.name, each.status, each.address, each.trouble) for each in found]
        console.print(board.table(("service", "state", "address", ""), rows, colours=_COLOURS))
        kept = [(each.name, each.status, each.kind, each.address, each.trouble) for each in stores]
        console.print(board.table(("store", "state", "kind", "address", ""), kept, colours=_COLOURS))
        console.print(f"{run.platform}: {up} of {len(found)} up, process {run.pid}, since {run.since}", highlight=False)
    return ALL_UP if up == len(found) else DEGRADED


def probe(name: str, address: str) -> Health:
    """Ask one service. Never raises."""
    where = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/actuator/health")
        body = json.loads(connection.getresponse().read())
        components = {key: str(part.get("status", "")) for key, part in body.get("components", {}).items()}
        return Health(name=name, status=str(body.get("status", "UNKNOWN")), address=address, components=components)
    except (OSError, http.client.HTTPException, ValueError, AttributeError):
        return Health(name=name, status="UNREACHABLE", address=address)
    finally:
        connection.close()
