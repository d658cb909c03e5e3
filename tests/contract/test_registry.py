"""The registry port, on its memory adapter and, where REVCART_TEST_CONSUL_URL names one, on Consul."""

import os
from collections.abc import AsyncIterator, Callable

import pytest
from tests import polling

from revcart.kit import ids, registry, telemetry


@pytest.fixture(params=["memory", "consul"])
async def instances(request: pytest.FixtureRequest) -> AsyncIterator[registry.Registry]:
    url = os.environ.get("REVCART_TEST_CONSUL_URL")
    if request.param == "consul" and not url:
        pytest.skip("set REVCART_TEST_CONSUL_URL to test on Consul")
    opened = registry.connect(
        url if request.param == "consul" and url else "memory://",
        memory=registry.Memory(),
        names=registry.Names(),
        metrics=telemetry.Metrics("test"),
    )
    yield opened
    await opened.close()


@pytest.fixture
async def made(instances: registry.Registry) -> AsyncIterator[Callable[..., registry.Instance]]:
    """Makes instances of services that only this test has, and takes them out at the end."""
    prefix = ids.uuid7()
    done: list[registry.Instance] = []

    def make(service: str, id: str, port: int = 80) -> registry.Instance:
        instance = registry.Instance(
            service=f"{service}-{prefix}", id=f"{id}-{prefix}", address=f"http://127.0.0.1:{port}"
        )
        done.append(instance)
        return instance

    yield make
    for instance in done:
        await instances.deregister(instance)


async def _comes(instances: registry.Registry, service: str, wanted: set[str]) -> None:
    await polling.until(lambda: {found.id for found in instances.instances(service)} == wanted, seconds=3)


async def test_instances_are_found_by_service(
    instances: registry.Registry, made: Callable[..., registry.Instance]
) -> None:
    a, b, c = made("order", "a"), made("order", "b"), made("cart", "c")
    await instances.watch(a.service)
    assert list(instances.instances(a.service)) == []
    for instance in (a, b, c):
        await instances.register(instance)
    await _comes(instances, a.service, {a.id, b.id})
    await instances.watch(c.service)
    assert list(instances.instances(c.service)) == [c], "who watches later knows at once"


async def test_registering_an_id_again_replaces_it(
    instances: registry.Registry, made: Callable[..., registry.Instance]
) -> None:
    first, second = made("order", "a", 80), made("order", "a", 81)
    await instances.register(first)
    await instances.watch(first.service)
    assert [found.address for found in instances.instances(first.service)] == ["http://127.0.0.1:80"]
    await instances.register(second)
    await polling.until(
        lambda: [found.address for found in instances.instances(first.service)] == ["http://127.0.0.1:81"], seconds=3
    )


async def test_a_deregistered_instance_gets_nothing_new(
    instances: registry.Registry, made: Callable[..., registry.Instance]
) -> None:
    a, b, never = made("order", "a"), made("order", "b"), made("order", "never-there")
    await instances.register(a)
    await instances.register(b)
    await instances.watch(a.service)
    before = instances.instances(a.service)
    assert len(before) == 2
    await instances.deregister(a)
    await instances.deregister(never)
    await _comes(instances, a.service, {b.id})
    assert len(before) == 2, "who is choosing from an older list is not disturbed"
