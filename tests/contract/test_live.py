"""Live settings: one document, from a file or, where REVCART_TEST_CONSUL_URL names one, from Consul's KV."""

import asyncio
import os
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests import polling

from revcart.kit import ids, live, telemetry


class Document(live.Document):
    """What a service with one setting of its own takes."""

    amount: int = 1


class Place:
    """Where the document is kept, written from outside."""

    def __init__(self, service: str, *, folder: Path, consul: str | None) -> None:
        self.service = service
        self._file = folder / "config" / service / "data"
        self._http = f"{consul.replace('consul:', 'http:')}/v1/kv/config/{service}/data" if consul else None
        self.source = live.connect(consul or "memory://", folder=str(folder))

    def put(self, text: str) -> None:
        if self._http is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new = self._file.with_suffix(".new")
            new.write_text(text)
            new.rename(self._file)
        else:
            self._ask("PUT", text.encode())

    def remove(self) -> None:
        if self._http is None:
            self._file.unlink(missing_ok=True)
        else:
            self._ask("DELETE", None)

    def _ask(self, method: str, body: bytes | None) -> None:
        assert self._http is not None
        urllib.request.urlopen(urllib.request.Request(self._http, data=body, method=method), timeout=5).close()


@pytest.fixture(params=["file", "consul"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    url = os.environ.get("REVCART_TEST_CONSUL_URL")
    if request.param == "consul" and not url:
        pytest.skip("set REVCART_TEST_CONSUL_URL to test on Consul")
    made = Place(f"test-{ids.uuid7()}", folder=tmp_path, consul=url if request.param == "consul" else None)
    yield made
    made.remove()


class Follower:
    """A service that follows its document."""

    def __init__(self, place: Place) -> None:
        self.metrics = telemetry.Metrics(place.service)
        self.taken: list[Document] = []
        self.live = live.Live(place.source, service=place.service, metrics=self.metrics)
        self.live.use(Document, self.taken.append, names={})

    @property
    def amount(self) -> int | None:
        return self.taken[-1].amount if self.taken else None

    def reloads(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("revcart_config_reload_total", {"result": result}) or 0


@pytest.fixture
async def follower(place: Place) -> AsyncIterator[Follower]:
    made = Follower(place)
    yield made
    await made.live.stop()


async def test_a_change_is_taken_within_two_seconds_and_its_removal_too(place: Place, follower: Follower) -> None:
    await follower.live.start()
    assert follower.taken == [], "there is none: what the service started with holds"
    for amount in (7, 8):
        await asyncio.to_thread(place.put, f"amount: {amount}\n")
        await polling.until(lambda wanted=amount: follower.amount == wanted, seconds=2)  # type: ignore[misc]
    await asyncio.to_thread(place.remove)
    await polling.until(lambda: follower.amount == 1, seconds=2)
    assert (follower.reloads("applied"), follower.reloads("removed"), follower.reloads("refused")) == (2, 1, 0)


async def test_what_is_there_at_the_start_holds_from_the_start(place: Place, follower: Follower) -> None:
    await asyncio.to_thread(place.put, "amount: 7")
    await follower.live.start()
    assert follower.amount == 7


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("amount: 5\nunknown: 1", "unknown"),
        ("amount: '5'", "amount"),
        ("amount: [", "no YAML"),
        ("- amount", "valid dictionary"),
        ("amount: 5\nlog: {level: LOUD}", "log.level"),
        ("amount: 5 # " + "x" * 70_000, "larger"),
        ("amount: !!python/object/apply:os.system ['true']", "no YAML"),
        ("a: &a [1]\nb: " + "[" * 3000, "no YAML|depth"),
    ],
)
async def test_a_bad_document_is_refused_as_a_whole(
    place: Place, follower: Follower, bad: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(place.put, "amount: 7")
    await follower.live.start()
    telemetry.configure("INFO", "json", "tests")
    try:
        await asyncio.to_thread(place.put, bad)
        await polling.until(lambda: follower.reloads("refused") == 1, seconds=3)
    finally:
        telemetry.configure("WARNING", "console", "tests")
    assert follower.amount == 7, "the last good one holds"
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "config.refused" in line]
    assert '"level":"ERROR"' in line
    assert any(part in line for part in why.split("|")), line
    await asyncio.to_thread(place.put, "amount: 9")
    await polling.until(lambda: follower.amount == 9, seconds=2)


async def test_a_log_level_acts_within_two_seconds_and_on_one_service_only(
    place: Place, follower: Follower, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry.configure("WARNING", "json", "others")
    log = telemetry.get_logger("test")

    def heard(service: str) -> bool:
        with telemetry.context(service=service):
            log.debug("is.heard")
        return "is.heard" in capsys.readouterr().out

    try:
        await follower.live.start()
        assert not heard(place.service)
        began = time.monotonic()
        await asyncio.to_thread(place.put, "log: {level: DEBUG}")
        await polling.until(lambda: heard(place.service), seconds=2)
        assert time.monotonic() - began < 2
        assert not heard("another")
        await asyncio.to_thread(place.remove)
        await polling.until(lambda: not heard(place.service), seconds=2)
    finally:
        telemetry.configure("WARNING", "console", "tests")


async def test_where_there_is_no_source_nothing_is_followed() -> None:
    assert live.connect("memory://", folder="") is None
    idle = live.Live(None, service="test", metrics=telemetry.Metrics("test"))
    await idle.start()
    await idle.stop()
