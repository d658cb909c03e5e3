"""Get a store's server into the cache, once: from Debian packages without root, from Maven, or from Go.

Each of the three clients is used as the machine has it configured: mirrors, proxies and checksums are its business.
"""

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import locks
import refusals
import say
import table

HERE = Path(__file__).parent
TIMEOUT = 1800.0  # seconds; a cold Go build on a busy machine takes minutes
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin"  # servers are often outside a user's PATH


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "revcart" / "stores"


def obtain(store: table.Store) -> Path:
    """The store's program (of Kafka: its folder of jars), fetched if need be. Raises CannotBeHad."""
    if platform.system() != "Linux":
        raise refusals.CannotBeHad(f"the servers run on Linux only; set {store.variable} to use one of your own")
    match store.source:
        case table.Debian() as source:
            fetch, program = functools.partial(_debian, source), f"root/usr/*bin/{source.program}"
            if installed := _installed(source, version=store.version):
                return installed
        case table.Maven() as source:
            fetch, program = functools.partial(_maven, source, version=store.version), "jars"
            _check_java(source.java)
        case table.Go() as source:
            fetch, program = functools.partial(_go, source), source.module
    edition = f"{store.version}{_edition(store.source)}"
    folder = cache() / f"{store.server.lower()}-{edition}-{platform.machine()}"
    with locks.held(folder.with_name(f"{folder.name}.lock"), waiting=f"{store.name}: another process is fetching it"):
        if not folder.exists():
            # Built beside its place and moved in whole: what a crash leaves half-made is never taken for the server.
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            with say.during(f"{store.name}: fetching {store.title}"):
                fetch(into=part)
            found = next(part.glob(program), None)
            if isinstance(store.source, table.Debian):
                _check(found, store.source, version=store.version)
            part.rename(folder)
    return next(folder.glob(program))


def _edition(source: table.Debian | table.Maven | table.Go) -> str:
    """What tells builds of one version apart: our own program around a module changes with its text."""
    if not isinstance(source, table.Go):
        return ""
    texts = sorted((HERE / source.module).glob("*.*"))
    return "-" + hashlib.sha256(b"".join(text.read_bytes() for text in texts)).hexdigest()[:12]


def libraries(program: Path) -> dict[str, str]:
    """Where an unpacked program finds the libraries that were unpacked with it, as environment variables."""
    folders = sorted(program.parents[1].glob("lib/*-linux-gnu*")) if program.is_relative_to(cache()) else []
    return {"LD_LIBRARY_PATH": ":".join(str(folder) for folder in folders)} if folders else {}


def _installed(source: table.Debian, *, version: str) -> Path | None:
    found = shutil.which(source.program, path=PATH)
    return Path(found) if found and _series(_version(Path(found), source), version) else None


def _check(program: Path | None, source: table.Debian, *, version: str) -> None:
    found = _version(program, source) if program else "no program"
    if not _series(found, version):
        raise refusals.CannotBeHad(f"the packages that this machine can get hold {found}, not {version}")


def _series(found: str, wanted: str) -> bool:
    return f"{found}.".startswith(f"{wanted}.")


def _version(program: Path, source: table.Debian) -> str:
    output = _run([str(program), source.version_option], env=libraries(program))
    numbers = re.search(r"\d+\.\d+(\.\d+)?", output)
    return numbers[0] if numbers else "an unknown version"


def _debian(source: table.Debian, *, into: Path) -> None:
    for tool in ("apt-get", "dpkg"):
        _need(tool, "Debian or Ubuntu")
    # Lists and packages of its own: nothing of the system's apt is changed, so this needs no root.
    apt, packages = into / "apt", into / "packages"
    for folder in (apt / "lists" / "partial", apt / "archives" / "partial", packages):
        folder.mkdir(parents=True)
    options = [f"Dir::State::lists={apt / 'lists'}", f"Dir::Cache={apt}", "Acquire::Languages=none"]
    options += ["Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "Acquire::Retries=2"]
    options += ["APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    if sources := _sources(source.suite):
        (apt / "sources.list").write_text(sources)
        options += [f"Dir::Etc::sourcelist={apt / 'sources.list'}", "Dir::Etc::sourceparts=-"]
    get = ["apt-get", "--quiet=2", *(word for option in options for word in ("--option", option))]
    try:
        _run([*get, "update"])
    except refusals.CannotBeHad as refusal:
        # One unreachable repository of several is no reason to stop: the download says what matters.
        say.line(f"  apt-get update: {refusal}")
    _run([*get, "download", *source.packages], cwd=packages)
    for package in packages.glob("*.deb"):
        _run(["dpkg", "--extract", str(package), str(into / "root")])
    shutil.rmtree(apt)
    shutil.rmtree(packages)


def _sources(suite: str) -> str:
    """apt's source lines for `suite` on the mirrors that this Debian machine uses; none elsewhere, whose own serve."""
    if "\nID=debian\n" not in f"\n{Path('/etc/os-release').read_text()}\n":
        return ""
    targets = _run(["apt-get", "update", "--print-uris"])
    mirrors = {found[1] for found in re.finditer(r"^'(\S+)/dists/[a-z]+/InRelease'", targets, re.MULTILINE)}
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    return "".join(f"deb {signed}{mirror} {suite} main\n" for mirror in sorted(mirrors))


def _maven(source: table.Maven, *, version: str, into: Path) -> None:
    _need("mvn", "Maven")
    properties = {"kafka.version": version, **source.properties, "outputDirectory": str(into / "jars")}
    words = [f"-D{name}={value}" for name, value in properties.items()]
    maven = ["mvn", "--batch-mode", "--quiet", "--strict-checksums", "--file", str(HERE / source.pom)]
    _run([*maven, "dependency:copy-dependencies", "-DincludeScope=runtime", *words])


def _check_java(oldest: int) -> None:
    _need("java", f"Java {oldest} or newer")
    found = re.search(r'version "(\d+)', _run(["java", "-version"]))
    if not found or int(found[1]) < oldest:
        raise refusals.CannotBeHad(f"it needs Java {oldest} or newer, and `java` is {found[1] if found else 'unknown'}")


def _go(source: table.Go, *, into: Path) -> None:
    _need("go", "Go")
    _run(["go", "build", "-trimpath", "-o", str(into / source.module), "."], cwd=HERE / source.module)


def _need(tool: str, what: str) -> None:
    if not shutil.which(tool):
        raise refusals.CannotBeHad(f"it needs {what}, and `{tool}` is not on the PATH")


def _run(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """What the command prints. Raises CannotBeHad with its last line when it fails."""
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=cwd,
            env=os.environ | {"LC_ALL": "C", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise refusals.CannotBeHad(f"`{command[0]}` took longer than {TIMEOUT:.0f} s") from None
    if done.returncode:
        raise refusals.CannotBeHad(f"`{Path(command[0]).name}` failed: {_reason(done.stdout)}")
    return done.stdout


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(\[?ERROR|E:|error|go: )", line)]
    return (errors or lines or ["it said nothing"])[0][:300]
