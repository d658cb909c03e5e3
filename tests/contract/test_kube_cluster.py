"""The engine's port against a real API server: what server-side apply, preconditions and watches really do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import prometheus_client as prometheus
import pytest
from tests import control_plane, polling

from revcart.kit import clock
from revcart_operator.engine import errors, kinds, metrics
from revcart_operator.kube import client, connection, lease, watching

CONFIG_MAP = kinds.of({"apiVersion": "v1", "kind": "ConfigMap"})


@dataclass(frozen=True, kw_only=True)
class World:
    plane: control_plane.ControlPlane
    to: connection.Connection
    cluster: client.Client
    namespace: str
    metrics: metrics.Metrics

    def config_map(self, **data: str) -> dict[str, Any]:
        labels = {"platform.revcart.io/platform": "shop"}
        meta = {"name": "shop-x", "namespace": self.namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}

    def platform(self) -> dict[str, Any]:
        made = self.plane.ask(
            "POST",
            self.plane.platforms(self.namespace),
            {
                "apiVersion": kinds.PLATFORM.api_version,
                "kind": kinds.PLATFORM.kind,
                "metadata": {"name": "shop"},
                "spec": {"version": "0.1.0"},
            },
        )
        assert made[0] == 201, made
        found: dict[str, Any] = made[1]
        return found


@pytest.fixture
async def world(control_plane: control_plane.ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    counted = metrics.Metrics(prometheus.CollectorRegistry())
    to = connection.Connection(await connection.sign_in(), metrics=counted)
    yield World(
        plane=control_plane,
        to=to,
        cluster=client.Client(to, clock=clock.System(), instance="test"),
        namespace=control_plane.namespace(),
        metrics=counted,
    )
    await to.close()


async def test_apply_makes_repeats_without_a_write_and_takes_back_what_it_no_longer_says(world: World) -> None:
    made = await world.cluster.apply(world.config_map(a="1", b="2"))
    again = await world.cluster.apply(world.config_map(a="1", b="2"))
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert (await world.cluster.apply(world.config_map(a="1")))["data"] == {"a": "1"}


async def test_apply_wins_over_others_and_leaves_what_is_theirs(world: World) -> None:
    await world.cluster.apply(world.config_map(a="1"))
    path = connection.path(CONFIG_MAP, world.namespace, "shop-x")
    world.plane.ask("PATCH", path, {"data": {"a": "2", "theirs": "3"}})
    assert (await world.cluster.apply(world.config_map(a="1")))["data"] == {"a": "1", "theirs": "3"}


async def test_overwrite_takes_out_what_others_put_into_a_list(world: World) -> None:
    meta = {"name": "shop-y", "namespace": world.namespace}
    ports = [{"name": "main", "port": 80, "protocol": "TCP"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}}
    await world.cluster.apply(service)
    renumbered = [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]
    path = connection.path(kinds.of(service), world.namespace, "shop-y")
    world.plane.ask("PATCH", path, renumbered, content_type="application/json-patch+json")
    with pytest.raises(errors.Refused, match="Duplicate value") as refused:
        await world.cluster.apply(service)
    assert refused.value.status == 422
    await world.cluster.overwrite(service)
    assert [port["port"] for port in (await world.cluster.apply(service))["spec"]["ports"]] == [80]


async def test_a_dry_run_says_what_would_be_and_writes_nothing(world: World) -> None:
    assert (await world.cluster.apply(world.config_map(a="1"), dry_run=True))["data"] == {"a": "1"}
    assert await world.cluster.get(CONFIG_MAP, world.namespace, "shop-x") is None


async def test_apply_onto_a_version_that_has_passed_is_a_conflict(world: World) -> None:
    old = await world.cluster.apply(world.config_map(a="1"))
    await world.cluster.apply(world.config_map(a="2"))
    late = world.config_map(a="3")
    late["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
    with pytest.raises(errors.Conflict):
        await world.cluster.apply(late)


async def test_create_does_not_touch_what_is_there(world: World) -> None:
    await world.cluster.create(world.config_map(a="1"))
    with pytest.raises(errors.Conflict):
        await world.cluster.create(world.config_map(a="2"))
    found = await world.cluster.get(CONFIG_MAP, world.namespace, "shop-x")
    assert found is not None
    assert found["data"] == {"a": "1"}


async def test_delete_goes_to_that_very_object_only(world: World) -> None:
    made = await world.cluster.apply(world.config_map(a="1"))
    with pytest.raises(errors.Conflict):
        await world.cluster.delete(CONFIG_MAP, world.namespace, "shop-x", uid="another")
    await world.cluster.delete(CONFIG_MAP, world.namespace, "shop-x", uid=made["metadata"]["uid"])
    assert await world.cluster.list(CONFIG_MAP, world.namespace, selector="platform.revcart.io/platform=shop") == []


async def test_an_object_that_the_server_does_not_take_is_refused_in_its_words(world: World) -> None:
    wrong = world.config_map()
    wrong["metadata"]["name"] = "Not_A_Name"
    with pytest.raises(errors.Refused, match="RFC 1123") as refused:
        await world.cluster.apply(wrong)
    assert refused.value.status == 422


async def test_what_the_server_does_not_know_is_not_found(world: World) -> None:
    with pytest.raises(errors.NotFound):
        await world.cluster.list(kinds.HTTP_ROUTE, world.namespace, selector="a=b")
    in_no_namespace = world.config_map()
    in_no_namespace["metadata"]["namespace"] = "nowhere"
    with pytest.raises(errors.NotFound):
        await world.cluster.apply(in_no_namespace)


async def test_a_status_is_replaced_as_a_whole_and_the_spec_untouched(world: World) -> None:
    platform = world.platform()
    await world.cluster.put_status(platform, {"observedGeneration": 1, "version": "0.1.0", "endpoint": "http://a"})
    (platform,) = await world.cluster.platforms(world.namespace)
    await world.cluster.put_status(platform, {"observedGeneration": 1, "endpoint": "http://b"})
    (found,) = await world.cluster.platforms(world.namespace)
    assert found["status"] == {"observedGeneration": 1, "endpoint": "http://b"}
    assert found["spec"] == platform["spec"]
    assert found["metadata"]["generation"] == 1


async def test_a_status_about_a_spec_that_has_changed_is_a_conflict(world: World) -> None:
    platform = world.platform()
    world.plane.ask("PATCH", world.plane.platforms(world.namespace, "shop"), {"spec": {"runState": "Hibernated"}})
    with pytest.raises(errors.Conflict):
        await world.cluster.put_status(platform, {"observedGeneration": 1})


async def test_a_status_never_lands_on_a_successor(world: World) -> None:
    platform = world.platform()
    world.plane.ask("DELETE", world.plane.platforms(world.namespace, "shop"))
    with pytest.raises(errors.NotFound):
        await world.cluster.put_status(platform, {"observedGeneration": 1})
    world.platform()
    with pytest.raises(errors.Conflict):
        await world.cluster.put_status(platform, {"observedGeneration": 1})


async def test_an_event_is_about_the_platform(world: World) -> None:
    platform = world.platform()
    await world.cluster.event(platform, type="Warning", reason="ImagePullFailed", message="it cannot be pulled")
    _, found = world.plane.ask("GET", f"/api/v1/namespaces/{world.namespace}/events")
    (event,) = found["items"]
    assert (event["reason"], event["involvedObject"]["uid"]) == ("ImagePullFailed", platform["metadata"]["uid"])
    assert event["lastTimestamp"]


async def test_a_watch_tells_changes_and_reads_no_contents(world: World) -> None:
    told: list[tuple[str, str]] = []
    watcher = watching.Watcher(world.to, kind=CONFIG_MAP, namespace=None, changed=told.append, metrics=world.metrics)
    task = asyncio.create_task(watcher.run())
    shop = (world.namespace, "shop")
    try:
        made = await world.cluster.apply(world.config_map(a="1"))
        await polling.until(lambda: told.count(shop) == 1, seconds=20)
        await world.cluster.apply(world.config_map(a="2"))
        await polling.until(lambda: told.count(shop) == 2, seconds=20)
        await world.cluster.delete(CONFIG_MAP, world.namespace, "shop-x", uid=made["metadata"]["uid"])
        await polling.until(lambda: told.count(shop) == 3, seconds=20)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_version_from_before_everything_is_gone(world: World) -> None:
    """The server keeps a window of changes; its answer to a version outside of it differs by version and luck."""
    events = world.to.watch(
        connection.path(CONFIG_MAP, world.namespace),
        query={"resourceVersion": "1", "timeoutSeconds": "1"},
        accept="application/json",
        seconds=20,
        silence=20,
    )
    with contextlib.suppress(connection.Gone):
        async for event in events:
            assert event["type"] in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")


async def test_two_want_the_lease(world: World) -> None:
    held = {name: lease.Lease(world.to, namespace=world.namespace, identity=name, clock=clock.System())
            for name in ("one", "two")}  # fmt: skip
    assert await held["one"].attempt()
    assert not await held["two"].attempt()
    assert await held["one"].attempt()
    await held["one"].release()
    assert await held["two"].attempt()
    assert not await held["one"].attempt()
