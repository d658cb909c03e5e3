"""A platform that stops is out of Consul before its servers stop: nobody is sent to a port that is about to close."""

import asyncio
import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from revcart_operator.local import runtime
from revcart_operator.platform import loading
from tests import polling, servers

PLATFORM = """\
apiVersion: platform.revcart.io/v1alpha1
kind: RevCartPlatform
metadata: {name: shop}
spec:
  version: "0.1.0"
  stores: {consul: {mode: External, external: {secretRef: {name: mine}, tls: {mode: Disabled}}}}
"""
BODY = b'{"productId":1,"quantity":1}'


async def test_no_service_is_found_while_its_last_request_is_answered(tmp_path: Path) -> None:
    secret = tmp_path / "data" / "secrets" / "mine" / "uri"
    secret.parent.mkdir(parents=True)
    async with servers.consul(tmp_path) as server:
        secret.write_text(f"consul://127.0.0.1:{server.port}")

        def passing(service: str) -> list[Any]:
            url = f"http://127.0.0.1:{server.port}/v1/health/service/{service}?passing=1"
            with urllib.request.urlopen(url, timeout=3) as answer:
                found: list[Any] = json.load(answer)
                return found

        names = ("gateway", "cart", "user")
        shop = runtime.Runtime(
            platform=loading.parse(PLATFORM), data=tmp_path / "data", ports="ephemeral", only=set(names)
        )
        await shop.start()
        try:
            assert [len(passing(name)) for name in names] == [1, 1, 1]
            port = int(shop.addresses["cart"].rpartition(":")[2])
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST /api/cart/add HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(BODY)}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\nX-Session-Id: guest-session\r\n\r\n".encode())
            writer.write(BODY[:5])
            await asyncio.sleep(0.3)
        finally:
            stopping = asyncio.create_task(shop.stop())
        await polling.until(lambda: not any(passing(name) for name in names))
        assert not stopping.done(), "the request is still in flight"
        writer.write(BODY[5:])
        answered = time.monotonic()
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 ")
        await asyncio.wait_for(stopping, 5)
        assert time.monotonic() - answered < 3
        writer.close()
