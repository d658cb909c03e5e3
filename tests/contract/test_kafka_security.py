"""Kafka over TLS with a password: the right ones serve, each wrong one is told in a sentence that holds no secret."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import buses, polling, servers
from typer import testing

from revcart import service_cli
from revcart.kit import bus, topics

PASSWORD = "right-and-long-enough"


class World:
    """The server, and its authority in a file."""

    def __init__(self, server: servers.Server, folder: Path) -> None:
        self.port = server.port
        self.ca = folder / "certificate.pem"
        self.folder = folder

    def url(self, login: str = f"shop:{PASSWORD}@", *, sasl: str = "", tls: str | None = None) -> str:
        query = f"tls=true&ca={self.ca}" if tls is None else tls
        return f"kafka://{login}127.0.0.1:{self.port}?{query}{f'&sasl={sasl}' if sasl else ''}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with servers.kafka(tmp_path, user="shop", password=PASSWORD) as server:
        yield World(server, tmp_path)


async def run(*words: str, url: str) -> tuple[int, str]:
    """Exit code and what was said."""
    call = testing.CliRunner().invoke
    done = await asyncio.to_thread(call, service_cli.app, list(words), env={"REVCART_BUS_URL": url})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output.strip()


async def test_who_signs_in_over_tls_is_served_and_nobody_else(world: World) -> None:
    code, said = await run("migrate", "cart", url=world.url())
    assert code == 0, said
    assert "topics made: order-events," in said
    for mechanism in ("SCRAM-SHA-512", "PLAIN"):
        async with contextlib.AsyncExitStack() as stack:
            log = buses.made("kafka", world.url(sasl=mechanism))
            stack.push_async_callback(log.close)
            await log.open()
            seen = buses.Seen()
            await log.subscribe(f"g-{mechanism}", topics=[topics.ORDER_EVENTS], handler=buses.recorder(seen))
            await log.publish([bus.Message(topic=topics.ORDER_EVENTS, key="k", value=mechanism.encode())])
            await polling.until(lambda: ("k", mechanism) in seen, 15)  # noqa: B023
            assert await log.lag(f"g-{mechanism}") == {topics.ORDER_EVENTS: 0}
    other = world.folder / "other"
    other.mkdir()
    unknown = servers.certificate(other)[0]
    for url, sentence in (
        (world.url("shop:wrong-and-secret@"), "credentials"),
        (world.url("shop:wrong-and-secret@", sasl="PLAIN"), "Invalid username or password"),
        (world.url("nobody:wrong-and-secret@"), "credentials"),
        (world.url(tls=f"tls=true&ca={unknown}"), "TLS failed (CERTIFICATE_VERIFY_FAILED)"),
        (world.url(tls="tls=true"), "TLS failed (CERTIFICATE_VERIFY_FAILED)"),
        (world.url(tls="tls=true&ca=/nowhere/ca.pem"), "No such file or directory: /nowhere/ca.pem"),
    ):
        for words in (("migrate", "cart"), ("dlq", "list")):
            code, said = await run(*words, url=url)
            last = said.splitlines()[-1]
            assert code == 1
            assert re.match("bus (at [a-z0-9.:]+ )?does not answer: ", last)
            assert sentence in last
            assert "secret" not in said
            assert len(said.splitlines()) == (2 if words[0] == "migrate" else 1)
