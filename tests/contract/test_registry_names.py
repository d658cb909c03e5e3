"""Services found by name alone: DNS and the list in the settings."""

import pytest

from revcart.kit import registry, telemetry


def _connect(url: str, names: registry.Names, metrics: telemetry.Metrics) -> registry.Registry:
    return registry.connect(url, memory=registry.Memory(), names=names, metrics=metrics)


async def test_a_static_list_is_all_there_is() -> None:
    metrics = telemetry.Metrics("test")
    names = registry.Names(static={"order": ["http://127.0.0.1:1/", "http://127.0.0.1:2"]})
    instances = _connect("static://", names, metrics)
    await instances.watch("order")
    await instances.watch("cart")
    found = [(instance.service, instance.address) for instance in instances.instances("order")]
    assert found == [("order", "http://127.0.0.1:1"), ("order", "http://127.0.0.1:2")]
    assert list(instances.instances("cart")) == []
    labels = {"service": "order", "source": "static"}
    assert metrics.registry.get_sample_value("revcart_discovery_source", labels) == 1
    await instances.close()


@pytest.mark.parametrize("template", ["localhost:{port}", "localhost:8085"])
async def test_a_name_in_dns_is_an_instance_per_address(template: str) -> None:
    names = registry.Names(template=template, ports={"order": 8085})
    instances = _connect("dns://", names, telemetry.Metrics("test"))
    await instances.watch("order")
    assert "http://127.0.0.1:8085" in {instance.address for instance in instances.instances("order")}
    await instances.close()


async def test_a_name_that_does_not_resolve_or_has_no_port_is_no_instance() -> None:
    names = registry.Names(template="{service}.invalid:{port}", ports={"order": 8085})
    instances = _connect("dns://", names, telemetry.Metrics("test"))
    for service in ("order", "cart"):
        await instances.watch(service)
        assert list(instances.instances(service)) == []
    await instances.close()
