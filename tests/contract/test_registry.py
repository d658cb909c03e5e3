"""The registry port, on its memory adapter."""

import pytest

from revcart.kit import registry


@pytest.fixture
def instances() -> registry.Registry:
    return registry.Memory()


def _instance(service: str, id: str, port: int = 80) -> registry.Instance:
    return registry.Instance(service=service, id=id, address=f"http://127.0.0.1:{port}")


async def test_instances_are_found_by_service(instances: registry.Registry) -> None:
    assert list(instances.instances("order")) == []
    for instance in (_instance("order", "a"), _instance("order", "b"), _instance("cart", "c")):
        await instances.register(instance)
    assert {found.id for found in instances.instances("order")} == {"a", "b"}
    assert [found.id for found in instances.instances("cart")] == ["c"]


async def test_registering_an_id_again_replaces_it(instances: registry.Registry) -> None:
    await instances.register(_instance("order", "a", 80))
    await instances.register(_instance("order", "a", 81))
    assert [found.address for found in instances.instances("order")] == ["http://127.0.0.1:81"]


async def test_a_deregistered_instance_gets_nothing_new(instances: registry.Registry) -> None:
    await instances.register(_instance("order", "a"))
    await instances.register(_instance("order", "b"))
    before = instances.instances("order")
    await instances.deregister(_instance("order", "a"))
    await instances.deregister(_instance("order", "never-there"))
    assert [found.id for found in instances.instances("order")] == ["b"]
    assert len(before) == 2, "who is choosing from an older list is not disturbed"
