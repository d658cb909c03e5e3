"""How much of a service's direct throughput is left behind the gateway, in "% of direct" (`make bench`).

A static 1 KB answer in one process, the gateway in another, wrk as the load: 64 connections, alternating runs, medians.
The numbers of two machines do not compare; the percentage does, roughly. A Python load generator would measure itself.
"""

import argparse
import asyncio
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from typing import Final

import uvicorn
from starlette import types

from revcart.gateway import app, domain
from revcart.kit import hub, registry, telemetry, testing

CONNECTIONS: Final = 64
BODY: Final = b'{"padding":"' + b"x" * 1010 + b'"}'
ROUTE: Final = domain.Route(path="/api/**", service="static", access=domain.Access.OPEN)


async def static(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
    """The upstream: as little as an ASGI application can do."""
    assert scope["type"] == "http"
    length = (b"content-length", str(len(BODY)).encode())
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"), length]}
    )
    await send({"type": "http.response.body", "body": BODY})


async def gateway(port: int, *, upstream: int) -> None:
    """The gateway as in production, but for rate limits: one client is all there is."""
    telemetry.configure("ERROR", "json", "gateway")
    shared = hub.Hub()
    address = f"http://127.0.0.1:{upstream}"
    await shared.registry.register(registry.Instance(service="static", id="static", address=address))
    settings = testing.settings(app.Settings, gateway_routes=[ROUTE], gateway_rate_limits="Off", gateway_log_sample=0)
    async with shared:
        await uvicorn.Server(_config(app.create_app(settings, hub=shared), port, lifespan=True)).serve()


def _config(application: types.ASGIApp, port: int, *, lifespan: bool) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        host="127.0.0.1",
        port=port,
        lifespan="on" if lifespan else "off",
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        timeout_keep_alive=75,
    )


def measure(seconds: int, runs: int) -> None:
    ports = [_free_port() for _ in range(2)]
    urls = [f"http://127.0.0.1:{port}/api/static" for port in ports]
    roles = (["static", str(ports[0])], ["gateway", str(ports[1]), str(ports[0])])
    processes = [subprocess.Popen([sys.executable, __file__, *role]) for role in roles]
    try:
        for url in urls:
            _wait(url)
        results: list[list[float]] = [[], []]
        for _ in range(runs):
            for result, url in zip(results, urls, strict=True):
                result.append(_wrk(url, seconds))
        direct, through = (statistics.median(result) for result in results)
        print(f"direct {direct:,.0f}/s, through the gateway {through:,.0f}/s: {through / direct:.0%} of direct")
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _wrk(url: str, seconds: int) -> float:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 30).stdout
    if "Non-2xx" in output:
        raise SystemExit(f"not every answer was a success:\n{output}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert rate, output
    return float(rate[1])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} did not come up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", nargs="*", help="used by the script itself to start its two servers")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    match arguments.role:
        case ["static", port]:
            uvicorn.Server(_config(static, int(port), lifespan=False)).run()
        case ["gateway", port, upstream]:
            asyncio.run(gateway(int(port), upstream=int(upstream)))
        case _ if shutil.which("wrk") is None:
            print("The gateway bench needs wrk (apt install wrk); nothing was measured.")
        case _:
            measure(arguments.seconds, arguments.runs)


if __name__ == "__main__":
    main()
