"""The registry on a Consul that is stopped, frozen, emptied and started again."""

import asyncio
import contextlib
import json
import shutil
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests import polling, servers

from revcart.kit import consul, registry, registry_consul, registry_names, telemetry

NAMES = registry.Names(
    template="localhost:{port}",
    ports={"order": 18085},
    static={"order": ["http://127.0.0.9:1"], "cart": ["http://127.0.0.9:2"]},
)


class Ready:
    """What an instance says of itself."""

    now = True

    async def __call__(self) -> bool:
        return self.now


def _instance(id: str, ready: Ready | None = None, service: str = "order") -> registry.Instance:
    return registry.Instance(service=service, id=id, address=f"http://127.0.0.1:{len(id)}", ready=ready)


@contextlib.asynccontextmanager
async def _registry(
    server: servers.Server, *, metrics: telemetry.Metrics | None = None, query: str = "", keep_seconds: float = 300
) -> AsyncIterator[registry_consul.Consul]:
    opened = registry_consul.Consul(
        consul.Agent(f"consul://127.0.0.1:{server.port}{query}"),
        finders=[registry_names.Dns(NAMES), registry_names.Static(NAMES)],
        metrics=metrics or telemetry.Metrics("test"),
        keep_seconds=keep_seconds,
    )
    try:
        yield opened
    finally:
        await opened.close()


def _asked(server: servers.Server, path: str) -> Any:
    """What Consul says, seen from outside."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/{path}", timeout=2) as answer:
        return json.loads(answer.read())


def _ids(instances: registry.Registry, service: str = "order") -> set[str]:
    return {instance.id for instance in instances.instances(service)}


def _source(metrics: telemetry.Metrics, service: str = "order") -> str:
    (source,) = [
        name
        for name in registry_names.SOURCES
        if metrics.registry.get_sample_value("revcart_discovery_source", {"service": service, "source": name})
    ]
    return source


async def test_what_consul_is_told(tmp_path: Path) -> None:
    async with servers.consul(tmp_path) as server, _registry(server) as instances:
        await instances.register(_instance("a"))
        (entry,) = _asked(server, "health/service/order")
        assert (entry["Service"]["ID"], entry["Service"]["Address"], entry["Service"]["Port"]) == ("a", "127.0.0.1", 1)
        check = next(each for each in entry["Checks"] if each["CheckID"] == "ready:a")
        assert (check["Type"], check["Status"]) == ("ttl", "passing")
        await instances.deregister(_instance("a"))
        assert _asked(server, "health/service/order") == []


async def test_an_instance_that_is_not_ready_or_was_killed_gets_no_calls(tmp_path: Path) -> None:
    ready = Ready()
    async with servers.consul(tmp_path) as server, _registry(server) as instances:
        await instances.watch("order")
        async with _registry(server) as killed:  # closing without deregistering is what a killed process leaves
            await killed.register(_instance("killed"))
            await instances.register(_instance("a", ready))
            await polling.until(lambda: _ids(instances) == {"a", "killed"}, seconds=2)
            ready.now = False
            await polling.until(lambda: _ids(instances) == {"killed"}, seconds=10)
            ready.now = True
            await polling.until(lambda: _ids(instances) == {"a", "killed"}, seconds=10)
        await polling.until(lambda: _ids(instances) == {"a"}, seconds=registry_consul.TTL_SECONDS + 3)


async def test_consul_away_the_last_list_holds_then_dns_then_the_settings(tmp_path: Path) -> None:
    metrics = telemetry.Metrics("test")
    async with servers.consul(tmp_path) as server, _registry(server, metrics=metrics, keep_seconds=3) as instances:
        for instance in (_instance("a"), _instance("bb"), _instance("ccc", service="cart")):
            await instances.register(instance)
        for service in ("order", "cart", "user"):
            await instances.watch(service)
        assert (_ids(instances), _source(metrics)) == ({"a", "bb"}, "consul")
        await server.stop()
        await polling.until(lambda: _source(metrics) == "last-known", seconds=3)
        assert _ids(instances) == {"a", "bb"}
        await polling.until(lambda: _source(metrics) == "dns", seconds=6)
        assert "http://127.0.0.1:18085" in {instance.address for instance in instances.instances("order")}
        await polling.until(lambda: _source(metrics, "cart") == "static", seconds=3)
        assert [instance.address for instance in instances.instances("cart")] == ["http://127.0.0.9:2"]
        assert (_ids(instances, "user"), _source(metrics, "user")) == (set(), "none")

        await server.start()  # back, and it needs nobody's help
        await polling.until(lambda: _source(metrics) == "consul", seconds=5)
        await polling.until(lambda: _ids(instances) == {"a", "bb"}, seconds=8)


async def test_started_while_consul_is_away(tmp_path: Path) -> None:
    metrics = telemetry.Metrics("test")
    async with servers.consul(tmp_path) as server, _registry(server, metrics=metrics) as instances:
        await server.stop()
        await asyncio.wait_for(instances.register(_instance("a")), 3)
        await asyncio.wait_for(instances.watch("order"), 3)
        assert _source(metrics) == "dns"
        await server.start()
        await polling.until(lambda: _ids(instances) == {"a"}, seconds=8)
        await instances.deregister(_instance("a"))
        await server.stop()
        await asyncio.wait_for(instances.deregister(_instance("a")), 3)


async def test_a_consul_that_lost_everything_takes_nobody_out(tmp_path: Path) -> None:
    async with servers.consul(tmp_path) as server, _registry(server) as instances:
        await instances.register(_instance("a"))
        await instances.register(_instance("bb"))
        await instances.watch("order")
        seen: list[set[str]] = []

        async def look() -> None:
            while True:
                seen.append(_ids(instances))
                await asyncio.sleep(0.01)

        looking = asyncio.create_task(look())
        await server.stop()
        shutil.rmtree(tmp_path / "consul")
        await server.start()
        await polling.until(
            lambda: {entry["Service"]["ID"] for entry in _asked(server, "health/service/order")} == {"a", "bb"},
            seconds=10,
        )
        await asyncio.sleep(registry_consul.TTL_SECONDS + 2)  # its list is believed again
        assert all(ids == {"a", "bb"} for ids in seen)
        await instances.deregister(_instance("a"))
        await polling.until(lambda: _ids(instances) == {"bb"}, seconds=2)
        looking.cancel()


async def test_a_token_is_needed_and_sent_and_told_to_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "6e2f1a9c-5f0e-4f0e-9b1e-2b7f0a3c9d11"
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": secret, "agent": secret}}
    telemetry.configure("DEBUG", "json", "tests")
    try:
        async with servers.consul(tmp_path, acl=acl) as server:
            async with _registry(server, query=f"?token={secret}") as allowed:
                await _eventually_registers(allowed, server, secret)
                await allowed.watch("order")
                await polling.until(lambda: _ids(allowed) == {"a"}, seconds=8)
            async with _registry(server, query="?token=wrong") as refused:
                await refused.register(_instance("bb"))
                await refused.watch("cart")
                assert [each.address for each in refused.instances("cart")] == ["http://127.0.0.9:2"]
    finally:
        telemetry.configure("WARNING", "console", "tests")
    printed = capsys.readouterr().out
    assert "registry.refused" in printed
    assert secret not in printed


async def test_over_tls_the_certificate_must_be_known(tmp_path: Path) -> None:
    certificate, key = servers.certificate(tmp_path)
    https = servers.free_port()
    async with servers.consul(tmp_path, cert_file=certificate, key_file=key, tls_port=https) as server:
        for query, trusted in ((f"&ca={certificate}", True), ("&verify=none", True), ("", False)):
            agent = consul.Agent(f"consul://127.0.0.1:{https}?tls=true{query}")
            try:
                assert (await agent.get("v1/status/leader")).status == 200
                assert trusted
            except consul.Away:
                assert not trusted
            finally:
                await agent.close()
        assert server.port != https


async def _eventually_registers(instances: registry.Registry, server: servers.Server, token: str) -> None:
    """The token of a new Consul is known to it a moment after it has a leader."""
    async with asyncio.timeout(10):
        while True:
            await instances.register(_instance("a"))
            with contextlib.suppress(OSError):
                request = urllib.request.Request(
                    f"http://127.0.0.1:{server.port}/v1/agent/service/a", headers={"X-Consul-Token": token}
                )
                (await asyncio.to_thread(urllib.request.urlopen, request, timeout=2)).close()
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("url", ["consul://", "consul://a:b@host:8500", "consul://host:8500?tokn=x", "etcd://host"])
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError) as raised:
        registry.connect(url, memory=registry.Memory(), names=registry.Names(), metrics=telemetry.Metrics("test"))
    assert "tokn" not in str(raised.value)
    assert "a:b" not in str(raised.value)
