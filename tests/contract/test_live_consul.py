"""Live settings while Consul is away: the last good ones hold, and changes come when it is back."""

import asyncio
import urllib.request
from pathlib import Path

from tests import polling, servers

from revcart.kit import live, telemetry


def _put(server: servers.Server, text: str) -> None:
    url = f"http://127.0.0.1:{server.port}/v1/kv/config/order/data"
    urllib.request.urlopen(urllib.request.Request(url, data=text.encode(), method="PUT"), timeout=5).close()


async def test_settings_are_frozen_while_consul_is_away(tmp_path: Path) -> None:
    taken: list[live.Document] = []
    async with servers.consul(tmp_path) as server:
        source = live.connect(f"consul://127.0.0.1:{server.port}", folder="")
        following = live.Live(source, service="order", metrics=telemetry.Metrics("order"))
        following.use(live.Document, taken.append, names={})
        await asyncio.to_thread(_put, server, "log: {level: ERROR}")
        await following.start()
        assert [document.log.level for document in taken] == ["ERROR"]
        await server.stop()
        await asyncio.sleep(1.5)
        assert len(taken) == 1
        await server.start()
        await asyncio.sleep(1.5)
        assert len(taken) == 1, "the same document again changes nothing"
        await asyncio.to_thread(_put, server, "log: {level: WARNING}")
        await polling.until(lambda: len(taken) == 2, seconds=3)
        assert taken[-1].log.level == "WARNING"
        await following.stop()


async def test_a_service_starts_without_consul(tmp_path: Path) -> None:
    source = live.connect(f"consul://127.0.0.1:{servers.free_port()}", folder="")
    following = live.Live(source, service="order", metrics=telemetry.Metrics("order"))
    await asyncio.wait_for(following.start(), 3)
    await asyncio.wait_for(following.stop(), 1)
