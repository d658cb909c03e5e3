"""Fixture: an ingress controller on haproxy, which sends each host and path to the ready endpoints of its Service.

Run as `python ingress.py PKI-FOLDER FOLDER`. Plain HTTP on the node's port 80; `tls` in an Ingress is not looked at.
A change reloads haproxy, which hands over its sockets and lets open connections, as WebSockets, live on for a while.
"""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import api
import objects
import places
import routes

INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SETTLE = 0.1  # seconds; several changes at once are one reload
REPEAT = 30.0  # seconds; what could not be written or told is tried again


class Controller:
    def __init__(self, pki: Path, folder: Path) -> None:
        self._api = api.Api(pki)
        self._file = folder / "haproxy.cfg"
        self._socket = folder / "haproxy.sock"
        self._seen: dict[str, dict[str, api.Object]] = {}
        self._changed = threading.Event()
        self._proxy: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        for path in (INGRESSES, SERVICES, SLICES):
            threading.Thread(target=self._follow, args=(path,), daemon=True).start()
        while True:
            self._changed.wait(REPEAT)
            threading.Event().wait(SETTLE)
            self._changed.clear()
            if len(self._seen) == 3:
                self._converge()

    def _follow(self, path: str) -> None:
        for found in self._api.follow(path):
            self._seen[path] = found
            self._changed.set()

    def _converge(self) -> None:
        ours = [ingress for ingress in self._seen[INGRESSES].values() if routes.is_ours(ingress)]
        text = routes.configuration(
            ours,
            services=self._seen[SERVICES],
            slices=list(self._seen[SLICES].values()),
            socket=self._socket,
        )
        if not self._file.exists() or self._file.read_text() != text or self._ended():
            self._serve(text)
        for ingress in ours:
            self._tell(ingress)

    def _ended(self) -> bool:
        return self._proxy is None or self._proxy.poll() is not None

    def _serve(self, text: str) -> None:
        """Start haproxy with this configuration, or let the running one take it up."""
        new = self._file.with_suffix(".new")
        new.write_text(text)
        checked = subprocess.run(["haproxy", "-c", "-f", str(new)], capture_output=True, text=True)  # noqa: S603, S607
        if checked.returncode:
            _say(f"haproxy does not take the configuration: {checked.stderr}")
            return
        new.rename(self._file)
        if self._proxy is None or self._ended():
            # Should this script be killed, haproxy ends with it: beside its successor it would serve old routes.
            command = ["setpriv", "--pdeathsig", "TERM", "haproxy", "-W", "-f", str(self._file)]
            self._proxy = subprocess.Popen(command)  # noqa: S603
        else:
            self._proxy.send_signal(signal.SIGUSR2)
        _say("serving a new configuration")

    def _tell(self, ingress: api.Object) -> None:
        """Write into the Ingress where it is reached, as controllers do."""
        reached = [{"ip": places.NODE_ADDRESS}]
        found = ingress.get("status", {}).get("loadBalancer", {}).get("ingress", [])
        if [point.get("ip") for point in found] == [places.NODE_ADDRESS]:
            return
        namespace, name = ingress["metadata"]["namespace"], ingress["metadata"]["name"]
        path = f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status"
        try:
            self._api.merge(path, {"status": {"loadBalancer": {"ingress": reached}}})
        except (OSError, api.Refused) as error:
            _say(f"could not write the status of {namespace}/{name}: {error}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _say(f"class {objects.INGRESS_CLASS}, port 80 of {places.NODE_ADDRESS}")
    Controller(Path(sys.argv[1]), Path(sys.argv[2])).run()
