"""`revcart-service dlq` on both buses: what a service gave up is listed, shown without secrets, and replayed once."""

import asyncio
import contextlib
import fcntl
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests import brokers, buses, databases, polling
from typer import testing

from revcart import service_cli
from revcart.kit import bus, clock, consumer, events, pressure, sql, telemetry, topics

METADATA = sa.MetaData()
sql.shared_tables(METADATA, outbox=False)
SECRETS = ("Asha Rao", "asha@example.com", "98765 43210", "one-time-code")


class Transaction(sql.Transaction):
    pass


class Store(sql.Store[Transaction]):
    pass


class Registered(events.Payload, topic=topics.ANALYTICS_EVENTS, type="user.registered", key="user_id"):
    user_id: int
    name: str
    email: str
    phone: str
    secret: str


class World:
    """A bus with a service that refuses what it is told, until it is mended. `url`, `data`: what the commands read."""

    def __init__(self, *, url: str, data: Path, database: sql.Database) -> None:
        self.url = url
        self.data = data
        self.store = Store(database)
        self.mended = False
        self.seen: list[int] = []

    @contextlib.asynccontextmanager
    async def running(self, *services: str) -> AsyncIterator[bus.Bus]:
        async with contextlib.AsyncExitStack() as stack:
            address = self.url if self.url.startswith("kafka") else str(self.data / "bus.sqlite")
            log = buses.made(self.url.partition(":")[0], address)
            await log.open()
            stack.push_async_callback(log.close)
            for service in services:
                made = consumer.Consumer(
                    bus=log,
                    service=service,
                    handlers={Registered: self._handle if service == "user" else self._pass_over},
                    ports=None,
                    clock=clock.System(),
                    metrics=telemetry.Metrics(service),
                    pressure=pressure.Pressure(),
                    waits=(0.01,),
                )
                await made.start()
                stack.push_async_callback(made.stop)
            yield log

    async def bury(self, *users: int) -> None:
        async with self.running("user") as log:
            for user in users:
                payload = Registered(
                    user_id=user, name=SECRETS[0], email=SECRETS[1], phone=SECRETS[2], secret=SECRETS[3]
                )
                value = events.encode(events.envelope(payload, service="auth", time=clock.System().now()))
                message = bus.Message(topic=topics.ANALYTICS_EVENTS, key=str(user), value=value, headers=events.HEADERS)
                await log.publish([message])
            await polling.until(lambda: len(self.seen) == 2 * len(users), 15)
            await buried(log, len(users))
        self.seen.clear()

    async def dlq(self, *words: str) -> tuple[int, str]:
        """Exit code and what was said."""
        arguments = ["dlq", *words, "--data", str(self.data)]
        run = testing.CliRunner().invoke
        done = await asyncio.to_thread(run, service_cli.app, arguments, env={"REVCART_BUS_URL": self.url})
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.output.strip()

    async def json(self, *words: str) -> Any:
        code, said = await self.dlq(*words, "-o", "json")
        assert code == 0, said
        return json.loads(said)

    async def _handle(self, *, event: events.Received[Registered], ports: None) -> None:
        async with self.store.transaction(received=event):
            self.seen.append(event.data.user_id)
            if not self.mended:
                raise RuntimeError(f"no room for {event.data.email}")

    async def _pass_over(self, *, event: events.Received[Registered], ports: None) -> None:
        self.seen.append(-event.data.user_id)


async def buried(log: bus.Bus, count: int) -> None:
    """Returns once there are so many dead letters."""
    async with asyncio.timeout(15):
        while len([one async for one in log.history("analytics-events.dlq")]) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


@pytest.fixture(params=buses.ADAPTERS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        url = "memory://"
        if request.param == "kafka":
            url = (await stack.enter_async_context(brokers.own(tmp_path))).url
            await bus.ensure_topics(url)
        database = sql.Database(
            databases.with_tables(METADATA, tmp_path, kind="sqlite"), service="user", clock=clock.System()
        )
        await database.open(METADATA)
        stack.push_async_callback(database.close)
        yield World(url=url, data=tmp_path, database=database)


async def test_letters_are_counted_listed_and_filtered(world: World) -> None:
    await world.bury(7, 8)
    listed = await world.json("list")
    assert listed["topics"]["analytics-events.dlq"] == {"revcart.user": 2}
    assert {name for name, groups in listed["topics"].items() if not groups} == {
        "order-events.dlq",
        "payment-events.dlq",
        "notification-events.dlq",
    }
    first, second = listed["letters"]
    assert first["id"] != second["id"]
    assert (first["topic"], first["type"], first["tries"]) == ("analytics-events", "user.registered", "2")
    assert first["error"] == "RuntimeError: no room for [hidden]"
    for filters, count in (
        (("--topic", "analytics-events.dlq", "--group", "user", "--type", "user.registered"), 2),
        (("--group", "revcart.user", "--since", "2020-01-01T00:00:00+05:30"), 2),
        (("--group", "order"), 0),
        (("--topic", "order-events"), 0),
        (("--type", "order.created"), 0),
        (("--since", "2999-01-01T00:00:00Z"), 0),
        (("--limit", "1"), 1),
    ):
        assert len((await world.json("list", *filters))["letters"]) == count, filters
    code, said = await world.dlq("list")
    assert code == 0
    assert "analytics-events.dlq: 2 of revcart.user" in said
    assert said.splitlines()[-1].startswith(second["id"])


async def test_a_letter_is_shown_without_what_is_secret_or_personal(world: World) -> None:
    await world.bury(7)
    id_ = (await world.json("list"))["letters"][0]["id"]
    details = await world.json("show", id_)
    assert details["headers"]["revcart-group"] == "revcart.user"
    assert details["key"] == "7"
    assert details["body"]["data"] == {
        "userId": 7, "name": "***", "email": "a***@example.com", "phone": "***10", "secret": "***",
    }  # fmt: skip
    code, said = await world.dlq("show", id_)
    assert code == 0
    for text in (said, json.dumps(details), (await world.dlq("list"))[1]):
        assert not [secret for secret in SECRETS if secret in text]


async def test_a_replay_reaches_the_group_that_gave_up_and_acts_once(world: World) -> None:
    await world.bury(7, 8)
    world.mended = True
    id_ = (await world.json("list"))["letters"][0]["id"]
    would = await world.json("replay", "--all", "--dry-run")
    assert (len(would["replayed"]), would["dryRun"]) == (2, True)
    assert [one["id"] for one in (await world.json("replay", "--id", id_))["replayed"]] == [id_]
    code, said = await world.dlq("replay", "--group", "user")  # the first a second time
    assert (code, said.splitlines()[-1]) == (0, "2 replayed")
    async with world.running("user") as log:
        await polling.until(lambda: len(world.seen) == 2, 15)
        async with asyncio.timeout(10):
            while any((await log.lag("revcart.user")).values()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert sorted(world.seen) == [7, 8]
    async with world.running("analytics"):  # handles the two originals, and none of the replays
        await polling.until(lambda: len(world.seen) >= 4, 15)
        await asyncio.sleep(0.3)
    assert sorted(world.seen) == [-8, -7, 7, 8]


async def test_a_replay_that_fails_again_is_a_letter_again(world: World) -> None:
    await world.bury(7)
    await world.dlq("replay", "--all")
    async with world.running("user") as log:
        await buried(log, 2)
    first, second = (await world.json("list"))["letters"]
    assert first["id"] != second["id"]
    assert {**first, "id": "", "failedAt": ""} == {**second, "id": "", "failedAt": ""}


async def test_wrong_words_change_nothing(world: World) -> None:
    async with world.running():
        pass
    for words, sentence in (
        (("list", "--topic", "orders"), "There is no dead-letter topic orders; there are order-events.dlq,"),
        (("list", "--since", "yesterday"), "--since: "),
        (("show", "order-events.dlq:0:17"), "There is no dead letter order-events.dlq:0:17;"),
        (("replay",), "Say which: --id ID, a filter such as --topic order-events.dlq, or --all."),
        (("replay", "--id", "x", "--all"), "--id names one dead letter; it goes with no filter."),
        (("replay", "--id", "x"), "There is no dead letter x;"),
    ):
        code, said = await world.dlq(*words)
        assert code == 2, said
        assert said.startswith(sentence)
        assert len(said.splitlines()) == 1


async def test_a_running_platform_is_looked_at_and_not_replayed_into(tmp_path: Path) -> None:
    database = sql.Database(
        databases.with_tables(METADATA, tmp_path, kind="sqlite"), service="user", clock=clock.System()
    )
    await database.open(METADATA)
    world = World(url="memory://", data=tmp_path, database=database)
    await world.bury(7)
    async with world.running("user"):
        with open(tmp_path / "lock", "w") as lock:  # noqa: ASYNC230 - as `revcart up` holds it
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert len((await world.json("list"))["letters"]) == 1
            assert (await world.dlq("replay", "--all", "--dry-run"))[0] == 0
            code, said = await world.dlq("replay", "--all")
    assert (code, said) == (1, f"A platform runs on {tmp_path}: run `revcart down` first, then replay.")
    assert world.seen == []
    await database.close()


async def test_no_bus_and_a_bus_that_is_away(tmp_path: Path) -> None:
    run = testing.CliRunner().invoke
    for url, code, sentence in (
        ("memory://", 2, f"There is no bus in {tmp_path}: name the folder of `revcart up` with --data"),
        ("kafka://127.0.0.1:1", 1, "bus does not answer"),
        ("kafka://u:secret-value@h?sasl=none", 2, "REVCART_BUS_URL: a Kafka URL is"),
    ):
        words = ["dlq", "list", "--data", str(tmp_path)]
        done = await asyncio.to_thread(run, service_cli.app, words, env={"REVCART_BUS_URL": url})
        assert done.exit_code == code
        assert done.output.startswith(sentence), done.output
        assert "secret-value" not in done.output
    assert os.listdir(tmp_path) == []
