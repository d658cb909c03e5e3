"""The command `scripts/deploy`: a cluster, RevCart's images in it, the operator, and a shop that is Ready.

Each step finds out what is there already, so that it can be run again at any time, after a change or an interruption.
Needs the project's environment, unlike `scripts/cluster`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import archives
import native
import places
import say
import shell
import trouble
import yaml

ROOT = places.HERE.parents[1]
SAMPLE = ROOT / "manifests" / "samples" / "cluster.yaml"
CRD = ROOT / "crds" / "revcartplatforms.yaml"
CHART = ROOT / "charts" / "revcart-operator"
OPERATOR, SYSTEM = "revcart-operator", "revcart-system"
STORES = ("redis", "mysql", "kafka", "consul", "mongodb")
READY_SECONDS, STALLED_SECONDS = 600.0, 60.0
SHOWN_EVERY = 5.0  # seconds between lines when nothing changes
_LABEL = "platform.revcart.io/platform"


class Cluster:
    """The cluster as `kubectl` and `helm` reach it."""

    def __init__(self) -> None:
        answer = json.loads(_script("cluster", "status", "--output=json", may_fail=True) or "{}")
        self.provider = answer.get("provider")
        self._programs = {name: _script("cluster", "tool", name).strip() for name in ("kubectl", "helm")}

    @property
    def address(self) -> str:
        """Where its Ingresses are served."""
        return places.NODE_ADDRESS if self.provider == native.NAME else "127.0.0.1"

    def kubectl(self, *words: str, timeout: float = 60.0) -> str:
        return self._run("kubectl", *words, timeout=timeout)

    def helm(self, *words: str, timeout: float = 120.0) -> str:
        return self._run("helm", *words, timeout=timeout)

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "--output=json"))

    def apply(self, manifest: dict[str, Any]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(manifest, file)
            file.flush()
            # A CRD is not served in the second in which it is made.
            deadline = time.monotonic() + 10.0
            command = ("apply", "--server-side", "--force-conflicts", f"--filename={file.name}")
            while True:
                try:
                    self.kubectl(*command)
                except trouble.Trouble as error:
                    if "no matches for kind" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(0.5)
                else:
                    return

    def _run(self, program: str, *words: str, timeout: float) -> str:
        status, output = shell.attempt(
            self._programs[program], *words, timeout=timeout, env={"KUBECONFIG": str(places.kubeconfig())}
        )
        if status:
            raise trouble.Trouble(f"`{program} {' '.join(words)[:200]}` failed: {shell.reason(output)}")
        return output


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/deploy", description=__doc__)
    parser.add_argument(
        "what", nargs="?", choices=["shop", "operator"], default="shop", help="how far to go; a shop needs the operator"
    )
    try:
        what = parser.parse_args().what
        cluster = operator()
        if what == "shop":
            shop(cluster)
    except trouble.Trouble as error:
        say.line(str(error))
        return error.status
    except KeyboardInterrupt:
        say.line("Interrupted; the same command again goes on.")
        return 130
    return 0


def operator() -> Cluster:
    """Cluster, images and operator are there and up to date. Raises Trouble."""
    say.line("1. The cluster")
    _script("cluster", "up")
    cluster = Cluster()
    say.line("2. The images")
    names = ("platform", "operator", *(STORES if cluster.provider == native.NAME else ()))
    _script("images", "build", *names, for_person=True)
    _script("images", "save", *names, for_person=True)
    saved = {tag: Path(archive) for archive, tag, _ in map(str.split, _script("images", "list", *names).splitlines())}
    _script("cluster", "load", *map(str, saved.values()))
    say.line("3. The operator")
    for name in (SYSTEM, "shop"):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    cluster.apply(yaml.safe_load(CRD.read_text()))  # Helm never upgrades one
    cluster.helm("upgrade", "--install", OPERATOR, str(CHART), f"--namespace={SYSTEM}")
    _end_outdated(cluster, saved)
    with say.during("waiting for the operator"):
        rollout = ("rollout", "status", f"deployment/{OPERATOR}", "--timeout=120s")
        cluster.kubectl(f"--namespace={SYSTEM}", *rollout, timeout=150.0)
    say.line("The operator is ready.")
    return cluster


def _end_outdated(cluster: Cluster, saved: dict[str, Path]) -> None:
    """A tag stays when its content changes, so Kubernetes sees no change: pods of the former content end here.

    Where an image got another identity when it was loaded, as with kind, its pods are left alone.
    """
    digests = {tag: archives.images(archive)[tag] for tag, archive in saved.items()}
    outdated: dict[str, list[str]] = {}
    for pod in cluster.get("pods", "--all-namespaces")["items"]:
        statuses = pod["status"].get("containerStatuses", [])
        held = {status["image"]: status["imageID"] for status in statuses if status["imageID"].startswith("sha256:")}
        if any(digests.get(tag, digest) != digest for tag, digest in held.items()):
            outdated.setdefault(pod["metadata"]["namespace"], []).append(pod["metadata"]["name"])
    for namespace, pods in outdated.items():
        say.line(f"  {len(pods)} pods in {namespace} have an older image and are replaced.")
        with say.during("ending them"):
            # The operator makes the migrations of a release again when they are gone.
            cluster.kubectl(f"--namespace={namespace}", "delete", "jobs", f"--selector={_LABEL}", timeout=150.0)
            cluster.kubectl(f"--namespace={namespace}", "delete", "pods", "--ignore-not-found", *pods, timeout=300.0)


def shop(cluster: Cluster) -> None:
    """The sample is Ready. Raises Trouble."""
    say.line("4. The shop")
    platform = yaml.safe_load(SAMPLE.read_text())
    if cluster.provider == native.NAME:
        say.line("  Without a registry the stores are RevCart's local stand-ins (spec.images.overrides).")
        local = [{"name": name, "image": f"localhost/revcart/{name}:local"} for name in STORES]
        platform["spec"].setdefault("images", {})["overrides"] = local
    began = time.monotonic()
    cluster.apply(platform)
    _wait(cluster, platform["metadata"], began=began)
    say.line(f"The shop is Ready {time.monotonic() - began:.0f} s after `kubectl apply`.")
    _welcome(cluster, platform["spec"]["exposure"]["host"])


def _wait(cluster: Cluster, metadata: dict[str, str], *, began: float) -> None:
    """Says what it waits for, when that changes and every few seconds. Raises Trouble when it will not get Ready."""
    path, shown, said = ("revcartplatforms", metadata["name"], f"--namespace={metadata['namespace']}"), "", began
    well = began  # when it was last not stalled: what was mended a moment ago is given time to show it
    while (seconds := time.monotonic() - began) < READY_SECONDS:
        found = cluster.get(*path)
        status = found.get("status", {})
        conditions = {it["type"]: it for it in status.get("conditions", [])}
        ready = conditions.get("Ready", {"status": "Unknown", "reason": "", "message": "waits for the operator"})
        if ready.get("observedGeneration") == found["metadata"]["generation"]:
            if ready["status"] == "True":
                return
            if conditions["Stalled"]["status"] != "True":
                well = time.monotonic()
            elif time.monotonic() - well > STALLED_SECONDS:
                raise trouble.Trouble(f"The shop does not get Ready. {ready['reason']}: {ready['message']}")
        text = f"stores {_count(status, 'stores', 5)}, services {_count(status, 'services', 11)}; {ready['message']}"
        if text != shown or time.monotonic() - said > SHOWN_EVERY:
            say.line(f"  {seconds:3.0f} s  {text}")
            shown, said = text, time.monotonic()
        time.sleep(1.0)
    raise trouble.Trouble(f"The shop is not Ready after {READY_SECONDS:.0f} s. {ready['reason']}: {ready['message']}")


def _count(status: dict[str, Any], what: str, all_: int) -> str:
    halves = [part["ready"].split("/") for part in status.get(what, []) if part.get("ready")]
    return f"{sum(ready == wanted for ready, wanted in halves)}/{all_}"


def _welcome(cluster: Cluster, host: str) -> None:
    from revcart.auth import demo  # the accounts are auth's: asked for where it lives

    def tell(text: str = "") -> None:
        say.line(text, stream="out")

    tell(f"\n  http://{host}/api (reference: /api/docs); payments are simulated at http://paysim.{host}")
    tell(f"  In a browser: add this line to /etc/hosts:  {cluster.address} {host} paysim.{host}")
    tell(f"\nSign in (password {demo.PASSWORD}):")
    first = {role: (name, email) for _, role, name, email, _ in reversed(demo.PEOPLE)}
    for role, (name, email) in sorted(first.items()):
        tell(f"  {role:<15} {email} ({name})")
    tell("\nNext:")
    tell(f"  export KUBECONFIG={places.kubeconfig()}; $(scripts/cluster tool kubectl) -n shop get rcp,pods")
    search = """-d '{"q": "milk"}' -H 'Content-Type: application/json'"""
    tell(f"  curl --resolve {host}:80:{cluster.address} {search} http://{host}/api/products/search")
    tell("  make cluster-down")


def _script(name: str, *words: str, may_fail: bool = False, for_person: bool = False) -> str:
    """Run another script, which says by itself how far it is. What it prints, unless that is for the person."""
    output = sys.stderr if for_person else subprocess.PIPE
    command = [str(ROOT / "scripts" / name), *words]
    done = subprocess.run(command, cwd=ROOT, stdout=output, text=True, check=False)  # noqa: S603
    if done.returncode and not may_fail:
        failed = trouble.Trouble(f"`scripts/{name} {words[0]}` failed, see above.")
        failed.status = done.returncode
        raise failed
    return done.stdout or ""


if __name__ == "__main__":
    sys.exit(main())
